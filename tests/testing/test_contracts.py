"""The contract suites can fail: each finds the one thing that is wrong with a unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.job import ModelSpec
from paredown.core.meter import Fact, Meter
from paredown.core.reading import How, Missing, Reading
from paredown.core.task import Metric
from paredown.core.technique import DataNeed, Stage, Technique
from paredown.ground import registry
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.image_classification import ImageClassification
from paredown.testing import tiny
from paredown.testing.contracts import (
    bad_values,
    check_dataset,
    check_fact,
    check_meter,
    check_metric,
    check_model_source,
    check_runtime,
    check_task,
    check_technique,
)


@dataclass(frozen=True, kw_only=True)
class Nudge(Technique):
    """Round every weight."""

    step: float = knob.number(0.01, low=0.001, high=0.1, help="Weights become multiples of this.")
    mode: str = knob.choice("near", "down", help="Which multiple.")

    stage: ClassVar[Stage] = Stage.WIDTH
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "a test needs one."
    avoid_when: ClassVar[str] = "anything else."

    def apply(self, candidate, context):
        from paredown.modelkit.blueprint import open_module, save_module

        module, blueprint = open_module(candidate, context.store)
        for weight in module.parameters():
            weight.data = (weight.data / self.step).round() * self.step
        return save_module(module, blueprint, context.store, context.work)


def test_a_good_technique_passes(tmp_path: Path) -> None:
    check_technique(Nudge, tmp_path)


@dataclass(frozen=True, kw_only=True)
class Sourceless(Nudge):
    """Says no source."""

    source: ClassVar[str] = ""


@dataclass(frozen=True, kw_only=True)
class Unchecked(Nudge):
    """Takes any value."""

    def __post_init__(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Impure(Nudge):
    """Writes into its input's folder."""

    def apply(self, candidate, context):
        (context.store.folder(candidate.digest) / "note.txt").write_text("mine")
        return super().apply(candidate, context)


@dataclass(frozen=True, kw_only=True)
class Moody(Nudge):
    """Draws from a stream of its own."""

    def apply(self, candidate, context):
        made = super().apply(candidate, context)
        folder = context.work / "noise"
        folder.mkdir()
        (folder / "x").write_bytes(np.random.default_rng().bytes(8))
        return Candidate(digest=context.store.put(folder), form=made.form)


@dataclass(frozen=True, kw_only=True)
class Lazy(Nudge):
    """Does nothing."""

    def apply(self, candidate, context):
        return candidate


@dataclass(frozen=True, kw_only=True)
class Lost(Nudge):
    """Returns what it did not store."""

    def apply(self, candidate, context):
        return Candidate(digest="f" * 64, form="torch")


@dataclass(frozen=True, kw_only=True)
class Greedy(Nudge):
    """Fits everything."""

    def fits(self, candidate):
        return None


BAD = [
    (Sourceless, "sourceless says no source"),
    (Unchecked, r"unchecked\(step=0.000999\) is taken; it needs a number from 0.001 up to 0.1"),
    (Impure, r"impure\(\) changed the stored files of its input"),
    (Moody, r"moody\(\) gave two digests for one seed"),
    (Lazy, r"lazy\(\) returned its input"),
    (Lost, "'f{64}', which is not in the store"),
    (Greedy, "greedy.fits of a model in no-such-form is None; it must be a sentence"),
]


