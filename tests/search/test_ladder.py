"""What the ladder proposes, and when, in a state made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Chain, Composed, Step, parse, steps_of
from paredown.core.technique import Composition, Context, DataNeed, Stage, Technique
from paredown.core.trial import Trial
from paredown.kinds.one_class import OneClass
from paredown.search.ladder import STRATEGIES, ladder
from paredown.search.search_state import SearchState
from paredown.techniques.cascade import Cascade
from paredown.techniques.distill import Distill
from paredown.techniques.prune_channels import PruneChannels
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_embeddings import QuantizeEmbeddings
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.techniques.recover import Recover

OURS: list[type[Technique]] = [Cascade, Distill, PruneChannels, QuantizeDynamic, QuantizeStatic, Recover]


@dataclass(frozen=True, kw_only=True)
class DropLayers(Technique):
    """A third party's technique."""

    keep: float = knob.share(0.5)

    stage: ClassVar[Stage] = Stage.DEPTH
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "never."
    avoid_when: ClassVar[str] = "always."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({"keep": 0.8}, {"keep": 0.6}, {"keep": 0.4})

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        return candidate


@dataclass(frozen=True, kw_only=True)
class RoundWeights(DropLayers):
    """A third party's quantization."""

    stage: ClassVar[Stage] = Stage.QUANTIZE
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)


@dataclass(frozen=True, kw_only=True)
class FirstOne(Composition):
    """A third party's composition: the first alone."""

    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "never."
    avoid_when: ClassVar[str] = "always."

    def program(self) -> dict[str, Any]:
        return {"kind": "first_one"}

    def settings(self, first: Any, second: Any, targets: Any, kind: Any) -> list[dict[str, Any]]:
        return [{"at": 0.0}]


@dataclass
class World:
    """Tries every proposal at once: `outcome` says (gain, drop) of a recipe's text, or None where it fails."""

    outcome: Callable[[str], tuple[float, float] | None]
    techniques: Sequence[type[Technique]] = tuple(OURS)
    engines: Sequence[str] = ("onnxruntime",)
    trainable: bool = True
    margin: float | None = 0.02
    fitted: Callable[[Chain], Chain] = lambda chain: chain
    outputs: Callable[[str], Any] = lambda artifact: np.full((8, 2), 0.5)
    trials: list[Trial] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """The texts of all proposals in order."""
        state = SearchState(
            trials=lambda: tuple(self.trials),
            techniques=self.techniques,
            engines=self.engines,
            trainable=self.trainable,
            minimize="cpu_time",
            margin=self.margin,
            outputs=self.outputs,
            targets=np.zeros(8, int),
            kind=OneClass(),
            fitted=self.fitted,
        )
        out = []
        for proposal in ladder(state):
            text = str(proposal.recipe)
            out.append(text)
            self.whys.append(proposal.why)
            found = self.outcome(text)
            number = len(self.trials) + 1
            if found is None:
                self.trials.append(Trial(id=number, recipe=text, state="failed", reason="no."))
                continue
            ratio = Reading(quantity="cpu_time", value=found[0], unit="x", how=How.MEASURED)
            # the builder writes the best thread count into the recipe
            tuned = text if text.startswith(("cascade", "first_one")) else f"{text}(threads=1)"
            self.trials.append(Trial(id=number, recipe=tuned, artifact=f"a{number}", drop={"drop": found[1]}, ratios={"cpu_time": ratio}))
        return out


def stage_of(text: str) -> list[str]:
    return list(steps_of(parse(text)))


def test_the_rungs_come_in_order_and_nothing_twice() -> None:
    world = World(outcome=lambda text: (2.0, 0.0))
    found = world.run()
    assert len(found) == len(set(found))
    assert STRATEGIES["ladder"] is ladder
    assert set(found[:2]) == {"quantize_dynamic() @ onnxruntime", "quantize_static() @ onnxruntime"}
    tensors = [text for text in found if "quantize" not in text]
    both = [text for text in found if "quantize" in text and len(stage_of(text)) > 1]
    assert tensors
    assert both
    assert max(map(found.index, tensors)) < min(map(found.index, both))
    assert all("recover" in stage_of(text) for text in tensors if "prune_channels" in text)
    assert all("recover" not in stage_of(text) for text in tensors if "distill" in text)
    assert all(why.endswith(".") and len(why.split()) > 4 for why in world.whys)


