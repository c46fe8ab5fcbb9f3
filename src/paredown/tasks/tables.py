"""Rows of a table in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import PART_ROWS, Rows
from paredown.core.task import Task
from paredown.kinds.known import kind_named
from paredown.stats.rare_values import FEWEST, identifies, shared
from paredown.tasks import whole_numbers
from paredown.tasks.finite import refuse_not_finite
from paredown.tasks.graph_columns import columns_of, made_whole, refuse_fractions_of

_OPTIONS = ("standardize", "one_hot", "rare", "input", "inputs", "numbers")
_RARE = ("other", "keep")
_MOST_WORDS, _MOST_NAMES = 1000, 1 << 20
_MOST_HELD = 200_000


class Tables(Task):
    """Columns of numbers and words, or a plain array (N, D).

    NaN in a column of numbers and the empty word in a column of words mean "missing". A plain array has no missing values.
    """

    raw = "table"
    names: ClassVar[bool] = False
    """True where words are names, as of users and items: each becomes a whole number, by which a model looks up what it knows of it."""

    def check(self, rows: Rows) -> None:
        """Refuse infinite numbers, columns that hold nothing and columns that are neither numbers nor words.

        Raises:
            BadData: Says the column, the first row and what was found.
        """
        if not isinstance(rows.inputs, Mapping):
            _check_array(rows)
            return
        if not rows.inputs:
            raise BadData("the table has no feature columns.\n  Name them with `features:`, or drop fewer.")
        for name, column in rows.inputs.items():
            empty, infinite = True, list[int]()
            for start in range(0, len(column), PART_ROWS):
                part = column[start : start + PART_ROWS]
                if column.dtype.kind in "buif":
                    infinite += (np.flatnonzero(np.isinf(part)) + start).tolist()
                    empty = empty and bool(np.isnan(part).all())
                    continue
                cells = part.tolist()
                strange = next((at for at, cell in enumerate(cells) if not isinstance(cell, str)), None)
                if strange is not None:
                    raise BadData(f"column {name!r} holds {cells[strange]!r} in row {start + strange}.\n  A column is numbers or words.")
                empty = empty and not any(cell.strip() for cell in cells)
            if infinite:
                raise BadData(
                    f"column {name!r} holds infinite values in {len(infinite)} rows, first row {infinite[0]}.\n  Remove or repair them."
                )
            if empty:
                raise BadData(f"column {name!r} holds no value in {len(column)} rows.\n  Add it to `drop:`, or correct the data.")

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers standardized, words one number per value, in the order of the columns.

        A missing number becomes the mean; a missing word is a value of its own where train has it. The declaration ships, so a word that
        fewer than 20 rows of train share is not in it: it is encoded as a word that train never had, together with all such. A column
        most of whose rows hold such words tells who a row is, and is left out whole; so is a column of numbers that fewer than 20 rows
        have. A model that arrives trained is fed as it was trained: for that, `rare` lets them stay.

        Names become whole numbers from 1 on, in sorted order, and 0 where train had none of that name; they are never left out silently.

        Args:
            train: Rows that the statistics and the words come from.
            options: standardize (true for columns; a plain array stays as it is unless true), one_hot (true; false gives one code per
                word, its place among the sorted words), rare ("other"; "keep" lets what few rows share ship too), numbers (of a plain
                array: "float32", or "int64" for a model that takes whole numbers), inputs (where the model has several: input -> its
                columns), graph (from the model alone: what an ONNX graph declares, see `graph_columns`).

        Raises:
            UnknownName: No such option or way with rare words.
            BadData: An option is not true or false; a column has more than 1000 different words, or 1048576 names; no column is left;
                few rows share most of the names, and nobody says that they may ship; the graph takes other columns, or whole numbers
                where there are fractions.
        """
        options = dict(options)
        graph = options.pop("graph", None) or {"takes": [], "several": False, "missing": False, "plain": False}
        whole = None if graph["several"] or not graph["takes"] else graph["takes"][0]["whole"]
        for key, value in options.items():
            if key not in _OPTIONS:
                raise UnknownName("preprocess option", key, _OPTIONS)
            if key in ("standardize", "one_hot") and not isinstance(value, bool):
                raise BadData(f"preprocess: {key} is {value!r}.\n  Write true or false.")
        rare = str(options.get("rare", "other"))
        if rare not in _RARE:
            raise UnknownName("way with rare words", rare, _RARE)
        if not isinstance(train.inputs, Mapping):
            out: dict[str, Any] = {"kind": "vector", "input": str(options.get("input", "input")), "width": int(train.inputs.shape[1])}
            out |= whole_numbers.entry(train.inputs, options)
            if options.get("standardize", False) and "numbers" not in out:
                mean, spread = _mean_and_spread(train.inputs, len(train))
                out |= {"mean": mean.tolist(), "std": np.where(spread > 0, spread, 1.0).tolist()}
            return out | _whole_numbers(train.inputs, whole, "mean" in out)
        standardize = options.get("standardize", not (graph["plain"] or graph["several"] or whole))
        if graph["several"]:
            return _as_declared(train.inputs, graph, options.get("inputs"), str(options.get("input", "input")), standardize)
        columns, one_hot = [], options.get("one_hot", True)
        for name, column in train.inputs.items():
            made = _numeric(name, column, standardize, rare) if column.dtype.kind in "buif" else self._words(name, column, one_hot, rare)
            if made is not None and made["kind"] == "numeric":
                made = _fed_as_is(made, column, graph["missing"], whole, standardize)
            columns += [] if made is None else [made]
        if not columns:
            raise BadData(
                f"no column is left of {', '.join(train.inputs)}: in each, most rows hold a value that fewer than {FEWEST} of the "
                f"{len(train)} training rows share.\n  Give more rows, coarser values, or columns of numbers."
            )
        return {"kind": "table", "input": str(options.get("input", "input")), "columns": columns}

    def _words(self, name: str, column: Any, one_hot: bool, rare: str) -> dict[str, Any] | None:
        if not self.names:
            return _words(name, column, one_hot, rare)
        made = _words(name, column, False, rare, _MOST_NAMES)
        if made is None:
            raise BadData(
                f"column {name!r}: fewer than {FEWEST} training rows share most of its names, and what a model looks up by a name has to "
                "ship with it.\n  Write `preprocess: {rare: keep}` if these names may ship, or give rows of names that occur more often."
            )
        return made | {"first": 1}

    def left_out(self, encoder: Mapping[str, Any], train: Rows) -> list[str]:
        """Columns that tell who a row is, and words that are too rare to be told apart."""
        if encoder["kind"] == "vector":
            return []
        kept, said = {column["name"]: column for column in encoder["columns"]}, []
        fed = {name for entry in encoder.get("words", ()) for name in entry["columns"]}
        for name, column in train.inputs.items():
            numeric = column.dtype.kind in "buif"
            if name not in kept and "words" in encoder:
                said += [] if name in fed else [f"The column {name!r} goes to none of the model's inputs."]
            elif name not in kept:
                few = f"only {_known(column)} of {len(column)} rows have a value" if numeric else _mostly_rare(column)
                said.append(f"The column {name!r} is left out: {few}, and it would ship. `drop: [{name}]` says so in the job.")
            elif not numeric and (count := len({*_counted(column)} - {*kept[name]["values"]})):
                words = f"{count} value{'s' if count > 1 else ''} of the column {name!r}"
                said.append(f'{words} that fewer than {FEWEST} training rows share count as one, "other", as does what train never had.')
        return said

    def rare(self, encoder: Mapping[str, Any]) -> str:
        """The first column that holds such words or numbers."""
        column = next((column for column in encoder.get("columns", ()) if "rare" in column), None)
        if column is None:
            return ""
        held = f"{column['rare']} of its {len(column['values'])} values" if "values" in column else "the mean of what"
        return (
            f"column {column['name']!r}: {held} fewer than {FEWEST} training rows share, and it would ship; the model arrives trained, and "
            f"is fed as it was trained.\n  Write `preprocess: {{rare: keep}}` if it may ship, `{{rare: other}}` if the model was trained "
            f"with rare words as one, or `drop: [{column['name']}]` if it does not take the column."
        )

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """The words of each column, and how many columns of numbers have their mean and spread in it."""
        if encoder["kind"] == "vector":
            return [f"mean and spread of {encoder['width']} numbers"] if "mean" in encoder else []
        words = [column for column in encoder["columns"] if column["kind"] != "numeric"]
        total = sum(len(column["values"]) for column in words)
        each = [f"{column['name']!r} {len(column['values'])}{_asked_for(column)}" for column in words]
        numbers = sum("fill" in column or (column["mean"], column["std"]) != (0, 1) for column in encoder["columns"] if column not in words)
        said = [f"{total} category values (of the column{'s' if len(words) > 1 else ''} {', '.join(each)})"] if words else []
        return said + ([f"the mean of {numbers} column{'s' if numbers > 1 else ''} of numbers, and the spread"] if numbers else [])

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """As the task's kind of answers has it."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> Any:
        """Four rows, a list of dicts or an array (4, D): normal numbers with the encoder's mean and spread, and random words.

        The words are those that it holds and one that no row had; that one alone where rare words ship.
        """
        random = np.random.default_rng(seed)
        if "numbers" in encoder:
            return whole_numbers.probe((4, encoder["width"]), seed)
        if encoder["kind"] == "vector":
            values = random.standard_normal((4, encoder["width"])) * encoder.get("std", 1.0) + encoder.get("mean", 0.0)
            return made_whole(values, encoder.get("whole")).astype(np.float32)
        words = [pair for entry in encoder.get("words", ()) for pair in zip(entry["columns"], entry["known"])]
        known = [(name, its or ["made up"]) for name, its in words]
        return [
            {column["name"]: _cell(column, random) for column in encoder["columns"]}
            | {name: its[int(random.integers(len(its)))] for name, its in known}
            for _ in range(4)
        ]


def _whole_numbers(inputs: Any, whole: Any, scaled: bool) -> dict[str, Any]:
    """The bounds of a plain array for a graph of whole numbers, as an entry of the declaration."""
    if whole is None:
        return {}
    _refuse_scaled(scaled)
    refuse_fractions_of(inputs, whole, "")
    return {"whole": whole}


def _refuse_scaled(scaled: bool) -> None:
    if scaled:
        raise BadData("preprocess: standardize is true, and the model takes whole numbers.\n  Write `standardize: false`.")


def _fed_as_is(made: dict[str, Any], column: np.ndarray, missing: bool, whole: Any, standardize: bool) -> dict[str, Any]:
    """A column of numbers as a graph takes it: a missing one as such where it knows what to do with it, whole ones as they are."""
    if missing:
        made = {key: value for key, value in made.items() if key not in ("fill", "rare")}
    if whole is not None:
        _refuse_scaled(standardize)
        refuse_fractions_of(column, whole, f"the column {made['name']!r}")
        made = made | {"whole": whole} | ({"fill": float(round(made["fill"]))} if "fill" in made else {})
    return made


def _as_declared(columns: Mapping[str, Any], graph: Mapping[str, Any], named: Any, feed: str, standardize: bool) -> dict[str, Any]:
    """The declaration for a graph of several inputs: numbers in one matrix, in the order of its inputs; words to inputs of their own."""
    numbers, words = [], []
    for take, names in columns_of(columns, graph["takes"], named):
        if take["words"] is not None:
            small = {"small": [name for name, flag in zip(names, take["small"]) if flag]} if any(take.get("small", ())) else {}
            words.append({"input": take["input"], "columns": names, "known": list(take["words"]), **small})
            continue
        for name in names:
            made = _numeric(name, columns[name], standardize, "keep")
            assert made is not None
            numbers.append(_fed_as_is(made, columns[name], graph["missing"], take["whole"], standardize))
    return {"kind": "table", "input": feed, "columns": numbers, "words": words}


def _check_array(rows: Rows) -> None:
    inputs = rows.inputs
    dtype: Any = getattr(inputs, "dtype", None)
    shape: tuple[int, ...] = getattr(inputs, "shape", ())
    if dtype is None or dtype.kind not in "buif" or len(shape) != 2 or not shape[1]:
        found = f"an array {shape} of {dtype}" if dtype is not None else f"a {type(inputs).__name__}"
        raise BadData(f"the inputs are {found}.\n  Such a task needs columns by name, or one array of numbers, shape (N, D).")
    refuse_not_finite(rows, "rows", "Fill or remove them.")


def _known(column: Any) -> int:
    """Rows of a column of numbers that have a value."""
    return sum(int((~np.isnan(part)).sum()) for part in _parts(column))


def _parts(column: Any) -> Iterator[np.ndarray]:
    return (column[start : start + PART_ROWS] for start in range(0, len(column), PART_ROWS))


def _counted(column: Any) -> Counter[str]:
    """Word -> rows. Where a column of many rows has ever more words, those that were seen once are let go: they are rare."""
    counts = Counter[str]()
    for part in _parts(column):
        counts.update(part.tolist())
        if len(counts) > _MOST_HELD:
            counts = Counter({word: times for word, times in counts.items() if times > 1})
    return counts


def _mostly_rare(column: Any) -> str:
    return f"most of {len(column)} rows share its value with fewer than {FEWEST} others, as they do a name or an address"


def _asked_for(column: Mapping[str, Any]) -> str:
    return f", {column['rare']} of them of fewer than {FEWEST} training rows, as `rare: keep` says" if "rare" in column else ""


def _numeric(name: str, column: Any, standardize: bool, rare: str) -> dict[str, Any] | None:
    known = _known(column)
    if known < min(FEWEST, len(column)) and rare != "keep":
        return None
    mean, spread = (float(value) for value in _mean_and_spread(column, known))
    scaled = {"mean": mean, "std": spread if spread > 0 else 1.0} if standardize else {"mean": 0.0, "std": 1.0}
    few = {"rare": known} if known < min(FEWEST, len(column)) else {}
    return {"name": name, "kind": "numeric", **scaled, "fill": mean, **few}


def _mean_and_spread(column: Any, known: int) -> tuple[Any, Any]:
    """Over the rows that have a value; an array in memory at once, one on disk part by part."""
    if isinstance(column, np.ndarray):
        if column.ndim > 1:
            return column.mean(axis=0, dtype=np.float64), column.std(axis=0, dtype=np.float64)
        values = column[~np.isnan(column)].astype(np.float64)
        return values.mean(), values.std()
    mean = sum(np.nansum(part, axis=0, dtype=np.float64) for part in _parts(column)) / known
    return mean, np.sqrt(sum(np.nansum((part - mean) ** 2, axis=0) for part in _parts(column)) / known)


def _words(name: str, column: Any, one_hot: bool, rare: str, most: int = _MOST_WORDS) -> dict[str, Any] | None:
    counts = _counted(column)
    all_values, common = {*counts}, {*shared(counts)} | ({""} & {*counts})  # that there is no value tells nothing
    few = len(all_values) - len(common)
    if rare == "other" and identifies(counts):
        return None
    values = sorted(all_values if rare == "keep" else common)
    if len(values) > most:
        raise BadData(
            f"column {name!r} holds {len(values)} different words in {len(column)} rows; up to {most} can be encoded.\n"
            "  Add it to `drop:` if it is an identifier, or group its values."
        )
    kept = {"rare": few} if few and rare == "keep" else {}
    return {"name": name, "kind": "categorical" if one_hot else "code", "values": values, **kept}


def _cell(column: Mapping[str, Any], random: np.random.Generator) -> float | str:
    if column["kind"] == "numeric":
        value = column.get("fill", column["mean"]) + column["std"] * random.standard_normal()
        return float(made_whole(np.float64(value), column.get("whole")))
    values = ["made up", *([] if "rare" in column else column["values"])]
    return str(values[int(random.integers(len(values)))])
