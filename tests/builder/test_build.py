"""Recipes become artifacts: each step once, the thread count found where none is given, failures of one trial kept to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from paredown.artifact.load import load, read_manifest
from paredown.builder.build_spec import BuildSpec
from paredown.core.candidate import Candidate
from paredown.core.errors import BadRecipe, LimitExceeded, Unfit
from paredown.core.job import ModelSpec
from paredown.core.recipe import parse
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.evidence.verify import verify
from paredown.ground import registry
from paredown.testing import tiny

Make = Callable[..., Any]
IMAGES = tiny.rows(20, 4).inputs


def test_the_model_as_given_is_packed_for_its_engine(bench: Make) -> None:
    here = bench()
    built = here.builder.build(parse("as_given @ torch(threads=1)"))
    assert str(built.recipe) == "as_given @ torch(threads=1)"
    assert built.steps == []
    folder = here.artifact(built.artifact)
    verify(folder)
    with load(folder) as model:
        expected = tiny.logits(tiny.encode(IMAGES)).argmax(1)
        assert model.predict(IMAGES) == [("top", "middle", "bottom")[at] for at in expected]
    assert read_manifest(folder)["lineage"] == [here.build_spec.teacher["digest"]]


def test_tensors_are_lowered_where_the_engine_or_a_step_needs_it(bench: Make) -> None:
    here = bench()
    first = here.builder.build(parse("as_given @ onnxruntime(threads=1)"))
    second = here.builder.build(parse("quantize_dynamic() @ onnxruntime(threads=1)"))
    assert here.worker.verbs == ["lower", "pack", "apply", "pack"]
    with load(here.artifact(first.artifact)) as fp32, load(here.artifact(second.artifact)) as int8:
        np.testing.assert_allclose(fp32.predict_proba(IMAGES), int8.predict_proba(IMAGES), atol=0.1)
    assert [text for text, _ in second.steps] == ["quantize_dynamic()"]
    assert len(read_manifest(here.artifact(second.artifact))["lineage"]) == 2


def test_a_shared_prefix_is_built_once(bench: Make) -> None:
    here = bench()
    prefix = "prune_channels(round_to=1) > recover(epochs=1)"
    here.builder.build(parse(f"{prefix} @ torch(threads=1)"))
    before = dict(here.ledger.facts)
    here.builder.build(parse(f"{prefix} > quantize_dynamic() @ onnxruntime(threads=1)"))
    assert here.worker.verbs == ["apply", "apply", "pack", "lower", "apply", "pack"]
    assert {key: fact.id for key, fact in here.ledger.facts.items() if key in before} == {key: fact.id for key, fact in before.items()}
    assert [fact.id for fact in here.ledger.facts.values()] == list(range(1, 7))
    done = len(here.worker.verbs)
    again = here.builder.build(parse(f"{prefix} > quantize_dynamic() @ onnxruntime(threads=1)"))
    assert len(here.worker.verbs) == done
    # a knob written at its default is the same step
    same = here.builder.build(
        parse('prune_channels(round_to=1, criterion="fisher") > recover(epochs=1) > quantize_dynamic() @ onnxruntime(threads=1)')
    )
    assert here.worker.verbs[done:] in ([], ["pack"])
    assert [text for text, _ in same.steps] == [text for text, _ in again.steps]
    assert "kept 1 " in again.steps[0][1]


def test_what_is_still_to_be_applied_is_known_before_and_what_was_applied_tells_its_time(bench: Make) -> None:
    from dataclasses import replace

    here, took = bench(), []
    builder = replace(here.builder, took=lambda name, wall_s: took.append((name, wall_s >= 0)))
    prefix = "prune_channels(round_to=1) > recover(epochs=1, rows=40)"
    whole = parse(f"{prefix} > quantize_dynamic() @ onnxruntime(threads=1)")
    assert [one.name() for one in builder.pending(whole)] == ["prune_channels", "recover", "quantize_dynamic"]
    built = builder.build(parse(f"{prefix} @ torch(threads=1)"))
    assert took == [("prune_channels", True), ("recover", True)]
    assert built.steps[1][1].startswith("learned 1 epochs on 40 rows")
    assert [one.name() for one in builder.pending(whole)] == ["quantize_dynamic"]
    builder.build(whole)
    assert builder.pending(whole) == []
    assert took[2:] == [("quantize_dynamic", True)]


def test_how_fast_the_model_trains_is_found_out_once(bench: Make) -> None:
    here = bench()
    assert 0 < here.builder.pace_s() == here.builder.pace_s()
    assert here.worker.verbs == ["pace"]


def test_another_seed_is_other_work(bench: Make) -> None:
    from dataclasses import replace

    here = bench()
    recipe = parse("prune_channels(round_to=1) @ torch(threads=1)")
    here.builder.build(recipe)
    replace(here.builder, build_spec=replace(here.build_spec, seed=1)).build(recipe)
    assert here.worker.verbs == ["apply", "pack", "apply", "pack"]


def test_threads_are_tuned_only_where_the_recipe_names_none(bench: Make) -> None:
    asked = []

    def tune(artifact: str, engine: str) -> int:
        asked.append(engine)
        return 2

    here = bench("onnx", tune=tune)
    fixed = here.builder.build(parse("as_given @ onnxruntime(threads=3)"))
    assert asked == []
    assert read_manifest(here.artifact(fixed.artifact))["graphs"][0]["placement"] == {"threads": 3}
    tuned = here.builder.build(parse("as_given @ onnxruntime"))
    assert asked == ["onnxruntime"]
    assert str(tuned.recipe) == "as_given @ onnxruntime(threads=2)"
    manifest = read_manifest(here.artifact(tuned.artifact))
    assert (manifest["graphs"][0]["placement"], manifest["recipe"]) == ({"threads": 2}, "as_given @ onnxruntime(threads=2)")
    verify(here.artifact(tuned.artifact))
    one = bench("onnx", tune=lambda artifact, engine: 1)
    assert str(one.builder.build(parse("as_given @ onnxruntime")).recipe) == "as_given @ onnxruntime(threads=1)"
    assert "place" not in one.worker.verbs


def test_a_cascade_joins_what_its_parts_were_built_to(bench: Make) -> None:
    here = bench()
    text = "cascade(prune_channels(round_to=1) @ onnxruntime(threads=1), as_given @ onnxruntime(threads=1), at=0.7)"
    built = here.builder.build(parse(text))
    assert str(built.recipe) == text
    manifest = read_manifest(here.artifact(built.artifact))
    assert manifest["program"] == {"kind": "cascade", "at": 0.7}
    assert len(manifest["lineage"]) == 2
    assert [step for step, _ in built.steps] == ["prune_channels(round_to=1)"]
    with load(here.artifact(built.artifact)) as pair, load(here.artifact(manifest["lineage"][1])) as second:
        unsure = pair.predict_proba(IMAGES).max(1) < 0.7
        np.testing.assert_allclose(pair.predict_proba(IMAGES)[unsure], second.predict_proba(IMAGES)[unsure], atol=1e-6)


@dataclass(frozen=True, kw_only=True)
class Quarrel(Technique):
    """Cannot even say whether it fits."""

    stage: ClassVar[Stage] = Stage.WIDTH
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "never."
    avoid_when: ClassVar[str] = "always."

    def fits(self, candidate: Candidate) -> str | None:
        raise KeyError("layers")

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        return candidate


def test_a_technique_whose_fits_fails_costs_only_its_trial(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here, get = bench("onnx"), registry.get
    monkeypatch.setattr(registry, "get", lambda kind, name: Quarrel if name == "quarrel" else get(kind, name))
    with pytest.raises(Unfit, match=r"quarrel\.fits failed: KeyError: 'layers'"):
        here.builder.build(parse("quarrel() @ torch(threads=1)"))
    assert here.worker.verbs == []
    assert here.builder.build(parse("as_given @ onnxruntime(threads=1)")).artifact


def test_what_does_not_apply_is_said_before_work_is_done(bench: Make) -> None:
    here = bench("onnx")
    with pytest.raises(Unfit, match=r"prune_channels works on a model in torch form; this one is in onnx form\."):
        here.builder.build(parse("prune_channels() @ onnxruntime(threads=1)"))
    with pytest.raises(Unfit, match=r"a model in onnx form cannot be turned into torch form\."):
        here.builder.build(parse("as_given @ torch(threads=1)"))
    with pytest.raises(BadRecipe, match="a model is quantized once"):
        here.builder.build(parse("quantize_dynamic() > quantize_dynamic() @ onnxruntime(threads=1)"))
    assert here.ledger.facts == {}


def test_a_recipe_has_its_time_and_no_more(bench: Make) -> None:
    here = bench(trial_s=0.0)
    with pytest.raises(
        LimitExceeded, match=r"took more than the 0 s that one trial may take; raise `search: \{trial: \{time: \.\.\.\}\}`\."
    ):
        here.builder.build(parse("as_given @ torch(threads=1)"))
    assert here.worker.verbs == []


def test_the_baseline_is_prepared_once(bench: Make) -> None:
    here = bench()
    spec = ModelSpec(kind="python", value="paredown.testing.tiny:conv_net", options={"train": {"epochs": 1, "batch": 32}})
    first = here.builder.baseline(spec, here.folder, {"input": (1, 6, 6)}, 3)
    again = here.builder.baseline(spec, here.folder, {"input": (1, 6, 6)}, 3)
    assert first == again
    assert here.worker.verbs == ["baseline"]
    other = ModelSpec(kind="python", value="paredown.testing.tiny:conv_net", options={"train": {"epochs": 2, "batch": 32}})
    assert here.builder.baseline(other, here.folder, {"input": (1, 6, 6)}, 3).digest != first.digest


def test_work_leaves_no_scratch_behind(bench: Make) -> None:
    here = bench("onnx")
    before = set(here.folder.rglob(".part-*"))
    here.builder.build(parse("quantize_dynamic() @ onnxruntime(threads=1)"))
    assert set(here.folder.rglob(".part-*")) == before


def test_a_black_box_teaches_through_the_engine_that_runs_it(bench: Make, tmp_path: Path) -> None:
    here = bench("onnx")
    (tmp_path / "scratch").mkdir()
    context = BuildSpec(**here.build_spec.json()).context(tmp_path / "scratch", lambda done, total: None)
    feed = tiny.encode(IMAGES)
    logits = tiny.logits(feed)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(context.ask(feed)), shares, atol=1e-5)
    assert len(context.rows("calibration")) == 48
    with pytest.raises(Unfit, match="the job has no test data"):
        context.rows("test")


def test_a_form_without_an_engine_cannot_teach(bench: Make, tmp_path: Path) -> None:
    from dataclasses import replace

    here = bench()
    build_spec = replace(here.build_spec, teacher=asdict(Candidate(digest="0" * 64, form="keras")))
    with pytest.raises(Unfit, match=r"no engine here runs a keras model, so that it cannot teach\."):
        build_spec.context(tmp_path, lambda done, total: None).ask(tiny.encode(IMAGES))
