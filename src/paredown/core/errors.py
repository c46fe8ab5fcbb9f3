"""The one error tree.

ParedownError                     exit code 6: a run-time failure
├── UsageError                    exit code 2: wrong usage or file
│   ├── BadDocument               a YAML file has problems; all of them at once, each with file:line
│   ├── BadKnob                   a knob's value is outside what it declares
│   ├── BadRecipe                 a recipe's text or order makes no sense
│   ├── BadData                   the data cannot be used as they are
│   ├── BadModel                  the model cannot be used as it is
│   │   └── NotTrusted            it is built by code that the user has not given the word for
│   ├── BudgetTooSmall            not even the model as given can be built and measured in it; says the smallest that would do
│   ├── UnknownName               no unit, quantity or group of that name; the nearest is suggested
│   ├── MissingExtra              an optional package is not installed; says the install line
│   ├── CannotWrite               a folder is read-only, or its disk is full
│   ├── OtherJob                  the study folder holds another job
│   └── StudyBusy                 another run holds the study
├── Unfit                         a technique or runtime does not apply; fails one trial
├── LimitExceeded                 a trial ran over its time or memory; fails one trial
├── WorkerDied                    a worker process ended without an answer; fails one trial
├── MissingValue                  arithmetic with a Missing
├── CoverageMismatch              readings that cover different hardware were added
└── Damaged                       exit code 5: an artifact, a ledger or evidence is not what was written
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class ParedownError(Exception):
    """Base of all errors that paredown raises on purpose."""

    exit_code = 6


class UsageError(ParedownError):
    """Something the user wrote or passed is wrong."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message without a traceback, as on the command line."""
        return [f"{type(self).__name__}: {self}"]


class BadKnob(UsageError):
    """A knob's value is outside what it declares."""


class BadRecipe(UsageError):
    """A recipe's text or the order of its steps makes no sense."""


class BadData(UsageError):
    """The data cannot be used as they are."""


class BadModel(UsageError):
    """The model cannot be used as it is."""


class NotTrusted(BadModel):
    """The model is built by code that the user has not given the word for."""


class BudgetTooSmall(UsageError):
    """The job's budget does not hold even the model as given."""


class CannotWrite(UsageError):
    """A file or folder cannot be written."""


class OtherJob(UsageError):
    """The study folder holds another job."""


class StudyBusy(UsageError):
    """Another run holds the study."""


class MissingExtra(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"{purpose} needs the package {package}, which is not installed.\n  Run `pip install 'paredown[{extra}]'`.")


class UnknownName(UsageError):
    """No such name; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "", near: str = "") -> None:
        self.kind, self.name = kind, name
        known = sorted(known)
        near = near or next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), "")
        suggestion = f" Did you mean {near!r}?" if near else f" Known: {', '.join(known)}."
        super().__init__(f"no {kind} {name!r}.{suggestion}{' ' + hint if hint else ''}")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a document.

    Args:
        where: `file:line` when the line is known, else the file.
        found: What stands there.
        do: What is allowed and what to do.
    """

    where: str
    found: str
    do: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}\n  {self.do}"


class BadDocument(UsageError):
    """A document has problems; all of them are listed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Unfit(ParedownError):
    """A technique or runtime does not apply to this candidate."""


class LimitExceeded(ParedownError):
    """A trial ran over its time or memory.

    `needed_s` is the wall time that the work would have taken, in seconds, where its progress tells; else None.
    """

    needed_s: float | None = None

    def __init__(self, message: str, needed_s: float | None = None) -> None:
        super().__init__(message)
        self.needed_s = needed_s


class WorkerDied(ParedownError):
    """A worker process ended without an answer."""


class MissingValue(ParedownError):
    """A number that does not exist was used in arithmetic."""


class CoverageMismatch(ParedownError):
    """Readings that cover different hardware were added."""


class Damaged(ParedownError):
    """An artifact, a ledger or evidence is not what was written."""

    exit_code = 5
