"""Opening test: the finalists in order, the long measurement, and what it all came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from paredown.core.errors import LimitExceeded
from paredown.core.finding import Finding, Outcome
from paredown.core.policy import Policy, Scale
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Chain, parse
from paredown.core.task import CONTINUOUS
from paredown.core.trial import Readings, Trial
from paredown.impact.before_after import payback_of, spent_json
from paredown.impact.derived import DERIVED, accounted_ratios
from paredown.kinds.kind import Kind
from paredown.policy.quality import compare, value
from paredown.policy.rules import Evidence, judge
from paredown.policy.sequence import fixed_sequence
from paredown.protocol.bench import Windows
from paredown.protocol.readings import TIMED, facts, of_windows, ratios
from paredown.running.claims import bounded, disturbed, unexplained, withheld, without_tails
from paredown.running.long_measurement import SLACK, found_windows, graph_time, long_windows, time_to_confirm
from paredown.running.timing import budget_for, test_s
from paredown.running.trials import baseline_trial, floor, floor_share
from paredown.running.workspace import Workspace
from paredown.search.finalists import MOST, Contender, chance_from_bound, chance_to_pass, choose
from paredown.search.search_state import SearchState
from paredown.stats.intervals import wilson
from paredown.stats.paired import Drop
from paredown.stats.ratios import ratio
from paredown.study import reads


@dataclass(frozen=True, kw_only=True)
class Final:
    """One candidate as it stands at the end.

    Args:
        trial: Its trial.
        findings: Of the whole policy.
        split: Which rows the quality findings are about: "test" or "validation".
        readings, ratios, ratios_fastest, ratios_as_found: From the long measurement, or from screening where there was none.
        before, fastest, as_found: Readings of the other sides.
        quality, baseline_quality: The metric on `split`.
        drop: On `split`.
        long: True when the long measurement was made.
        evidence: What the findings were made of.
    """

    trial: Trial
    findings: Sequence[Finding]
    split: str
    readings: dict[str, Reading | Missing]
    ratios: dict[str, Reading | Missing]
    ratios_fastest: dict[str, Reading | Missing]
    ratios_as_found: dict[str, Reading | Missing]
    before: dict[str, Reading | Missing]
    fastest: dict[str, Reading | Missing]
    as_found: dict[str, Reading | Missing]
    quality: float
    baseline_quality: float
    drop: Drop
    long: bool
    evidence: Evidence

    @property
    def blocked(self) -> bool:
        """True when a finding keeps it from being released."""
        return any(finding.blocks for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What confirmation came to.

    Args:
        chosen: What ships; None when nothing passes.
        nearest: The nearest miss; None when there is none, or when something passed.
        tested: Finalists in the order they were tested, with the outcome.
        floor: The noise floor of CPU time as a share.
        undecided: Why nothing can be said, where the budget ended before it could; else empty.
    """

    chosen: Final | None
    nearest: Final | None
    tested: Sequence[dict[str, Any]]
    floor: float
    undecided: str = ""


def finalists(workspace: Workspace, state: SearchState) -> list[Contender]:
    """At most three contenders, ordered from the safest to the greenest.

    Left out is what clearly breaks a must-rule in screening already, what saves no more than the noise floor, and what the job has excluded
    since it was tried.
    """
    given, found = baseline_trial(workspace), []
    noise = floor_share(floor(workspace, given.artifact)) if state.minimize in (*TIMED, *DERIVED) else 0.0
    for trial in state.done():
        unfit = any(finding.blocks and finding.outcome == Outcome.FAIL for finding in _screened(workspace, trial))
        if unfit or trial.artifact == given.artifact or state.gain(trial) <= 1 + noise or not state.allowed(trial):
            continue
        found.append(Contender(trial=trial, gain=state.gain(trial), chance=_chance(workspace, state, trial)))
    return choose(found, _affordable(workspace) if len(found) > 1 else MOST)


def _affordable(workspace: Workspace) -> int:
    """Finalists that there is time to test before the long measurement; one at least."""
    if not workspace.schedule.limited:
        return MOST
    least_s, given = time_to_confirm(workspace, least=True), baseline_trial(workspace).artifact
    one_s = test_s(workspace, [given, "one more"]) - test_s(workspace, [given])
    most = MOST if one_s <= 0 else 1 + max(0, int((workspace.schedule.left_s() - least_s) / one_s))
    if most < MOST:
        workspace.schedule.left_out(f"at most {most} finalist{'s' * (most > 1)} asked test")
    return min(MOST, most)