def test_the_mildest_setting_comes_first_and_harder_ones_only_while_quality_holds() -> None:
    def outcome(worst: float) -> Callable[[str], tuple[float, float] | None]:
        def of(text: str) -> tuple[float, float]:
            (step,) = [step for step in parse(text).steps if step.name == "drop_layers"]  # type: ignore[union-attr]
            return 1 / step.values["keep"], 0.5 if step.values["keep"] <= worst else 0.0

        return of

    kept = {}
    for worst in (0.0, 0.4, 0.6, 0.8):
        found = World(outcome=outcome(worst), techniques=[DropLayers], trainable=False).run()
        kept[worst] = [float(text.partition("keep=")[2].partition(")")[0]) for text in found]
    assert kept == {0.0: [0.8, 0.6, 0.4], 0.4: [0.8, 0.6, 0.4], 0.6: [0.8, 0.6], 0.8: [0.8]}


def test_a_harder_setting_that_failed_or_gained_nothing_ends_its_rung() -> None:
    failing = World(outcome=lambda text: None, techniques=[DropLayers], trainable=False)
    assert len(failing.run()) == 1
    flat = World(outcome=lambda text: (2.0, 0.0), techniques=[DropLayers], trainable=False)
    assert len(flat.run()) == 2


def test_a_little_over_the_margin_still_counts_as_promising() -> None:
    # validation alone proves nothing, so that a drop close to the margin does not end a rung
    world = World(outcome=lambda text: (10 / float(text.partition("keep=")[2][:3]), 0.025), techniques=[DropLayers], trainable=False)
    assert len(world.run()) == 3


def test_third_parties_take_part_without_being_named() -> None:
    world = World(outcome=lambda text: (2.0, 0.0), techniques=[*OURS, DropLayers, RoundWeights])
    found = world.run()
    assert "round_weights() @ onnxruntime" in found[:3]
    assert any(stage_of(text) == ["drop_layers", "recover"] for text in found)


def tables_world(gain: float) -> World:
    """Where tables in fewer bits gain so much by themselves, and what quantizes the rest twice."""

    def outcome(text: str) -> tuple[float, float]:
        return (gain if "embeddings" in text else 1.0) * (2.0 if "dynamic" in text else 1.0) * (3.0 if "distill" in text else 1.0), 0.0

    return World(outcome=outcome, techniques=[QuantizeDynamic, QuantizeEmbeddings, Distill])


def test_tables_in_fewer_bits_go_before_what_quantizes_the_rest_where_they_gain() -> None:
    found = tables_world(1.5).run()
    both = "quantize_embeddings() > quantize_dynamic() @ onnxruntime"
    tables = [f"quantize_embeddings({bits}) @ onnxruntime" for bits in ("", "bits=4")]
    assert found[:4] == [*tables, "quantize_dynamic() @ onnxruntime", both]
    assert any(stage_of(text) == ["distill", "quantize_embeddings", "quantize_dynamic"] for text in found)
    for gain in (0.9, 1.0):  # of no use by themselves: neither alone below a student, nor together with another
        assert not any("embeddings" in text and len(stage_of(text)) > 1 for text in tables_world(gain).run())


def test_without_training_data_nothing_is_recovered() -> None:
    world = World(outcome=lambda text: (2.0, 0.0), techniques=[PruneChannels, QuantizeStatic, DropLayers], trainable=False)
    assert all("recover" not in stage_of(text) for text in world.run())


def test_each_engine_has_its_turn() -> None:
    found = World(outcome=lambda text: (2.0, 0.0), techniques=[QuantizeStatic], engines=("onnxruntime", "other")).run()
    assert found == ["quantize_static() @ onnxruntime", "quantize_static() @ other"]
    assert World(outcome=lambda text: (2.0, 0.0), techniques=[]).run() == []


def engines_world(times: Mapping[str, float], failing: str = "nothing") -> World:
    """Where an engine multiplies all gains."""

    def outcome(text: str) -> tuple[float, float] | None:
        engine = text.partition("@ ")[2].partition("(")[0]
        gain = 6.0 if "distill" in text else 3.0
        return None if failing in text else (gain * times[engine] * (2.0 if "quantize" in text else 1.0), 0.0)

    return World(outcome=outcome, techniques=[QuantizeStatic, QuantizeDynamic, Distill], engines=tuple(times))


def test_the_engine_that_gains_most_leads_and_only_its_best_cross_over() -> None:
    found = engines_world({"slow": 1.0, "fast": 1.5}).run()
    quantized = {f"quantize_{kind}() @ {engine}" for kind in ("dynamic", "static") for engine in ("slow", "fast")}
    assert set(found[:4]) == quantized
    on_tensors = [text for text in found[4:] if "distill" in text]
    assert all(text.endswith("@ fast") for text in on_tensors[:-1])
    # the first that crosses gains less than on the engine that leads: no second one
    assert on_tensors[-1].endswith("> quantize_dynamic() @ slow")


