"""The steps of one or several series as windows with what follows them. Not a unit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.sources import nearest
from paredown.ingest.tables import as_number, listed
from paredown.rows.windows import Places, Windows, cut_in_time

_PARTED = ("year", "month", "day", "hour", "minute", "second")


Size = Callable[[str, int, int, bool], int]
"""(split, windows of the source, windows left of it, whether they are the test of a trained model) -> windows that are cut off."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How steps become windows.

    Args:
        target: The columns of numbers that are forecast.
        time: The columns that say when a step is; empty where steps follow each other as they stand.
        series: The column that says which series a step is of; empty for one series.
        features: The columns that a model sees; empty is all but these, `drop`, `time` and `series`. The past of the target is one.
        drop: Columns that a model does not see.
        window: Steps that a model sees.
        horizon: How many steps ahead of the last one it sees it forecasts, rising.
        stride: Steps from the beginning of a window to that of the next.
        words: Columns that are words whatever they look like.
    """

    target: tuple[str, ...]
    time: tuple[str, ...]
    series: str
    features: tuple[str, ...]
    drop: tuple[str, ...]
    window: int
    horizon: tuple[int, ...]
    stride: int
    words: tuple[str, ...]

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Plan:
        """What the job's entries say.

        Raises:
            BadData: There is no window, horizon or label; a horizon is no whole number from 1.
        """
        for entry, example in (("label", "label: sales"), ("window", "window: 48"), ("horizon", "horizon: 24")):
            if not columns.get(entry):
                raise BadData(f"data: a forecast needs `{entry}`.\n  Write `{example}`.")
        steps = columns["horizon"]
        ahead = range(1, steps + 1) if isinstance(steps, int) else steps
        if not isinstance(ahead, range | list) or not ahead or any(type(step) is not int or step < 1 for step in ahead):
            raise BadData(f"data: horizon is {steps!r}.\n  Write how many steps are forecast, as `24`, or which, as `[1, 6, 24]`.")
        return cls(
            target=tuple(listed(columns, "label")),
            time=tuple(listed(columns, "time")),
            series=str(columns.get("series") or ""),
            features=tuple(listed(columns, "features")),
            drop=tuple(listed(columns, "drop")),
            window=int(columns["window"]),
            horizon=tuple(sorted({*ahead})),
            stride=int(columns.get("stride") or 1),
            words=tuple(listed(columns, "categorical")),
        )

    @classmethod
    def of_artifact(cls, encode: Mapping[str, Any], names: Sequence[str], *, labeled: bool) -> Plan:
        """How steps become the windows that an artifact takes; they follow each other as they stand.

        Args:
            encode: Its declaration of raw input -> feed.
            names: Of its answers.
            labeled: Whether what follows the windows is asked for.
        """
        parts = [name.rpartition(" +") for name in names] if labeled else []
        return cls(
            target=tuple(dict.fromkeys(column for column, _, _ in parts)),
            time=(),
            series="",
            features=tuple(column["name"] for column in encode["columns"]),
            drop=(),
            window=int(encode["window"]),
            horizon=tuple(sorted({int(step) for _, _, step in parts} or {0})),
            stride=1,
            words=tuple(column["name"] for column in encode["columns"] if column["kind"] != "numeric"),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What the model answers with: each target at each step ahead."""
        return tuple(f"{column} +{step}" for column in self.target for step in self.horizon)

    def reading(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The job's entries for a reader of tables: all columns that play a part here are features, and times are words."""
        needed = dict.fromkeys([*self.target, *self.time, *([self.series] if self.series else [])])
        apart = [name for name in needed if name not in self.target]
        return {
            **columns,
            "label": None,
            "features": list(dict.fromkeys([*self.features, *needed])) if self.features else [],
            "drop": [name for name in self.drop if name not in needed],
            "categorical": list(dict.fromkeys([*self.words, *apart])),
        }

    def begins(self, columns: Mapping[str, Any], sources: Collection[str]) -> dict[str, float]:
        """Split -> the moment at which it begins, as the clock has it, where the job says so.

        Args:
            columns: The job's entries.
            sources: Splits that have a source of their own.

        Raises:
            BadData: There is no `time:`; a split is cut from none; a moment is neither a date and time nor a number.
        """
        found = dict[str, float]()
        for split, value in (columns.get("begins") or {}).items():
            if split not in ("calibration", "validation", "test") or split in sources:
                raise BadData(
                    f"data: begins names {split!r}, which is not cut from another source.\n"
                    "  It is for test, validation and calibration where these have none of their own."
                )
            if not self.time:
                raise BadData("data: there is `begins`, and no `time`.\n  Name the columns that say when a step is with `time:`.")
            number = as_number(str(value)) if len(self.time) == 1 else None
            try:
                found[split] = float(_seconds(str(value))) if number is None else number
            except ValueError:
                raise BadData(f"data: begins has {value!r}, which is no time.\n  Write it as `2014-01-01` or `2014-01-01 06:00`.") from None
        return found

    def cut(
        self,
        parts: Mapping[str, Rows],
        columns: Mapping[str, Any],
        size: Callable[[str, int, int, bool], int],
        trains: bool,
        notes: list[str],
    ) -> dict[str, Rows]:
        """What the job names no source for, cut off the newest end of another split: test, then validation, then calibration.

        A window that reaches from one split into the next, with what is forecast after it, is in neither.

        Args:
            parts: Split, or "all" -> its windows.
            columns: The job's entries.
            size: How many windows a split takes where no moment is named.
            trains: Whether the job trains the model.
            notes: Takes a sentence on each source that is cut.

        Raises:
            BadData: There is no train to train on; a split is empty; what `begins` raises.
        """
        if trains and not {"all", "train"} & {*parts}:
            raise BadData("data: there is no train, and the job trains the model.\n  Add `train:`, or give one source as `all:`.")
        begins, out, cuts = self.begins(columns, parts), dict(parts), list[tuple[str, str, list[str]]]()
        if "all" in out:
            cuts = [("all", "train", ["test", "validation", "calibration"])]
        else:
            cuts = [("test", "validation", ["test"])] if not trains and "validation" not in out else []
            known = {*out, *(["validation"] if cuts else [])}
            if missing := [name for name in ("validation", "calibration") if name not in known]:
                given = next(name for name in ("train", "unlabeled", "validation") if name in known)
                cuts.append((given, given, missing))
        for source, left, wanted in cuts:
            rest = out.pop(source)
            count, sizes = len(rest), dict[str, int]()
            for split in wanted:
                most = size(split, count, len(rest), source == "test")
                _refuse_empty({left: len(rest) - most, split: most}, count, source)
                rest, out[split] = cut_in_time(rest, begins.get(split), most)
                sizes[split] = len(out[split])
            out[left] = rest
            sizes = {left: len(rest), **dict(reversed(sizes.items()))}
            _refuse_empty(sizes, count, source)
            listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
            notes.append(
                f"The {count} windows of {source} were cut by time, the oldest first: {listed}; "
                f"{count - sum(sizes.values())} across a cut are in none."
            )
        return out

    def seen(self, known: Sequence[str]) -> list[str]:
        """The columns that a model sees, of those that there are."""
        hidden = {*self.drop, *([] if self.features else [*self.time, self.series])}
        return [name for name in self.features or known if name not in hidden]


def as_windows(parts: Mapping[str, Rows], plan: Plan, sources: Mapping[str, Any], labeled: bool, notes: list[str]) -> dict[str, Rows]:
    """The steps of each source as windows; of sources with times none has one of another's.

    Args:
        parts: Split, or "all" -> steps as `Plan.reading` has them read.
        plan: Of the job.
        sources: Split -> what the job calls it.
        labeled: False gives windows without what follows.
        notes: Takes a sentence on each source.

    Raises:
        BadData: As `windowed` and `refuse_shared`.
    """
    out = dict[str, Rows]()
    for split, steps in parts.items():
        out[split], said = windowed(steps, plan, f"{sources[split]} ({split})", labeled=labeled and split != "unlabeled")
        notes.append(said)
    if plan.time:
        refuse_shared(parts, plan)
    return out


def _refuse_empty(sizes: Mapping[str, int], rows: int, source: str) -> None:
    if min(sizes.values()) < 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise BadData(
            f"{source} has {rows} windows, which would be cut into {listed}.\n  Each split needs one; give more steps, or cut elsewhere."
        )


def windowed(rows: Rows, plan: Plan, source: str, *, labeled: bool = True) -> tuple[Rows, str]:
    """The windows of a table in the order of series and time, with what is to be forecast after each, and a sentence on them.

    No window crosses a gap: steps follow each other by the one span of time that most of them do, or from month to month. One after
    which a target is missing is left out. A group is that of the last step that a model sees.

    Args:
        rows: Steps as `Plan.reading` has them read, in any order where they have a time.
        plan: Of the job.
        source: Shown in messages.
        labeled: False gives windows without what follows.

    Raises:
        BadData: The inputs are no table; there is no such column; a target is no number; a time cannot be read, or stands there twice; no
            window is left.
    """
    table = rows.inputs
    if not isinstance(table, Mapping):
        raise BadData(f"{source} holds no table.\n  A series is a table whose rows are steps; windows that are cut already are arrays.")
    for name in (*plan.target, *plan.time, *([plan.series] if plan.series else []), *plan.features):
        if name not in table:
            raise BadData(f"{source}: there is no column {name!r}.{nearest(name, table)}\n  Name one of {', '.join([*table][:12])}.")
    for name in plan.target:
        if table[name].dtype.kind not in "buif":
            word = next((cell for cell in table[name] if cell and as_number(cell) is None), "")
            raise BadData(
                f"{source}: the column {name!r} is forecast and holds {word!r:.60}.\n"
                f"  A forecast is of numbers; where it means that there is none, write `missing: [{word}]`."
            )
    which = np.zeros(len(rows), np.int64)
    if plan.series:
        which = np.unique(np.asarray(table[plan.series]), return_inverse=True)[1]
    clock: Any = None
    tick: Any = None
    if plan.time:
        clock, tick = _clock(table, plan.time, source)
    order = np.lexsort((np.arange(len(rows)) if clock is None else clock, which))
    which = which[order]
    begun = np.concatenate([[True], which[1:] != which[:-1]])
    if clock is None:
        clock = np.arange(len(rows)) - np.maximum.accumulate(np.where(begun, np.arange(len(rows)), 0))
        tick = clock
    else:
        clock, tick = clock[order], tick[order]
        _refuse_twice(clock, begun, order, table, plan, source)
    ahead = np.round(np.diff(tick, prepend=0)[~begun], 6)
    step = _usual(ahead)
    begun[~begun] = ahead != step
    gaps = int(begun.sum()) - int(which[-1]) - 1
    run = np.cumsum(begun)
    first = np.maximum.accumulate(np.where(begun, np.arange(len(rows)), 0))
    reach = plan.window - 1 + plan.horizon[-1]
    starts = np.arange(max(0, len(rows) - reach))
    starts = starts[(run[starts] == run[starts + reach]) & ((starts - first[starts]) % plan.stride == 0)]
    ordered = {name: np.asarray(column)[order] for name, column in table.items()}
    labels, left_out = None, 0
    if labeled:
        places = starts[:, None] + (plan.window - 1 + np.array(plan.horizon))
        labels = np.concatenate([ordered[name][places] for name in plan.target], axis=1).astype(np.float64)
        whole = ~np.isnan(labels).any(axis=1)
        left_out = int((~whole).sum())
        starts, labels = starts[whole], labels[whole]
    _refuse_none(starts, plan, len(rows), run, left_out, source)
    kept = Places(starts, plan.window, clock, reach, ((tick - tick.min()) // (step * (reach + 1))).astype(np.int64))
    inputs = {name: Windows(_as_feature(ordered[name], name, plan), kept) for name in plan.seen([*table])}
    if not inputs:
        raise BadData(f"{source}: no column is left that the model sees.\n  Drop fewer columns.")
    groups = {name: np.asarray(column)[order][starts + plan.window - 1] for name, column in rows.groups.items()}
    count = int(which[-1]) + 1
    said = f"{source}: {len(rows)} steps{f' of {count} series' if plan.series else ''} give {len(starts)} windows of {plan.window}"
    said += f"; {left_out} were left out because a target after them is missing" if left_out else ""
    said += f"; none crosses one of {gaps} gaps" if gaps else ""
    return Rows(inputs=inputs, labels=labels, names=plan.names, groups=groups), f"{said}."


def refuse_shared(steps: Mapping[str, Rows], plan: Plan) -> None:
    """Refuse splits of their own that have a time in common: what one of them is judged by, another has learned.

    Args:
        steps: Split -> its steps as they were read.
        plan: With a time.

    Raises:
        BadData: Says which, and the first such time.
    """
    keys = {
        split: {*zip(*(part.inputs[name] for name in (*([plan.series] if plan.series else []), *plan.time)))}
        for split, part in steps.items()
        if split != "unlabeled"
    }
    names = [*keys]
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            if both := keys[one] & keys[other]:
                raise BadData(
                    f"{one} and {other} both have the time {' '.join(min(both))}, and {len(both) - 1} more.\n"
                    "  Give each its own time; `all:` cuts one file into splits, the oldest first."
                )


def _clock(table: Mapping[str, Any], names: Sequence[str], source: str) -> tuple[Any, Any]:
    """When each step is: seconds, or the numbers in the column; and the same in months where all are at one moment of a month."""
    cells = [np.asarray(table[name]) for name in names]
    different, at = np.unique(np.array([" ".join(row) for row in zip(*cells)], object), return_inverse=True)
    numbers = [as_number(cell) for cell in different] if len(names) == 1 else [None]
    if None not in numbers and all(map(np.isfinite, numbers)):  # type: ignore[arg-type]
        found = np.array(numbers, np.float64)[at]
        return found, found
    seconds = np.empty(len(different), np.int64)
    for place, words in enumerate(different):
        try:
            seconds[place] = _seconds(words)
        except (ValueError, OverflowError):
            raise BadData(
                f"{source}: row {int(np.flatnonzero(at == place)[0])} has the time {words.strip()!r:.60} ({', '.join(names)}).\n"
                f"  Write it as `2014-01-01 06:00`, or in columns of numbers for {', '.join(_PARTED)}, as many as there are."
            ) from None
    when = seconds.astype("datetime64[s]")
    months = when.astype("datetime64[M]")
    if len({*(when - months.astype("datetime64[s]")).tolist()}) == 1:
        return seconds[at], months.astype(np.int64)[at]
    return seconds[at], seconds[at]


def _seconds(words: str) -> int:
    """Seconds since 1970, in UTC where no zone is said: of a date and time, or of a year, a month, a day and so on."""
    parts = words.split(" ")
    numbers = [as_number(part) for part in parts]
    if len(parts) > 1 and None not in numbers:
        whole = [int(number) for number in numbers if number is not None]
        found = datetime(*whole, *[1] * (3 - len(whole)))  # type: ignore[arg-type]
    else:
        found = datetime.fromisoformat(words)
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _usual(spans: Any) -> float:
    """The span from one step to the next that occurs most often."""
    if not len(spans):
        return 1.0
    values, counts = np.unique(spans, return_counts=True)
    return float(values[counts == counts.max()][0])


def _refuse_twice(clock: Any, begun: Any, order: Any, table: Mapping[str, Any], plan: Plan, source: str) -> None:
    same = np.flatnonzero(~begun & (np.diff(clock, prepend=clock[0] - 1) == 0))
    if len(same):
        first, second = sorted((int(order[same[0] - 1]), int(order[same[0]])))
        when = " ".join(str(np.asarray(table[name])[first]) for name in plan.time)
        do = "Remove one" if plan.series else "Name the column that tells series apart with `series:`, or remove one"
        raise BadData(f"{source}: rows {first} and {second} have one time, {when}; {len(same)} steps are there twice.\n  {do}.")


def _refuse_none(starts: Any, plan: Plan, steps: int, run: Any, left_out: int, source: str) -> None:
    if len(starts):
        return
    longest = int(np.bincount(run).max()) if steps else 0
    if left_out:
        raise BadData(f"{source}: a target is missing after each of its {left_out} windows.\n  Is `label:` the right column?")
    raise BadData(
        f"{source}: no window of {plan.window} steps with {plan.horizon[-1]} after it is left; of {steps} steps {longest} follow each "
        "other without a gap.\n  Give a shorter `window:` or `horizon:`; without `time:` rows follow each other as they stand."
    )


def _as_feature(column: Any, name: str, plan: Plan) -> Any:
    """A column that was read as words only because it is a time: as numbers, where it is a feature too."""
    if column.dtype != object or name in plan.words or name not in (*plan.time, plan.series):
        return column
    numbers = [as_number(cell) if cell else np.nan for cell in column]
    return column if None in numbers else np.array(numbers, np.float32)