def _chance(workspace: Workspace, state: SearchState, trial: Trial) -> float:
    """Predicted probability that a trial's drop is shown to be within the margin on test."""
    drop, margin, confidence = trial.drop, state.margin, workspace.job.policy.confidence
    rows, test_rows = workspace.judged("validation"), workspace.judged("test")
    if "lost" not in drop or workspace.units.metric.name() != "accuracy" or workspace.job.data.paired_by:
        return chance_from_bound(drop["drop"], drop["upper"], rows, test_rows, margin, confidence)
    limit = workspace.job.policy.margin
    if margin is not None and limit is not None and limit.scale == Scale.RELATIVE:
        margin *= baseline_trial(workspace).quality or 1.0  # flips are counted in points
    return chance_to_pass(drop["lost"], drop["gained"], drop["distance"], rows, test_rows, margin, confidence)


def _quality_rules(policy: Policy) -> set[str]:
    return {rule.id for rule in policy.rules if rule.quantity in ("quality", "flips")}


def confirm(workspace: Workspace, state: SearchState, order: Sequence[Contender]) -> Confirmed:
    """Test the finalists from the safest to the greenest, stop at the first that does not pass, measure the last that passed at length.

    Where that one then breaks a rule on its resources, the one before it, which passed on test too, takes its place.

    Args:
        workspace: The run's tools.
        state: As the search saw it at its end.
        order: From `finalists`.
    """
    noise = floor_share(floor(workspace, baseline_trial(workspace).artifact))
    lacking = _lacking(workspace, state, order)
    if not order or lacking:
        nearest = _nearest(workspace, state, noise)
        return Confirmed(chosen=None, nearest=nearest, tested=[], floor=noise, undecided=lacking)
    _note_late_finalists(workspace, order)
    quality = [rule for rule in workspace.job.policy.rules if rule.id in _quality_rules(workspace.job.policy)]
    only_quality = replace(
        workspace.job.policy,
        rules=quality,
        waivers=[item for item in workspace.job.policy.waivers if item.rule in {rule.id for rule in quality}],
    )
    tested: list[dict[str, Any]] = []

    def passes(contender: Contender) -> bool:
        workspace.listener.stage(f"test: {contender.trial.recipe}")
        findings = judge(only_quality, _evidence(workspace, contender.trial, "test", noise))
        stops = [finding for finding in findings if finding.blocks]
        outcome = "pass" if not stops else "fail" if any(finding.outcome == Outcome.FAIL for finding in stops) else "inconclusive"
        reason = stops[0].reason if stops else findings[0].reason if findings else "the policy has no rule on quality."
        tested.append({"trial": contender.trial.id, "recipe": contender.trial.recipe, "outcome": outcome, "reason": reason})
        return not stops

    _, seen = fixed_sequence(list(order), passes)
    passed = [contender for contender, entry in zip(seen, tested) if entry["outcome"] == "pass"]
    last, undecided = None, ""
    for contender in reversed(passed):
        try:
            last = _measured_at_length(workspace, contender.trial, noise)
        except LimitExceeded as error:
            why = str(error).splitlines()[0].partition(";")[0].rstrip(".")
            would_s = workspace.schedule.passed_s() + (error.needed_s or workspace.schedule.passed_s())
            undecided = f"the budget ended before the long measurement: {why}; {_would_do(would_s)}"
            last = _at_screening(workspace, contender.trial, noise, "test", undecided)
            break
        if not last.blocked:
            return Confirmed(chosen=last, nearest=None, tested=tested, floor=noise)
    if last is None:
        last = _at_screening(workspace, seen[0].trial, noise, "test")
    return Confirmed(chosen=None, nearest=last, tested=tested, floor=noise, undecided=undecided)


def _lacking(workspace: Workspace, state: SearchState, order: Sequence[Contender]) -> str:
    """Why nothing can be confirmed: the budget has no time for the shortest way to it; empty where it has, or test was read before."""
    schedule = workspace.schedule
    if not schedule.limited or workspace.study.ledger.records("test_read"):
        return ""
    needed_s, left_s = time_to_confirm(workspace, least=True), max(schedule.left_s(), 0.0)
    trial_s = max(map(schedule.engine_s, state.engines), default=0.0) or schedule.passed_s()
    if not state.done():
        found = "no candidate was measured"
    elif not order and (workspace.ended or schedule.not_begun) and not any(trial.role == "candidate" for trial in workspace.trials()):
        found = "there was no time to try a recipe"
    elif order and left_s < needed_s / SLACK:  # it may be shorter still, and is ended where it is not
        found, trial_s = f"confirming takes {needed_s:.0f} s, and {left_s:.0f} s are left", 0.0
    else:
        return ""
    return f"{found}; {_would_do(schedule.passed_s() + needed_s + trial_s)}"