@pytest.mark.parametrize(("cls", "message"), BAD, ids=lambda item: getattr(item, "__name__", ""))
def test_a_bad_technique_is_found(cls: type[Technique], message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_technique(cls, tmp_path)


@pytest.mark.parametrize(
    "declared",
    [knob.share(0.5), knob.number(1.0, low=0.5), knob.count(3, low=1, high=9), knob.choice("a", "b"), knob.flag(True), knob.text("x")],
)
def test_bad_values_are_bad(declared) -> None:
    rule = next(iter(declared.metadata.values()))
    assert bad_values(rule)
    assert all(rule.problem(value) is not None for value in bad_values(rule))


class Scaled(Onnxruntime):
    """Answers twice the logits."""

    def open(self, folder, file, placement):
        session = super().open(folder, file, placement)
        right = session.run
        session.run = lambda feed: {key: 2 * value for key, value in right(feed).items()}
        return session


class Mute(Onnxruntime):
    """Is never ready and does not say why."""

    def ready(self, host):
        return ""


def test_a_bad_runtime_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_runtime(Scaled, tmp_path / "a")
    with pytest.raises(AssertionError, match=r"mute\.ready is ''; it must be a sentence"):
        check_runtime(Mute, tmp_path / "b")


class Clock(Meter):
    """Reads nothing."""

    quantities = ("cpu_time", "energy")
    gives = ()

    def ready(self, host):
        return None

    def start(self): ...

    def stop(self, window):
        return self.gives


READINGS = [
    ((Reading(quantity="cpu_time", value=1.0, how=How.MEASURED),), r"clock gave \['cpu_time'\]; it declares \['cpu_time', 'energy'\]"),
    (
        (Reading(quantity="cpu_time", value=1.0, unit="ms", how=How.MEASURED), Missing(quantity="energy", reason="not on here")),
        "in 'ms'; .* 's'",
    ),
    ((Reading(quantity="cpu_time", value=-1.0, how=How.MEASURED), Missing(quantity="energy", reason="not on here")), "cpu_time is -1.0"),
    ((Reading(quantity="cpu_time", value=1.0, low=2.0, how=How.MEASURED), Missing(quantity="energy", reason="not on here")), "low end 2.0"),
    (
        (Reading(quantity="cpu_time", value=1.0, how=How.MEASURED), Missing(quantity="energy", reason="no")),
        "missing because 'no'; say more",
    ),
]


@pytest.mark.parametrize(("gives", "message"), READINGS)
def test_a_bad_meter_or_fact_is_found(gives, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Clock, "gives", gives)
    with pytest.raises(AssertionError, match=message):
        check_meter(Clock())
    fact = type("Clock", (Fact,), {"__doc__": "The same.", "quantities": Clock.quantities, "facts": lambda self, artifact: gives})
    with pytest.raises(AssertionError, match=message):
        check_fact(fact(), tmp_path)


def test_a_meter_that_is_ready_without_an_instrument_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "found", lambda self: ())
    with pytest.raises(
        AssertionError, match=r"clock is ready but names no instrument that it reads; where it needs none, found\(\) is None"
    ):
        check_meter(Clock())


class Share(Metric):
    """Share of right answers."""

    def over_set(self, targets, answers):
        return float((answers.argmax(1) == targets).mean())

    def per_item(self, targets, answers):
        return (answers.argmax(1) == targets).astype(float)

    def chance(self, targets, outputs):
        return float(np.bincount(targets, minlength=outputs).max() / len(targets))


def test_a_bad_metric_is_found() -> None:
    check_metric(Share())
    cases = {
        "perfect answers get 1.0, chance": {"better": "lower"},
        "when the rows change places": {"over_set": lambda self, targets, answers: float(answers[0, targets[0]])},
        "the mean over rows is": {"per_item": lambda self, targets, answers: Share.per_item(self, targets, answers) / 2},
        "one score per row": {"per_item": lambda self, targets, answers: Share.per_item(self, targets, answers)[:5]},
        "per_item_scores is False": {"per_item_scores": False},
        "kinds are .'colors',.; they are of class, labels, numbers": {"kinds": ("colors",)},
        r"kinds are \(\)": {"kinds": ()},
    }  # fmt: skip
    for message, changes in cases.items():
        broken = type("Broken", (Share,), {"__doc__": "Wrong."} | changes)
        with pytest.raises(AssertionError, match=message):
            check_metric(broken())