def test_a_second_recipe_crosses_over_where_the_first_gained() -> None:
    def outcome(text: str) -> tuple[float, float]:
        if "distill" in text:  # what is small runs better on the other engine
            return (9.0 if text.endswith("@ other") else 6.0) * (1.2 if "quantize" in text else 1.0), 0.0
        return (3.0 if text.endswith("@ lead") else 2.0), 0.0

    found = World(outcome=outcome, techniques=[QuantizeStatic, Distill], engines=("other", "lead")).run()
    crossed = [text for text in found if text.endswith("@ other") and "distill" in text]
    assert len(crossed) == 2
    assert "quantize_static" in crossed[0]


def test_what_quantizes_best_is_asked_of_each_engine() -> None:
    found = engines_world({"lead": 2.0, "other": 1.0}, failing="quantize_dynamic() @ other").run()
    assert found[-1].endswith("> quantize_static() @ other")
    assert any(text.endswith("> quantize_dynamic() @ lead") for text in found)
    none = engines_world({"lead": 2.0, "other": 1.0}, failing="c() @ other").run()  # no quantizer works there
    assert none[-1] in (text for text in none if "quantize" not in text)
    assert none[-1].endswith("@ other")


GAINS = {"round_weights": 4.0, "quantize_static": 2.0, "distill": 6.0, "drop_layers": 3.0, "prune_channels": 5.0}


@pytest.mark.parametrize(("factor", "expected"), [(2.0, ["prune_channels", "drop_layers"]), (1.0, ["prune_channels"])])
def test_the_best_tensor_recipes_are_quantized_by_the_best_quantizer(factor: float, expected: list[str]) -> None:
    def outcome(text: str) -> tuple[float, float]:
        steps = stage_of(text)
        # what distills best loses too much
        drop = 0.5 if steps[0] == "distill" else 0.0
        return GAINS[steps[0]] * (factor if len(steps) > 1 and steps[-1] in ("round_weights", "quantize_static") else 1.0), drop

    world = World(outcome=outcome, techniques=[Distill, DropLayers, PruneChannels, QuantizeStatic, RoundWeights], trainable=False)
    both = [stage_of(text) for text in world.run() if len(stage_of(text)) > 1]
    # the second best only where it helped the best
    assert both[0] == ["prune_channels", "round_weights"]
    assert len(both) == len(expected)
    assert all(steps[-1] == "round_weights" and steps[0] in ("prune_channels", "drop_layers") for steps in both)


def test_a_quantizer_that_kept_the_quality_comes_before_one_that_gained_more() -> None:
    def outcome(text: str) -> tuple[float, float]:
        return (9.0, 0.4) if "quantize_dynamic" in text else (3.0 if "quantize" in text else 2.0, 0.0)

    found = World(outcome=outcome, techniques=[DropLayers, QuantizeDynamic, QuantizeStatic]).run()
    assert {stage_of(text)[-1] for text in found if len(stage_of(text)) > 1} == {"quantize_static"}


def test_nothing_is_quantized_on_top_when_no_quantizer_worked() -> None:
    world = World(outcome=lambda text: None if "quantize" in text else (2.0, 0.0), techniques=[DropLayers, QuantizeStatic])
    assert [text for text in world.run() if "quantize" in text] == ["quantize_static() @ onnxruntime"]


@dataclass(frozen=True, kw_only=True)
class ThreeWays(RoundWeights):
    """A quantizer with three settings."""

    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"keep": 0.7}, {"keep": 0.6})


def test_a_quantizer_that_loses_to_the_engines_own_fp32_ends_that_line_on_that_engine() -> None:
    def outcome(text: str) -> tuple[float, float]:
        steps, slow = stage_of(text), text.endswith("@ slow")
        quantized = 1.0 if "three_ways" not in steps else 0.8 if slow else 1.5
        return (6.0 if "drop_layers" in steps else 3.0) * quantized, 0.0

    world = World(outcome=outcome, techniques=[DropLayers, ThreeWays], engines=("slow", "fast"))
    for engine in world.engines:
        ratio = Reading(quantity="cpu_time", value=3.0, unit="x", how=How.MEASURED)
        fp32 = Trial(id=0, recipe=f"as_given @ {engine}(threads=1)", role="fastest_fp32", artifact=engine, ratios={"cpu_time": ratio})
        world.trials.append(fp32)
    quantized = [text for text in world.run() if "three_ways" in text]
    assert [text for text in quantized if text.endswith("@ slow")] == ["three_ways() @ slow"]
    assert [text for text in quantized if text.endswith("@ fast")][:3] == [
        "three_ways() @ fast",
        "three_ways(keep=0.7) @ fast",
        "three_ways(keep=0.6) @ fast",
    ]
    assert any(len(stage_of(text)) > 1 for text in quantized if text.endswith("@ fast"))


