"""Building recipes: each step once, shared prefixes once, every result recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from paredown.builder.build_spec import BuildSpec
from paredown.builder.order import check, techniques
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.job import ModelSpec
from paredown.core.knob import make
from paredown.core.recipe import Chain, Composed, Engine, Recipe
from paredown.core.technique import Composition, Technique
from paredown.executors.booked import Booked
from paredown.executors.processes import Limits
from paredown.ground import digests, registry

_WORK = "paredown.builder.work"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A packed recipe.

    Args:
        recipe: With the thread count that it is packed for.
        artifact: Digest in the artifacts' store.
        steps: (step text, note) in order.
    """

    recipe: Recipe
    artifact: str
    steps: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds recipes of one study.

    Args:
        build_spec: What all work orders share, with the teacher in it.
        booked: Recorder and worker.
        trial_s: Wall time in seconds that one recipe may take to build.
        trial_b: Resident memory in bytes that the worker may take.
        tune: (artifact digest, engine name) -> the thread count that costs least; called when a recipe names none.
        took: Told (technique's name, wall seconds) of each that was applied now, also where it failed.
    """

    build_spec: BuildSpec
    booked: Booked
    trial_s: float | None = None
    trial_b: float | None = None
    tune: Callable[[str, str], int] = lambda artifact, engine: 1
    took: Callable[[str, float], None] = lambda name, wall_s: None

    def baseline(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, digest: str = ""
    ) -> Candidate:
        """The model as given; trained once where the job says so.

        Args:
            digest: What `ModelSource.digest` said when the study was opened; one that is another afterwards is refused.

        Raises:
            BadModel: It cannot be opened, built or trained, or its files changed meanwhile.
        """
        key = digests.of_value([asdict(spec), self.build_spec.seed, dict(inputs)])
        arguments = {
            "spec": asdict(spec),
            "folder": str(folder.resolve()),
            "digest": digest,
            "inputs": {name: list(shape) for name, shape in inputs.items()},
        }
        limits = Limits(memory_b=self.trial_b)
        value = self.booked.order(
            "baseline", key, f"{_WORK}:baseline", limits, build_spec=self.build_spec.json(), classes=classes, **arguments
        )
        return Candidate(**value)

    def build(self, recipe: Recipe, within_s: float = math.inf) -> Built:
        """Pack a recipe, reusing every step that is recorded.

        Args:
            recipe: What to pack.
            within_s: Wall seconds that the budget leaves for it, beside `trial_s`.

        Raises:
            BadRecipe, UnknownName, BadKnob: The recipe makes no sense; nothing was spent.
            Unfit: A step or the engine does not apply; says why.
            LimitExceeded, WorkerDied: The work was too much or crashed.
        """
        check(recipe)
        limits = Limits(wall_s=self.trial_s, memory_b=self.trial_b).within(within_s)
        until = None if limits.wall_s is None else _Until(limits, time.monotonic() + limits.wall_s)
        return self._joined(recipe, until) if isinstance(recipe, Composed) else self._chain(recipe, until)

    def _order(self, until: _Until | None, kind: str, key: Sequence[Any], verb: str, **arguments: Any) -> Any:
        limits = Limits(memory_b=self.trial_b) if until is None else until.left()
        return self.booked.order(
            kind,
            digests.of_value([verb, self.build_spec.seed, *key]),
            f"{_WORK}:{verb}",
            limits,
            build_spec=self.build_spec.json(),
            **arguments,
        )

    def _known(self, key: Sequence[Any], verb: str) -> Candidate | None:
        found = self.booked.recorder.find("build", digests.of_value([verb, self.build_spec.seed, *key]))
        return None if found is None else Candidate(**found.value)

    def pending(self, chain: Chain) -> list[Technique]:
        """The techniques of a chain whose results are not recorded yet."""
        candidate: Candidate | None = Candidate(**self.build_spec.teacher)
        form, out = registry.get("runtimes", chain.engine.name).form, []
        for technique in techniques(chain):
            if candidate is not None and technique.stage.on_graph and candidate.form != form:
                candidate = self._known([candidate.digest, form], "lower")
            candidate = None if candidate is None else self._known([candidate.digest, technique.text()], "apply")
            if candidate is None:
                out.append(technique)
        return out

    def pace_s(self) -> float:
        """Wall seconds of training the model as given on one row, with itself as teacher; tried once.

        Raises:
            LimitExceeded, WorkerDied, Unfit, BadModel: It could not be tried.
        """
        return float(self._order(None, "pace", [self.build_spec.teacher["digest"]], "pace"))

    def _chain(self, chain: Chain, until: _Until | None) -> Built:
        candidate = Candidate(**self.build_spec.teacher)
        engine = registry.get("runtimes", chain.engine.name)()
        lineage, done = [candidate.digest], []
        for step, technique in zip(chain.steps, techniques(chain)):
            if technique.stage.on_graph and candidate.form != engine.form:
                candidate = self._lowered(candidate, engine.form, until)
            reason = _reason(technique, candidate)
            if reason is not None:
                raise Unfit(reason)
            text = technique.text()
            known = self._known([candidate.digest, text], "apply")
            began = time.monotonic()
            try:
                value = self._order(
                    until,
                    "build",
                    [candidate.digest, text],
                    "apply",
                    name=step.name,
                    values=step.values,
                    candidate=asdict(replace(candidate, note="")),
                )
            finally:
                if known is None:
                    self.took(step.name, time.monotonic() - began)
            candidate = Candidate(**value)
            lineage.append(candidate.digest)
            done.append((text, candidate.note))
        if candidate.form != engine.form:
            candidate = self._lowered(candidate, engine.form, until)
        reason = engine.fits(candidate)
        if reason is not None:
            raise Unfit(reason)
        return self._packed(chain, candidate, lineage, done, until)

    def _packed(self, chain: Chain, candidate: Candidate, lineage: list[str], done: list[tuple[str, str]], until: _Until | None) -> Built:
        placement = {"threads": 1} | chain.engine.placement
        first = Chain(chain.steps, Engine.of(chain.engine.name, **placement))
        artifact = self._order(
            until,
            "pack",
            [candidate.digest, str(first)],
            "pack",
            recipe=str(first),
            lineage=lineage,
            candidate=asdict(replace(candidate, note="")),
            runtime=chain.engine.name,
            placement=placement,
        )
        if "threads" in chain.engine.placement:
            return Built(recipe=first, artifact=artifact, steps=done)
        threads = self.tune(artifact, chain.engine.name)
        if threads == placement["threads"]:
            return Built(recipe=first, artifact=artifact, steps=done)
        best = Chain(chain.steps, Engine.of(chain.engine.name, **(placement | {"threads": threads})))
        return Built(recipe=best, artifact=self.placed(artifact, threads, best), steps=done)

    def placed(self, artifact: str, threads: int, recipe: Recipe) -> str:
        """The same artifact for another thread count."""
        key = digests.of_value(["place", artifact, threads, str(recipe)])
        verb, folder = f"{_WORK}:place", self.build_spec.artifacts
        return str(self.booked.order("pack", key, verb, artifacts=folder, artifact=artifact, threads=threads, recipe=str(recipe)))

    def _lowered(self, candidate: Candidate, form: str, until: _Until | None) -> Candidate:
        value = self._order(until, "build", [candidate.digest, form], "lower", form=form, candidate=asdict(replace(candidate, note="")))
        return Candidate(**value)

    def _joined(self, recipe: Composed, until: _Until | None) -> Built:
        composition = make(registry.get("techniques", recipe.name), recipe.name, recipe.values)
        assert isinstance(composition, Composition)
        parts = []
        for part in recipe.parts:
            assert isinstance(part, Chain)
            parts.append(self._chain(part, until))
        whole = Composed(recipe.name, tuple(part.recipe for part in parts), recipe.items)
        artifact = self._order(
            until,
            "pack",
            [[part.artifact for part in parts], str(whole)],
            "join",
            recipe=str(whole),
            lineage=[part.artifact for part in parts],
            program=composition.program(),
            parts=[part.artifact for part in parts],
        )
        return Built(recipe=whole, artifact=artifact, steps=[step for part in parts for step in part.steps])


@dataclass(frozen=True)
class _Until:
    """When the time of one recipe is over."""

    limits: Limits
    at: float

    def left(self) -> Limits:
        """The limits of an order that begins now."""
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise self.limits.exceeded()
        return replace(self.limits, wall_s=left_s)


def _reason(technique: Technique, candidate: Candidate) -> str | None:
    """What `fits` says; an error in it is the unit's own and costs only this trial."""
    try:
        return technique.fits(candidate)
    except Exception as error:
        return f"{technique.name()}.fits failed: {type(error).__name__}: {error}"
