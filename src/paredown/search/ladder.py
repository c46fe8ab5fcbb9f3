"""The strategy `ladder`: cheap rungs first; each rung uses what the ones below have shown.

1. What needs no training: quantization of the model as given, on every engine. What these gain says which engine leads. Where a setting
   gains less than the same engine has without it, harder ones are not tried, and nothing smaller is quantized that way there. Where tables
   in fewer bits gain by themselves, they go before what quantizes the rest best.
2. Each technique on tensors alone, mildest setting first, followed by recovery where it cuts; harder settings only while the last one
   kept the quality and gained something. On the leading engine, like the next.
3. The best of these, quantized; the second best too where that helped.
4. The best on the other engines, which may be the better ones for what has become small; the second best too where that helped.
5. Compositions of a cheap and a good one.

No technique is named here: stages, data needs and each technique's own `ladder` say what can be tried, so a new technique takes part as
soon as it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paredown.core.recipe import Chain, Composed, Engine, Step, parse
from paredown.core.technique import Composition, DataNeed, Stage, Technique
from paredown.core.trial import Trial
from paredown.search.search_state import Proposal, SearchState, trial_of

_CUTS = (Stage.DEPTH, Stage.WIDTH, Stage.RANK)
_COST = {DataNeed.NONE: 0, DataNeed.CALIBRATION: 1, DataNeed.TRAINING: 2}
_SLACK = 0.01
_WORTH = 1.03


def ladder(state: SearchState) -> Iterator[Proposal]:
    """Proposals, cheapest first; looks at the trials between two of them."""
    for engine in state.engines:
        yield from _first(state, engine)
    if state.engines:
        lead = max(state.engines, key=lambda engine: _best_gain(state, engine))
        yield from _second(state, lead)
        yield from _third(state, lead)
        for engine in state.engines:
            if engine != lead:
                yield from _fourth(state, lead, engine)
    yield from _fifth(state)


def _best_gain(state: SearchState, engine: str) -> float:
    """The most that a trial on this engine gained with the quality kept, the model as given among them."""
    return max((state.gain(trial) for trial, _ in _good(state, engine)), default=0.0)


def _good(state: SearchState, engine: str) -> list[tuple[Trial, Chain]]:
    """The chains on this engine that keep the quality, the best first."""
    good = sorted((trial for trial in state.done() if state.keeps_quality(trial)), key=state.gain, reverse=True)
    chains = [(trial, parse(trial.recipe)) for trial in good]
    return [(trial, chain) for trial, chain in chains if isinstance(chain, Chain) and chain.engine.name == engine]


def _of(state: SearchState, *stages: Stage) -> list[type[Technique]]:
    found = [unit for unit in state.techniques if unit.stage in stages]
    return sorted(found, key=lambda unit: (_COST[unit.data], unit.stage, unit.name()))


def _chain(engine: str, *steps: tuple[type[Technique], Mapping[str, Any]]) -> Chain:
    return Chain(tuple(Step.of(unit.name(), **values) for unit, values in steps), Engine.of(engine))


def _first(state: SearchState, engine: str) -> Iterator[Proposal]:
    for unit in _of(state, Stage.TABLES, Stage.QUANTIZE):
        for values in unit.ladder:
            recipe = _chain(engine, (unit, values))
            yield Proposal(recipe=recipe, why=f"{unit.name()} needs no training, so it comes first.")
            found = trial_of(state.trials(), recipe)
            if found is not None and state.gain(found) < _exported(state, engine):
                break
    if both := _both(state, engine):
        why = f"{both[0].name}() and {both[1].name}() gain each, at different weights."
        yield Proposal(recipe=Chain(both, Engine.of(engine)), why=why)


def _both(state: SearchState, engine: str) -> tuple[Step, ...]:
    """What put tables of the model as given into fewer bits best, then what quantized the rest; empty where one gained nothing."""
    least = _WORTH * (_exported(state, engine) or 1.0)
    best = [_best(state, engine, [(step,) for step in _settings(state, stage)], least) for stage in (Stage.TABLES, Stage.QUANTIZE)]
    return () if None in best else tuple(step for steps in best if steps is not None for step in steps)


def _settings(state: SearchState, stage: Stage) -> list[Step]:
    return [Step.of(unit.name(), **values) for unit in _of(state, stage) for values in unit.ladder]


def _best(state: SearchState, engine: str, ways: list[tuple[Step, ...]], least: float) -> tuple[Step, ...] | None:
    """Of these ways to quantize the model as given, where they gained so much, the best, with the quality kept where one did."""
    tried = [(trial, steps) for steps in ways if (trial := trial_of(state.trials(), Chain(steps, Engine.of(engine))))]
    found = [item for item in tried if state.gain(item[0]) >= least]
    return max(found, key=lambda item: (state.keeps_quality(item[0]), state.gain(item[0])))[1] if found else None


def _exported(state: SearchState, engine: str) -> float:
    """What the model as given gains by this engine alone; 0 where it was not tried."""
    found = trial_of(state.trials(), Chain((), Engine.of(engine)))
    return 0.0 if found is None else state.gain(found)


def _second(state: SearchState, engine: str) -> Iterator[Proposal]:
    recoveries = _of(state, Stage.RECOVER) if state.trainable else []
    for unit in _of(state, Stage.TRANSFER, Stage.ARCHITECTURE, *_CUTS):
        follow = [(recoveries[0], recoveries[0].ladder[0])] if recoveries and unit.stage in _CUTS else []
        gain = 0.0
        for number, values in enumerate(unit.ladder):
            recipe = state.fitted(_chain(engine, (unit, values), *follow))
            why = (
                f"{unit.name()} alone, its mildest setting first."
                if not number
                else f"{unit.name()} kept the quality, so a harder setting is tried."
            )
            yield Proposal(recipe=recipe, why=why)
            found = trial_of(state.trials(), recipe)
            if found is None or not state.keeps_quality(found, _SLACK) or state.gain(found) < gain * _WORTH:
                break
            gain = state.gain(found)


def _quantizer(state: SearchState, engine: str) -> tuple[Step, ...] | None:
    """What quantized the model as given best on this engine, with the quality kept where one did; None when nothing gained by it.

    What loses to the engine's own fp32 loses more in a smaller network, where there is less to save.
    """
    single: list[tuple[Step, ...]] = [(step,) for stage in (Stage.TABLES, Stage.QUANTIZE) for step in _settings(state, stage)]
    both = _both(state, engine)
    return _best(state, engine, [*single, both] if both else single, _exported(state, engine))


def _third(state: SearchState, engine: str) -> Iterator[Proposal]:
    """The best tensor recipes on this engine, quantized by what quantized the model as given best."""
    quantizer = _quantizer(state, engine)
    if quantizer is None:
        return
    bases = [(trial, chain) for trial, chain in _good(state, engine) if chain.steps and chain.steps == _on_tensors(state, chain)]
    for trial, chain in bases[:2]:
        recipe, named = Chain((*chain.steps, *quantizer), Engine.of(engine)), " > ".join(f"{step.name}()" for step in quantizer)
        yield Proposal(recipe=recipe, why=f"trial {trial.id} is among the best without quantization; {named} may add to it.")
        found = trial_of(state.trials(), recipe)
        if found is None or state.gain(found) <= state.gain(trial):
            return


def _on_tensors(state: SearchState, chain: Chain) -> tuple[Step, ...]:
    """The steps of a chain that stand before its graph is made."""
    stages = {unit.name(): unit.stage for unit in state.techniques}
    return tuple(step for step in chain.steps if not stages.get(step.name, Stage.QUANTIZE).on_graph)


def _fourth(state: SearchState, lead: str, engine: str) -> Iterator[Proposal]:
    """The best recipes of the leading engine that change tensors, on another one with what quantizes best there."""
    quantizer = _quantizer(state, engine)
    bases = [(trial, chain, tensors) for trial, chain in _good(state, lead) if (tensors := _on_tensors(state, chain))]
    for trial, chain, tensors in bases[:2]:
        steps = tensors if quantizer is None or chain.steps == tensors else (*tensors, *quantizer)
        recipe = Chain(steps, Engine.of(engine))
        yield Proposal(recipe=recipe, why=f"trial {trial.id} is among the best on {lead}; {engine} may take less for it.")
        found = trial_of(state.trials(), recipe)
        if found is None or state.gain(found) <= state.gain(trial):
            return


def _fifth(state: SearchState) -> Iterator[Proposal]:
    """Compositions: of each cheap trial with the best that keeps the quality, the pair with the least expected cost."""
    compositions = [unit for unit in _of(state, Stage.COMPOSE) if issubclass(unit, Composition)]
    done = [trial for trial in state.done() if isinstance(parse(trial.recipe), Chain) and state.gain(trial) > 0]
    good = [trial for trial in done if state.keeps_quality(trial)]
    if not good:
        return
    best_gain = max(state.gain(trial) for trial in good)
    for unit in compositions:
        found: list[tuple[float, Trial, Trial, dict[str, Any]]] = []
        for second in good:
            for first in done:
                if state.gain(first) <= state.gain(second):
                    continue
                values = unit().settings(state.outputs(first.artifact), state.outputs(second.artifact), state.targets, state.kind)
                if values:
                    expected = _expected_cost(state, first, second, values[0])
                    found.append((expected, first, second, values[0]))
        if not found:
            continue
        expected, first, second, chosen = min(found, key=lambda item: item[0])
        if 1 / expected <= best_gain * 1.05:
            continue
        parts = (parse(first.recipe), parse(second.recipe))
        share = f"{1 / expected:.1f}x expected from validation, against {best_gain:.1f}x of the best single model."
        yield Proposal(
            recipe=Composed(unit.name(), parts, tuple(chosen.items())),
            why=f"trial {first.id} when it is sure, else trial {second.id}: {share}",
        )


def _expected_cost(state: SearchState, first: Trial, second: Trial, values: Mapping[str, Any]) -> float:
    """Cost of the pair as a share of the baseline's, with the share of rows that the first passes on."""
    import numpy as np

    sure = state.kind.sureness(np.asarray(state.outputs(first.artifact)))
    passed_on = 1.0 if sure is None else float((sure < values.get("at", 1.0)).mean())
    return 1 / state.gain(first) + passed_on / state.gain(second)


STRATEGIES = {"ladder": ladder}
