"""A knob's one declaration is its check, its message and its default."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import BadDocument, BadKnob, MissingExtra, Problem, Unfit, UnknownName
from paredown.core.rows import Rows
from paredown.core.technique import Composition, Context, DataNeed, Stage, Technique, snake
from paredown.testing import tiny

RULES = {
    "share": knob.Knob(kind="share", default=0.5, low=0.1, high=1.0),
    "number": knob.Knob(kind="number", default=0.0),
    "count": knob.Knob(kind="count", default=3, low=1, high=9),
    "choice": knob.Knob(kind="choice", default="a", options=("a", "b")),
    "flag": knob.Knob(kind="flag", default=True),
    "text": knob.Knob(kind="text", default=""),
}
TAKEN = {
    "share": (0.1, 1.0, 1, 0.5, np.float64(0.5)),
    "number": (-1e9, 0, 3.5),
    "count": (1, 9),
    "choice": ("a", "b"),
    "flag": (True, False),
    "text": ("", "x", "half"),
}
REFUSED: dict[str, tuple[Any, ...]] = {
    "share": (0.0999, 1.0001, math.nan, math.inf, True, "0.5", None),
    "number": (math.nan, math.inf, -math.inf, True, False, "1", None, 1j),
    "count": (0, 10, 3.0, 3.5, True, math.nan, "3", None),
    "choice": ("c", "", "A", None, 1, True),
    "flag": (0, 1, "true", None),
    "text": (1, None, True, b"x"),
}


@pytest.mark.parametrize("kind", RULES)
def test_a_kind_takes_and_refuses(kind: str) -> None:
    assert [value for value in TAKEN[kind] if RULES[kind].problem(value) is not None] == []
    assert [value for value in REFUSED[kind] if RULES[kind].problem(value) != f"{value!r}"] == []


def test_what_is_allowed_in_words() -> None:
    said = {kind: rule.allowed for kind, rule in RULES.items()}
    assert said == {
        "share": "a number from 0.1 up to 1",
        "number": "a number",
        "count": "a whole number from 1 up to 9",
        "choice": "one of a, b",
        "flag": "true or false",
        "text": "a text",
    }


@dataclass(frozen=True, kw_only=True)
class ThinLayers(Technique):
    """Make layers thin."""

    keep: float = knob.share(0.5, low=0.1, help="Share to keep.")
    how: str = knob.choice("even", "greedy")
    rounds: int = knob.count(1, low=1)

    stage: ClassVar[Stage] = Stage.WIDTH
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "a test needs one."
    avoid_when: ClassVar[str] = "anything else."

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        return candidate


def test_all_bad_values_are_named_at_once() -> None:
    expected = (
        r"^thin_layers: keep is 2; it needs a number from 0\.1 up to 1\.\nthin_layers: rounds is 0; it needs a whole number from 1\.$"
    )
    with pytest.raises(BadKnob, match=expected):
        ThinLayers(keep=2, rounds=0)


def test_a_step_writes_only_what_differs_from_the_defaults() -> None:
    assert ThinLayers().text() == "thin_layers()"
    assert ThinLayers(keep=0.25, how="greedy").text() == 'thin_layers(keep=0.25, how="greedy")'
    assert list(knob.knobs(ThinLayers)) == ["keep", "how", "rounds"]


def test_make_refuses_a_knob_that_does_not_exist() -> None:
    assert knob.make(ThinLayers, "thin_layers", {"keep": 0.2}) == ThinLayers(keep=0.2)
    with pytest.raises(UnknownName, match=r"no knob of thin_layers 'kep'\. Did you mean 'keep'\?"):
        knob.make(ThinLayers, "thin_layers", {"kep": 0.2})


def test_fits_follows_the_stage() -> None:
    torch, onnx = (Candidate(digest="0", form=form) for form in ("torch", "onnx"))
    assert ThinLayers().fits(torch) is None
    assert ThinLayers().fits(onnx) == "thin_layers works on a model in torch form; this one is in onnx form."
    assert [stage for stage in Stage if stage.on_graph] == [Stage.TABLES, Stage.QUANTIZE, Stage.COMPOSE]
    assert [stage for stage in Stage if stage.repeats] == [Stage.DEPTH, Stage.WIDTH, Stage.RANK, Stage.RECOVER]


def test_a_composition_cannot_be_applied_to_one_model(tmp_path: Any) -> None:
    class Pair(Composition):
        """Two of them."""

        def program(self) -> dict[str, Any]:
            return {"kind": "pair"}

        def settings(self, first: Any, second: Any, labels: Any) -> list[dict[str, Any]]:
            return []

    with pytest.raises(Unfit, match=r"pair joins recipes; write pair\(A @ \.\.\., B @ \.\.\., \.\.\.\)\."):
        Pair().apply(Candidate(digest="0", form="onnx"), tiny.context(tmp_path))


def test_a_split_the_job_lacks_is_unfit(tmp_path: Any) -> None:
    context = tiny.context(tmp_path)
    assert len(context.rows("calibration")) == 48
    with pytest.raises(Unfit, match="the job has no test data"):
        context.rows("test")


def test_names_and_extras_in_messages() -> None:
    assert snake("PruneChannels") == "prune_channels"
    assert str(MissingExtra("onnxscript", "compress", "cutting channels")) == (
        "cutting channels needs the package onnxscript, which is not installed.\n  Run `pip install 'paredown[compress]'`."
    )
    assert str(UnknownName("thing", "zzz", ["b", "a"], hint="See there.")) == "no thing 'zzz'. Known: a, b. See there."
    both = BadDocument([Problem("a.yaml:1", "x is 1.", "Write 2."), Problem("a.yaml:4", "y is 1.", "Write 3.")])
    assert str(both) == "a.yaml:1: x is 1.\n  Write 2.\na.yaml:4: y is 1.\n  Write 3."


def test_rows_are_taken_in_order_and_their_digests_see_only_what_matters() -> None:
    table = Rows(
        inputs={"age": np.array([1.0, 2.0, 1.0]), "word": np.array(["a", "b", "a"])},
        labels=np.array([0, 1, 1], np.int64),
        names=("n", "y"),
        groups={"region": np.array(["x", "y", "z"])},
    )
    few = table.take(np.array([2, 0]))
    assert (len(few), few.labels.tolist(), few.groups["region"].tolist()) == (2, [1, 0], ["z", "x"])
    first, second, third = table.row_digests()
    assert first == third != second
    assert Rows(inputs=dict(reversed(table.inputs.items())), labels=table.labels, names=table.names).digest() == table.digest()
    assert Rows(inputs=table.inputs, labels=table.labels, names=("y", "n")).digest() != table.digest()
    assert table.take(np.array([1, 0, 2])).digest() != table.digest()
    assert Rows(inputs=np.array(["a", None], object), labels=None).row_digests()[0] != Rows(inputs=np.array(["b"]), labels=None).digest()
