"""Progress of long work on stderr: lines for what is done, and on a terminal one live line for what goes on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from paredown.ground.untrusted import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from paredown.core.trial import Trial

QUIET_S = 10.0
"""Without a terminal, steps of one piece of work are told at most this often."""

SILENT_S = 20.0
"""Without a terminal, a line is written at least this often, also where the work itself says nothing."""

_LOOK_S = 1.0
_FORETOLD_S = 2.0
"""Seconds of one piece of work from which the time that is left is told."""


class Progress:
    """A listener of a run; use it as a context manager.

    Args:
        console: Where to; stderr when None.
        clock: Monotonic seconds.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._clock, self._began = clock, clock()
        self._told = self._began
        self._stage = self._what = ""
        self._done = self._total = 0
        self._first = 0, self._began
        self._over = threading.Event()
        self._trials, self._joules = 0, 0.0
        self._live: Live | None = None
        self._interrupted = False
        self._before: Any = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def _stop_if_interrupted(self) -> None:
        """Ctrl-C in the middle of a library's import or callback can be swallowed there; the next event ends the run all the same."""
        if self._interrupted:
            raise KeyboardInterrupt

    def stage(self, text: str) -> None:
        """A new part of the story begins."""
        self._stop_if_interrupted()
        self._stage = text
        self._now("", 0, 0)
        self.say(text)

    def step(self, what: str, done: int, total: int) -> None:
        """Work goes on; a total of 0 is work that does not say how far it is."""
        self._stop_if_interrupted()
        self._now(what, done, total)
        if self._live is None and self._clock() - self._told >= QUIET_S:
            self.say(f"  {self._step}")

    def _now(self, what: str, done: int, total: int) -> None:
        if (what, total) != (self._what, self._total) or done < self._done or not done:
            self._first = done, self._clock()
        self._what, self._done, self._total = what, done, total

    @property
    def _step(self) -> str:
        """What goes on, how much of it is done and how long the rest will take at this pace."""
        if not self._total:
            passed_s = self._clock() - self._first[1]
            return f"{self._what}, for {_minutes(passed_s)} now" if self._what and passed_s >= 1 else self._what
        told = f"{self._what} {self._done}/{self._total}"
        done, passed_s = self._done - self._first[0], self._clock() - self._first[1]
        if done <= 0 or passed_s < _FORETOLD_S:
            return told
        return f"{told}, {self._done / self._total:.0%}, about {_minutes((self._total - self._done) * passed_s / done)} left"

    def beat(self) -> None:
        """Write a line where none was for a while: nothing is silent for long."""
        if self._live is None and self._clock() - self._told >= SILENT_S:
            going = self._step if self._done < self._total or not self._total else ""
            self.say(f"  still at it: {going or self._stage or 'starting'}")

    def _beats(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.beat()

    def trial(self, trial: Trial, unit: str = "") -> None:
        """A recipe was tried, now or in an earlier run of this study; `unit` is that of its quality."""
        self._trials += 1
        self._joules += trial.energy_j
        self._now("", 0, 0)
        self.say(f"  trial {trial.id}: {trial.recipe}: {_outcome(trial, unit)}; {self._spent()}")

    def _spent(self) -> str:
        from paredown.report.format import style_of

        return f"{style_of(self._joules, 'energy').write(self._joules)} on trials so far"

    def _elapsed(self) -> str:
        return _minutes(self._clock() - self._began)

    def say(self, line: str) -> None:
        """A line of its own, with the time since the start."""
        self._told = self._clock()
        self._console.print(f"{self._elapsed():>6}  {visible(line)}", markup=False)

    def __rich__(self) -> str:
        trials = f"{self._trials} trial{'s' * (self._trials != 1)}, {self._spent()}"
        parts = (f"{self._elapsed():>6}", self._stage, self._step, f"({trials})")
        return "  ".join(visible(part).replace("[", r"\[") for part in parts if part)

    def __enter__(self) -> Progress:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(self, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        threading.Thread(target=self._beats, daemon=True, name="progress").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
        if self._live is not None:
            self._live.stop()
            self._live = None


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:d}:{rest:02d}"


def _outcome(trial: Trial, unit: str) -> str:
    """What came out of a trial, in a few words."""
    from paredown.core.reading import Reading
    from paredown.report.format import quality, short

    if trial.state == "failed":
        return f"failed: {trial.reason.rstrip('.')}"
    parts = []
    if trial.quality is not None:
        parts.append(f"quality {quality(trial.quality, unit)}")
    ratio = trial.ratios.get("cpu_time")
    if isinstance(ratio, Reading):
        parts.append(f"{short(round(ratio.value, 1), 'ratio')} less CPU time" if ratio.value >= 1 else "more CPU time")
    return ", ".join(parts) or "done"