def _would_do(wall_s: float) -> str:
    return f"a budget of about {budget_for(wall_s)} s would do."


def _note_late_finalists(workspace: Workspace, order: Sequence[Contender]) -> None:
    """Say so when a finalist was tried after test had been read: whoever went on because of what test said has chosen by it."""
    first = min((record.id for record in workspace.study.ledger.records("test_read")), default=None)
    late = [contender.trial for contender in order if first is not None and contender.trial.id > first]
    if late:
        workspace.study.note(
            f"{late[0].recipe} was tried after the test split had been read; where the search went on because of what test said, "
            "the stated confidence does not hold."
        )


def _nearest(workspace: Workspace, state: SearchState, noise: float) -> Final | None:
    """Of all candidates the one with the fewest broken rules, then the best chance on quality, by screening alone: test stays closed."""
    finals = [_at_screening(workspace, trial, noise, "validation") for trial in state.done()]
    if not finals:
        return None
    return min(
        finals, key=lambda item: (sum(f.blocks for f in item.findings), -_chance(workspace, state, item.trial), -state.gain(item.trial))
    )


def _evidence(workspace: Workspace, trial: Trial, split: str, noise: float) -> Evidence:
    kind = "test_read" if split == "test" else "predict"
    rows = workspace.splits.test if split == "test" else workspace.splits.validation
    given = baseline_trial(workspace)
    before, after = workspace.outputs(given.artifact, split, kind), workspace.outputs(trial.artifact, split, kind)
    if split == "test":
        for artifact in (given.artifact, trial.artifact):
            kept = reads.add(workspace.splits.digests["test"], workspace.study.folder.resolve(), artifact)
            workspace.uncounted = kept if isinstance(kept, Missing) else workspace.uncounted
    found = Evidence(
        readings={**trial.readings, "flips": _flips(workspace.units.kind, before, after)},
        baseline=given.readings,
        ratios=trial.ratios,
        labels=workspace.right(split, before),
        before=before,
        after=after,
        metric=workspace.units.metric,
        kind=workspace.units.kind.name,
        groups=rows.groups,
        **workspace.paired(split),
        noise=noise,
        today=datetime.now(UTC).date(),
        seed=workspace.study.seed,
    )
    return _with_payback(workspace, found)


def _with_payback(workspace: Workspace, evidence: Evidence) -> Evidence:
    """With the inferences after which the energy of the search so far is saved."""
    search = spent_json(workspace.study.spent(), workspace.curve, workspace.units.host.cores)
    payback = payback_of(evidence.baseline, evidence.readings, evidence.ratios, search, workspace.units.site)
    return replace(evidence, readings={**evidence.readings, "payback_inferences": payback})


def _flips(kind: Kind, before: Any, after: Any) -> Reading | Missing:
    """The share of rows whose answer differs; of numbers nearly all do, which says nothing."""
    if kind.name in CONTINUOUS:
        return Missing(quantity="flips", reason="answers that are numbers differ in nearly all rows, by however little")
    changed, rows = int(kind.changed(before, after).sum()), len(before)
    low, high = wilson(changed, rows, 0.95)
    return Reading(quantity="flips", value=changed / rows, low=low, high=high, how=How.MEASURED, n=rows)


def _screened(workspace: Workspace, trial: Trial) -> tuple[Finding, ...]:
    return judge(workspace.job.policy, _evidence(workspace, trial, "validation", 0.0))