def test_what_trains_is_tried_as_the_time_allows_and_found_again_by_that_text() -> None:
    def fitted(chain: Chain) -> Chain:
        short = Step.of("recover", epochs=2)
        return Chain(tuple(short if step.name == "recover" else step for step in chain.steps), chain.engine)

    found = World(outcome=lambda text: (2.0, 0.0), techniques=[DropLayers, Recover, QuantizeStatic], fitted=fitted).run()
    assert "drop_layers(keep=0.8) > recover(epochs=2) @ onnxruntime" in found
    assert "drop_layers(keep=0.8) > recover(epochs=2) > quantize_static() @ onnxruntime" in found


SURE = np.array([[0.95, 0.05]] * 6 + [[0.55, 0.45]] * 2)


def test_a_cascade_of_a_cheap_and_a_good_model_is_proposed_when_it_pays() -> None:
    def outcome(text: str) -> tuple[float, float]:
        if text.startswith("cascade"):
            return 7.0, 0.0
        return (20.0, 0.4) if text.startswith("quantize") else (4.0, 0.0)

    # the cheap one is sure and right on six rows of eight; on the others only the good one is right
    outputs = {"a1": SURE, "a2": np.array([[0.9, 0.1]] * 8)}
    outputs["a1"] = np.where(np.arange(8)[:, None] < 6, SURE, SURE[:, ::-1])
    world = World(
        outcome=outcome, techniques=[Cascade, QuantizeStatic, Distill], outputs=lambda artifact: outputs.get(artifact, outputs["a2"])
    )
    found = world.run()
    recipe = parse(found[-1])
    assert isinstance(recipe, Composed)
    assert [stage_of(str(part)) for part in recipe.parts] == [["quantize_static"], ["distill"]]
    assert recipe.values["at"] == 0.95
    # 1/20 of the baseline for all rows, 1/4 for two of eight: 0.1125
    assert "8.9x expected from validation, against 4.0x of the best single model" in world.whys[-1]
    assert world.whys[-1].startswith("trial 1 when it is sure, else trial 2: ")


def test_a_cascade_that_does_not_pay_is_not_proposed() -> None:
    def outcome(text: str) -> tuple[float, float]:
        return (4.2, 0.4) if text.startswith("quantize") else (4.0, 0.0)

    world = World(outcome=outcome, techniques=[Cascade, QuantizeStatic, Distill], outputs=lambda artifact: SURE)
    assert not any(text.startswith("cascade") for text in world.run())
    hopeless = World(outcome=lambda text: (9.0, 0.5), techniques=[Cascade, QuantizeStatic, Distill], outputs=lambda artifact: SURE)
    assert not any(text.startswith("cascade") for text in hopeless.run())


def test_a_third_partys_composition_takes_part() -> None:
    world = World(
        outcome=lambda text: (20.0, 0.4) if text.startswith("quantize") else (4.0, 0.0),
        techniques=[FirstOne, QuantizeStatic, Distill],
        outputs=lambda artifact: SURE,
    )
    assert world.run()[-1].startswith("first_one(quantize_static() @ onnxruntime(threads=1), distill")


@pytest.mark.parametrize(
    ("trial", "gain", "keeps"),
    [
        (Trial(id=1, recipe="x @ y"), 0.0, True),
        (Trial(id=1, recipe="x @ y", ratios={"cpu_time": Missing(quantity="cpu_time", reason="none")}, drop={"drop": 0.02}), 0.0, True),
        (Trial(id=1, recipe="x @ y", drop={"drop": 0.021}), 0.0, False),
    ],
)
def test_a_state_reads_trials(trial: Trial, gain: float, keeps: bool) -> None:
    state = SearchState(
        trials=lambda: [trial, Trial(id=2, recipe="b", role="baseline"), Trial(id=3, recipe="c", state="failed")],
        techniques=[],
        engines=[],
        trainable=False,
        minimize="cpu_time",
        margin=0.02,
        outputs=lambda artifact: None,
        targets=None,
        kind=OneClass(),
    )
    assert state.done() == [trial]
    assert state.gain(trial) == gain
    assert state.keeps_quality(trial) is keeps
    assert state.keeps_quality(trial, slack=0.01)