class Near(Metric):
    """Share of numbers that are hit, and of labels."""

    kinds = ("labels", "numbers")
    turned = None

    def over_set(self, targets, answers):
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets, answers):
        kind = "labels" if np.isin(targets, (0, 1)).all() else "numbers"
        hit = (np.abs(targets - answers) < 0.1).mean(axis=1)
        return 1 - hit if kind == self.turned else hit

    def chance(self, targets, outputs):
        return 0.0


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_a_metric_is_asked_about_every_kind_that_it_declares(kind: str) -> None:
    check_metric(Near())
    broken = type("Near", (Near,), {"__doc__": "Wrong.", "turned": kind})
    with pytest.raises(AssertionError, match=f"near of {kind}: perfect answers get 0.0, chance 0.0; higher is better"):
        check_metric(broken())


def test_a_bad_task_is_found() -> None:
    class Arrays(ImageClassification):
        """Its encoder holds a tuple."""

        def encoder(self, train, options):
            return super().encoder(train, options) | {"shape": (6, 6)}

    class Restless(ImageClassification):
        """Its probe has no seed."""

        def probe(self, encoder, seed):
            return np.random.default_rng().uniform(0, 16, (4, 6, 6))

    with pytest.raises(AssertionError, match="after a round trip through JSON; use plain lists"):
        check_task(Arrays(), tiny.rows())
    with pytest.raises(AssertionError, match="one seed gives two probes"):
        check_task(Restless(), tiny.rows())


def test_a_bad_model_source_is_found(tmp_path: Path) -> None:
    source = registry.get("models", "python")

    class Restless(source):
        """Another digest each time."""

        def digest(self, spec, folder):
            return str(np.random.default_rng().integers(1 << 60))

    spec = ModelSpec(kind="python", value="paredown.testing.tiny:mlp")
    with pytest.raises(AssertionError, match="one entry has two digests"):
        check_model_source(Restless(), spec, tmp_path, tmp_path / "scratch")


def test_a_bad_dataset_is_found(tmp_path: Path) -> None:
    class Rowdy(DatasetReader):
        """Labels without names, from thin air."""

        prefix = "rowdy:"
        names = ("a", "b", "c")

        def read(self, source, folder, columns, labels):
            if "no-such" in source and self.strict:
                raise BadData("it is not there.")
            return type(tiny.rows())(inputs=tiny.rows().inputs, labels=tiny.rows().labels, names=self.names)

        strict = False

    with pytest.raises(AssertionError, match="read 'rowdy:no-such-source', which is not there"):
        check_dataset(Rowdy(), "rowdy:x", tmp_path)
    Rowdy.strict = True
    with pytest.raises(AssertionError, match="without naming it: it is not there"):
        check_dataset(Rowdy(), "rowdy:x", tmp_path)
    Rowdy.names = ("a",)
    with pytest.raises(AssertionError, match="the label 2 has no name among 1"):
        check_dataset(Rowdy(), "rowdy:x", tmp_path)
    Rowdy.suffixes = (".row",)
    with pytest.raises(AssertionError, match="declares a prefix and suffixes"):
        check_dataset(Rowdy(), "rowdy:x", tmp_path)
    Rowdy.prefix = ""
    with pytest.raises(AssertionError, match=r"does not claim 'x\.rows'"):
        check_dataset(Rowdy(), "x.rows", tmp_path)


def test_the_tiny_models_are_one_function_in_three_forms(tmp_path: Path) -> None:
    import torch

    from paredown.ground.store import FolderStore
    from paredown.modelkit.blueprint import open_module

    feed = tiny.encode(tiny.rows(7).inputs)
    module, _ = open_module(tiny.candidate("torch", tmp_path), FolderStore(tmp_path / "store"))
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(feed[tiny.FEED])).numpy(), tiny.logits(feed), rtol=1e-4, atol=1e-5)
    assert check_runtime(Onnxruntime, tmp_path / "onnx") is None
