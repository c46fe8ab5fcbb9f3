"""From a job to a released artifact, told once."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from paredown.artifact.load import Model, load
from paredown.core.job import Job
from paredown.core.reading import Reading
from paredown.ground.clock import SteadyClock
from paredown.report.cell import cell, line
from paredown.running import result as results
from paredown.running.confirm import confirm, finalists, settled
from paredown.running.long_measurement import time_to_confirm
from paredown.running.release import publish
from paredown.running.setup import fastest_fp32, opened, prepare, state_of
from paredown.running.timing import learn_pace, time_lacking
from paredown.running.trials import attempt, baseline_trial
from paredown.running.why import explain
from paredown.running.workspace import Listener, Silent, Workspace
from paredown.search.budget import Spending, reason_to_stop
from paredown.search.ladder import STRATEGIES
from paredown.search.schedule import Schedule
from paredown.search.search_state import SearchState
from paredown.study.jobfile import read_job

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3, "infeasible": 4}


@dataclass(frozen=True, repr=False)
class Result:
    """What a run came to.

    Args:
        folder: The study folder.
        data: The content of result.json.
    """

    folder: Path
    data: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """pass, inconclusive or infeasible."""
        return str(self.data["verdict"])

    @property
    def exit_code(self) -> int:
        """The verdict as the command line's exit code."""
        return EXIT_CODES[self.verdict]

    @property
    def chosen(self) -> Mapping[str, Any] | None:
        """What was released; None when nothing passed."""
        found: Mapping[str, Any] | None = self.data["chosen"]
        return found

    @property
    def nearest(self) -> Mapping[str, Any] | None:
        """The nearest miss; None when something passed."""
        found: Mapping[str, Any] | None = self.data["nearest"]
        return found

    @property
    def ratios(self) -> Mapping[str, Any]:
        """Baseline over chosen by quantity; empty when nothing passed."""
        return self.chosen["ratios"] if self.chosen is not None else {}

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def load(self) -> Model:
        """The released model, open.

        Raises:
            Damaged: Nothing was released, or its folder is gone.
        """
        return load(self.folder / "artifact")

    def __repr__(self) -> str:
        return f"<{line(self.data)}; report: {self.report}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return cell(self.data, Path(os.path.relpath(self.report)).as_posix())


def run(
    job: Job | str | Path | Mapping[str, Any],
    folder: str | Path | None = None,
    *,
    fresh: bool = False,
    wait_s: float = 0.0,
    listener: Listener | None = None,
    note: str = "",
) -> Result:
    """Find what costs least by the policy's `minimize` and passes every must-rule.

    Args:
        job: A job, a job file, or its content.
        folder: The study folder; runs/<name> when not given. A study that was begun is continued.
        fresh: True starts again.
        wait_s: How long to wait for another run of the same study.
        listener: Told what happens.
        note: A sentence for the report, as what the run waited for.

    Returns:
        The result; `verdict` says whether something was released.

    Raises:
        UsageError: Job, data or model cannot be used, or the study is another job's or busy.
        Damaged: The study's ledger or cache is not what was written.
    """
    job = job if isinstance(job, Job) else read_job(job)
    schedule = Schedule(budget_s=job.search.budget_s)
    listener = listener or Silent()
    with opened(job, folder, fresh=fresh, wait_s=wait_s, listener=listener, schedule=schedule) as workspace:  # test stays sealed
        if note:
            workspace.study.note(note)
        prepare(workspace)
        since = SteadyClock(), time.process_time()
        schedule.reserved_s = min(
            time_to_confirm(workspace, least=True), schedule.left_s() / 2
        )  # without a candidate there is nothing to confirm
        fastest_fp32(workspace)
        schedule.reserved_s = max(time_to_confirm(workspace, least=True), min(time_to_confirm(workspace), schedule.left_s() / 2))
        state = state_of(workspace)
        search(workspace, state)
        listener.stage("confirming on test")
        workspace.study.refuse_changed()
        schedule.reserved_s = 0.0
        confirmed = confirm(workspace, state, finalists(workspace, state))
        why = explain(workspace, confirmed)
        if said := schedule.said():
            workspace.study.note(said)
        book_own_time(workspace, since)
        confirmed = settled(workspace, confirmed)
        data = results.assemble(workspace, state, confirmed, why if confirmed.chosen else None)
        publish(workspace, confirmed, data)
        return Result(workspace.study.folder, data)


def search(workspace: Workspace, state: SearchState) -> None:
    """Try what the strategy proposes, until it ends, the budget is spent or the next trial cannot pay; what cannot end is not begun."""
    strategy = STRATEGIES[workspace.job.search.strategy]
    workspace.listener.stage(f"searching: {workspace.job.search.strategy}")
    learn_pace(workspace, state)
    for proposal in strategy(state):
        reason = _reason_to_stop(workspace, state)
        if reason is not None:
            workspace.ended = reason
            workspace.listener.stage(f"the search ends: {reason}")
            break
        if (needs := time_lacking(workspace, proposal.recipe)) is not None:
            workspace.listener.stage(f"  not begun: {proposal.recipe}: {needs}")
            workspace.schedule.not_begun.append(str(proposal.recipe))
            continue
        attempt(workspace, proposal.recipe, proposal.why)


def book_own_time(workspace: Workspace, since: tuple[SteadyClock, float]) -> None:
    """Book the CPU time of this very process since the baseline stood; that of the workers is booked order by order.

    Args:
        workspace: The run's tools.
        since: The clock and the process's CPU seconds when the baseline stood.
    """
    began = datetime.now(UTC) - timedelta(seconds=since[0].passed_s())  # by the clock as it stands now, also where it was set meanwhile
    with workspace.study.ledger.span("own", uuid.uuid4().hex, began) as span:
        cpu_s = time.process_time() - since[1]
        span.finish(None, cpu_s=cpu_s, energy_j=workspace.joules(cpu_s))


def _reason_to_stop(workspace: Workspace, state: SearchState) -> str | None:
    if workspace.schedule.search_s() <= 0:
        kept_s = workspace.schedule.reserved_s
        return (
            f"the budget of {workspace.schedule.budget_s:g} s has no more time for it; {kept_s:.0f} s are kept for confirmation and report."
        )
    spent = workspace.study.spent()
    trials = [trial for trial in workspace.trials() if trial.role != "baseline"]
    good = [trial for trial in state.done() if state.keeps_quality(trial)]
    energies = [
        reading.value for trial in [baseline_trial(workspace), *good] if isinstance(reading := trial.readings.get("energy"), Reading)
    ]
    return reason_to_stop(
        workspace.job.search, workspace.job.deploy, Spending(energy_j=spent.energy_j), trials, min(energies, default=None)
    )