def _measured_at_length(workspace: Workspace, trial: Trial, noise: float) -> Final:
    workspace.listener.stage(f"measuring at length: {trial.recipe}")
    sides, windows = long_windows(workspace, trial)
    given = baseline_trial(workspace)
    before = _complete(workspace, windows, "baseline", given.artifact)
    after = _complete(workspace, windows, "candidate", trial.artifact) | {
        key: trial.readings[key] for key in ("multiply_adds",) if key in trial.readings
    }
    after["graph_time"] = graph_time(workspace, trial.artifact)
    found = found_windows(workspace, trial)
    for name in ("as_found", "fastest", "candidate"):
        workspace.bench.close(name)
    ratios_now = _ratios(workspace, windows, ("baseline", "candidate"), before, after)
    as_found, short = _complete(workspace, found, "as_found", given.artifact), _complete(workspace, found, "candidate", trial.artifact)
    ratios_found = _ratios(workspace, found, ("as_found", "candidate"), as_found, short)
    unclaimed = unexplained(found, "as_found", ratios_found.get("cpu_time"), ratios_now.get("cpu_time"), workspace.units.host.cores)
    chain = parse(given.recipe)
    threads = chain.engine.placement.get("threads", 1) if isinstance(chain, Chain) else 1
    if said := disturbed(windows):
        workspace.study.note(said)
    fastest: dict[str, Reading | Missing] = {}
    ratios_fastest: dict[str, Reading | Missing] = {}
    if len(sides) > 2:
        fastest = _complete(workspace, windows, "fastest", sides[2].artifact.name)
        ratios_fastest = without_tails(_ratios(workspace, windows, ("fastest", "candidate"), fastest, after), disturbed(windows))
    asked = _evidence(workspace, trial, "test", noise)
    evidence = replace(
        asked,
        readings={**after, "flips": asked.readings["flips"]},
        baseline=before,
        as_found=withheld(as_found, unclaimed) if unclaimed else as_found,
        ratios=without_tails(ratios_now, said),
        ratios_as_found=bounded(ratios_found, ratios_now, max(1.0, workspace.units.host.cores / threads), unclaimed),
    )
    return _final(workspace, trial, _with_payback(workspace, evidence), "test", fastest, ratios_fastest, long=True)


def _at_screening(workspace: Workspace, trial: Trial, noise: float, split: str, undecided: str = "") -> Final:
    """A candidate by its short windows; with `undecided` no rule is judged by what they say of time."""
    evidence = _evidence(workspace, trial, split, noise)
    if undecided:
        evidence = replace(evidence, readings=withheld(evidence.readings, undecided), ratios=withheld(evidence.ratios, undecided))
    return _final(workspace, trial, evidence, split, {}, {}, long=False)


def _final(
    workspace: Workspace,
    trial: Trial,
    evidence: Evidence,
    split: str,
    fastest: dict[str, Reading | Missing],
    ratios_fastest: dict[str, Reading | Missing],
    *,
    long: bool,
) -> Final:
    policy, metric, sides = workspace.job.policy, workspace.units.metric, (evidence.labels, evidence.before, evidence.after)
    scale = policy.margin.scale if policy.margin is not None else Scale.RELATIVE
    return Final(
        trial=trial,
        findings=judge(policy, evidence),
        split=split,
        readings=dict(evidence.readings),
        ratios=dict(evidence.ratios),
        ratios_fastest=ratios_fastest,
        ratios_as_found=dict(evidence.ratios_as_found),
        before=dict(evidence.baseline),
        fastest=fastest,
        as_found=dict(evidence.as_found),
        quality=value(metric, evidence.labels, evidence.after, evidence.blocks),
        baseline_quality=value(metric, evidence.labels, evidence.before, evidence.blocks),
        drop=compare(metric, *sides, scale, policy.confidence, evidence.seed, kind=evidence.kind, blocks=evidence.blocks),
        long=long,
        evidence=evidence,
    )


def _complete(workspace: Workspace, windows: Windows, side: str, artifact: str) -> dict[str, Reading | Missing]:
    return workspace.accounted(of_windows(windows, side) | facts(workspace.artifacts.folder(artifact)))


def _ratios(
    workspace: Workspace, windows: Windows, sides: tuple[str, str], before: Readings, after: Readings
) -> dict[str, Reading | Missing]:
    found, rates = ratios(windows, *sides, before, after), [windows.series(side, "throughput") for side in sides]
    if all(rates):
        value, low, high = ratio(rates[1], rates[0], sittings=windows.sittings)
        found["idle_energy"] = Reading(
            quantity="idle_energy",
            value=value,
            low=low,
            high=high,
            unit="x",
            how=How.MEASURED,
            n=len(rates[0]),
            source="ratio of wall times",
        )
    return accounted_ratios(found, before, after, workspace.units.site)


def settled(workspace: Workspace, confirmed: Confirmed) -> Confirmed:
    """The same with the search's whole cost in the payback, once nothing more will be spent: one figure in findings, search and impact.

    Where a rule on the payback is broken by the last seconds, nothing is released.
    """
    final = confirmed.chosen or confirmed.nearest
    if final is None:
        return confirmed
    evidence = _with_payback(workspace, final.evidence)
    findings = judge(workspace.job.policy, evidence)
    last = replace(final, evidence=evidence, readings=dict(evidence.readings), findings=findings)
    released = confirmed.chosen is not None and not last.blocked
    return replace(confirmed, chosen=last if released else None, nearest=None if released else last)
