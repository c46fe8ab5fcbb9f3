"""Raw inputs to a model's feed.

This file, `declared_feed`, `pictures`, `waveforms`, `spectrograms` and `tokens` stand alone: numpy, and what a declaration asks for.
Their source is copied into an artifact's `predict.py`, so what is measured here is what ships. The functions that `make_*` return are
called once per inference; all that can be worked out before is worked out there.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.encoders.declared_feed import first_fraction, refuse_fractions
from paredown.encoders.pictures import one_by_one, picture_reader
from paredown.encoders.spectrograms import audio_shape, make_audio_encoder
from paredown.encoders.tokens import make_text_encoder


def make_encoder(spec: Mapping[str, Any], folder: Path = Path()) -> Callable[[Any], dict[str, np.ndarray]]:
    """The function raw inputs -> feed.

    Args:
        spec: One of
            {"kind": "image", "input", "shape": [H, W] or [H, W, C], "scale", "mean", "std", "layout": "nchw" | "nhwc" | "flat"}:
            pixel -> (pixel * scale - mean) / std, with mean and std as numbers or one per channel; with "mode" ("L" or "RGB") images
            are converted first; with "resize" ([H, W], or a number for the shorter side) and "resample" they are then resized, and
            cut or padded with zeros to "shape" around their middle;
            {"kind": "table", "input", "columns": [{"name", "kind": "numeric", "mean", "std", "fill"} |
            {"name", "kind": "categorical", "values"} | {"name", "kind": "code", "values"}]}: one float32 matrix in the order of the
            columns; a word becomes one number per value, all 0 when it is unknown, or its position from "first" on, or from 0, and the
            number before that when it is unknown; without "fill" a missing number stays NaN; with "words" ([{"input", "columns"}]) these
            columns go as words to inputs of their own, those named in "small" in small letters;
            {"kind": "vector", "input", "width", "mean", "std"}: (x - mean) / std, where mean and std may be absent;
            {"kind": "array", "input", "shape"}: the numbers as they are; here and for a vector "numbers" may be "int64", for a model that
            takes whole numbers;
            {"kind": "arrays", "inputs": [{"name", "shape", "numbers", ...}]}: several of these, each in the kind of number that the model
            takes, by numpy's name of it; rows are a mapping from names to arrays, or a list of such;
            {"kind": "audio", ...}: see `spectrograms.make_audio_encoder`;
            {"kind": "series", "input", "window", "columns", "fill", "mask", "missing"}: see `SeriesForecasting.encoder`;
            {"kind": "text", ...}: see `tokens.make_text_encoder`.
            "whole": [low, high] in a declaration, or in one of its numeric columns, refuses all but whole numbers between these.
        folder: Where the files lie that a declaration names, as a tokenizer's.

    Returns:
        A function that takes one item or a batch and gives {input: float32 array (N, ...)}, int64 for tokens, objects for words, of
        several arrays what is declared. It raises ValueError when the inputs have another shape, lack a column or hold a word where a
        number belongs.

    Raises:
        ValueError: No such kind of encoder or layout.
    """
    kind = spec["kind"]
    if kind == "text":
        return make_text_encoder(spec, folder)
    makers = {"image": _image_encoder, "table": _table_encoder, "vector": _vector_encoder, "array": _array_encoder}
    makers |= {"arrays": _arrays_encoder, "audio": make_audio_encoder, "series": _series_encoder}
    if kind not in makers:
        raise ValueError(f"encoder kind {kind!r} is not one of {', '.join(makers)}, text.")
    return makers[kind](spec)


def feed_shapes(spec: Mapping[str, Any]) -> dict[str, tuple[int | str, ...]]:
    """Input -> the shape of one encoded item, without N; an axis of free length is named: "tokens"."""
    if spec["kind"] == "text":
        return dict.fromkeys(spec["inputs"], ("tokens",))
    if spec["kind"] == "arrays":
        return {entry["name"]: tuple(entry["shape"]) for entry in spec["inputs"]}
    words: dict[str, tuple[int | str, ...]] = {entry["input"]: (len(entry["columns"]),) for entry in spec.get("words", ())}
    return {**({spec["input"]: feed_shape(spec)} if spec.get("columns", True) else {}), **words}


def feed_shape(spec: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one encoded item of numbers, without N."""
    if spec["kind"] == "vector":
        return (int(spec["width"]),)
    if spec["kind"] == "audio":
        return audio_shape(spec)
    if spec["kind"] in ("table", "series"):
        width = sum(len(column["values"]) if column["kind"] == "categorical" else 1 for column in spec["columns"])
        return (width,) if spec["kind"] == "table" else (int(spec["window"]), width + len(spec["mask"]))
    shape = tuple(spec["shape"])
    if spec["kind"] == "array":
        return shape
    height, width, channels = shape if len(shape) == 3 else (*shape, 1)
    return {"nchw": (channels, height, width), "nhwc": (height, width, channels), "flat": (height * width * channels,)}[spec["layout"]]


def _batch(inputs: Any, item: tuple[int, ...], what: str) -> np.ndarray:
    """`inputs` as an array (N, *item); a single item becomes N = 1."""
    if type(inputs) is np.ndarray and inputs.shape[1:] == item:
        return inputs
    try:
        array = np.asarray(inputs)
    except ValueError:
        raise ValueError(f"the {what}s have different shapes; each must be {item}.") from None
    if array.shape[1:] == item:
        return array
    if array.shape == item:
        return array[None]
    raise ValueError(f"the inputs have shape {array.shape}; one {what} is {item}, a batch is (N, {', '.join(map(str, item))}).")


def _image_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    name, item, layout = spec["input"], tuple(spec["shape"]), spec["layout"]
    if layout not in ("nchw", "nhwc", "flat"):
        raise ValueError(f"layout {layout!r} is not one of nchw, nhwc, flat.")
    mean, std = np.asarray(spec["mean"], np.float64), np.asarray(spec["std"], np.float64)
    gain, shift = np.asarray(spec["scale"] / std, np.float32), np.asarray(-mean / std, np.float32)
    shifted, swapped = bool(np.any(shift)), layout == "nchw" and len(item) == 3
    target, float32 = (-1, *feed_shape(spec)), np.dtype(np.float32)
    size, read = spec.get("resize"), picture_reader(spec)
    as_is = size is None or size == list(item[:2])  # an array of the declared shape is ready
    changes, whole = size is not None or "mode" in spec, spec.get("whole")

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        given = one_by_one(inputs, item if as_is else (), changes)
        raw = _batch(inputs, item, "image") if given is None else np.stack([read(each, at) for at, each in enumerate(given)])
        values = raw.astype(float32)
        values *= gain
        if shifted:
            values += shift
        if whole is not None:
            refuse_fractions(values, whole)
        if swapped:
            return {name: np.ascontiguousarray(values.transpose(0, 3, 1, 2))}
        return {name: np.ascontiguousarray(values.reshape(target))}

    return encode


def _vector_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    name, item, scaled = spec["input"], (int(spec["width"]),), "mean" in spec
    std, convert = np.asarray(spec.get("std", 1.0), np.float64), _converter(spec)
    gain, shift = (1 / std).astype(np.float32), (-np.asarray(spec.get("mean", 0.0), np.float64) / std).astype(np.float32)

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        values = convert(_batch(inputs, item, "row"))
        return {name: values * gain + shift if scaled else values}

    return encode


def _converter(spec: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The function rows -> the kind of number that the model takes, within the bounds that it declares."""
    kind, bounds = spec.get("numbers", "float32"), spec.get("whole")

    def convert(rows: np.ndarray) -> np.ndarray:
        if kind != "float32" and (bad := first_fraction(rows)) is not None:
            raise ValueError(f"row {bad} holds a fraction or no number; the model takes whole numbers.")
        values = np.ascontiguousarray(rows, kind)
        if bounds is not None:
            refuse_fractions(values, bounds)
        return values

    return convert


def _array_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    name, item, convert = spec["input"], tuple(spec["shape"]), _converter(spec)

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        return {name: convert(_batch(inputs, item, "row"))}

    return encode


def _arrays_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    entries = [(entry["name"], tuple(entry["shape"]), _caster(entry)) for entry in spec["inputs"]]
    names = [name for name, _, _ in entries]
    listed = ", ".join(map(str, names))

    def by_name(inputs: Any) -> Mapping[str, Any]:
        if isinstance(inputs, Mapping):
            return {names[0]: next(iter(inputs.values()))} if len(names) == len(inputs) == 1 else inputs
        if isinstance(inputs, list) and inputs and all(isinstance(row, Mapping) for row in inputs):
            rows = [by_name(row) for row in inputs]
            return {name: [row[name] for row in rows] for name in names}
        if len(names) > 1:
            raise ValueError(
                f"the inputs are a {type(inputs).__name__}; give a mapping from {listed} to arrays (N, ...), or a list of such."
            )
        return {names[0]: inputs}

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        try:
            given = by_name(inputs)
            feed = {name: cast(_batch(given[name], item, f"{name!r} row")) for name, item, cast in entries}
        except KeyError as error:
            raise ValueError(f"there is no array {error}; the model takes {listed}.") from None
        if len({len(array) for array in feed.values()}) > 1:
            raise ValueError(f"the arrays have different lengths: {', '.join(f'{name} {len(array)}' for name, array in feed.items())}.")
        return feed

    return encode


def _caster(entry: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The function rows -> the kind of number that an input takes; what it would cut off or wrap around is refused."""
    kind, name = np.dtype(entry["numbers"]), entry["name"]
    bounds = (0, 1) if kind.kind == "b" else (0, 0) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)

    def cast(rows: np.ndarray) -> np.ndarray:
        if rows.dtype.kind not in "buif":
            raise ValueError(f"the array {name!r} holds something else than numbers.")
        if kind.kind != "f" and not np.can_cast(rows.dtype, kind):
            refuse_fractions(rows, bounds, f"the array {name!r}")
        return np.ascontiguousarray(rows, kind)

    return cast


def _word(value: Any) -> str:
    """A cell of a column of words; an absent one is the empty word, and a whole number is written without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else "" if value is None or value != value else str(value)


def _numbers(values: Any, column: str) -> np.ndarray:
    """Cells of a column of numbers, float64; absent ones are NaN."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        pass
    out = np.empty(len(values))
    for at, value in enumerate(values):
        try:
            out[at] = np.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            raise ValueError(f"column {column!r} holds {value!r}; it needs a number, or nothing where it is missing.") from None
    return out


def _cells(column: Any) -> Any:
    return column.tolist() if isinstance(column, np.ndarray) else column


def _table_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    numeric: list[tuple[str, int, float, float, float]] = []  # name, place, mean, std, fill
    words: list[tuple[str, int, dict[str, int] | None, tuple[dict[str, float], float] | None]] = []  # name, place, one-hot index or codes
    whole: list[tuple[str, int, Sequence[int]]] = []  # name, place, bounds
    width = 0
    for column in spec["columns"]:
        if column["kind"] == "numeric":
            fill = column.get("fill")
            numeric.append((column["name"], width, float(column["mean"]), float(column["std"]), np.nan if fill is None else float(fill)))
            if "whole" in column:
                whole.append((column["name"], width, column["whole"]))
            width += 1
        elif column["kind"] == "code":
            codes = {value: float(code) for code, value in enumerate(column["values"], column.get("first", 0))}
            words.append((column["name"], width, None, (codes, column.get("first", 0) - 1.0)))
            width += 1
        else:
            words.append((column["name"], width, {value: width + place for place, value in enumerate(column["values"])}, None))
            width += len(column["values"])
    texts = [(entry["input"], list(entry["columns"])) for entry in spec.get("words", ())]
    small = {name for entry in spec.get("words", ()) for name in entry.get("small", ())}
    feed, names = spec["input"], [column["name"] for column in spec["columns"]] + [name for _, each in texts for name in each]
    numbers = bool(spec["columns"])

    def absent(row: Mapping[str, Any]) -> ValueError:
        missing = [name for name in names if name not in row]
        return ValueError(f"the inputs lack the column {missing[0]!r}; they need {', '.join(names)}.")

    def fed(out: np.ndarray, column: Callable[[str], Any]) -> dict[str, np.ndarray]:
        for name, place, bounds in whole:
            refuse_fractions(out[:, place], bounds, f"the column {name!r}")
        found = {feed: out} if numbers else {}
        for name, each in texts:
            read = [[_word(cell) for cell in column(one)] for one in each]
            read = [[cell.lower() for cell in cells] if one in small else cells for one, cells in zip(each, read)] if small else read
            found[name] = np.array(read, object).T
        return found

    def encode_row(row: Mapping[str, Any], out: np.ndarray) -> None:
        for name, place, mean, std, fill in numeric:
            value = row[name]
            if type(value) is not float and type(value) is not int:
                value = float(_numbers([value], name)[0])
            out[place] = ((fill if value != value else value) - mean) / std
        for name, first, index, codes in words:
            if codes is not None:
                out[first] = codes[0].get(_word(row[name]), codes[1])
            elif index is not None and (hit := index.get(_word(row[name]))) is not None:
                out[hit] = 1.0

    def encode_columns(columns: Mapping[str, Any]) -> np.ndarray:
        sizes = {name: len(columns[name]) for name in names}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the columns have different lengths: {', '.join(f'{name} {size}' for name, size in sizes.items())}.")
        out = np.zeros((sizes[names[0]], width), np.float32)
        for name, place, mean, std, fill in numeric:
            values = _numbers(columns[name], name)
            out[:, place] = (np.where(np.isnan(values), fill, values) - mean) / std
        for name, first, index, codes in words:
            cells = _cells(columns[name])
            if codes is not None:
                out[:, first] = [codes[0].get(_word(cell), codes[1]) for cell in cells]
            elif index is not None:
                places = np.array([index.get(_word(cell), -1) for cell in cells], np.int64)
                known = np.flatnonzero(places >= 0)
                out[known, places[known]] = 1.0
        return out

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        try:
            if isinstance(inputs, Mapping):
                if isinstance(inputs[names[0]], np.ndarray | list | tuple):
                    return fed(encode_columns(inputs), lambda name: _cells(inputs[name]))
                inputs = [inputs]
            out = np.zeros((len(inputs), width), np.float32)
            for row, line in zip(inputs, out):
                encode_row(row, line)
            return fed(out, lambda name: [row[name] for row in inputs])
        except KeyError:
            raise absent(
                inputs if isinstance(inputs, Mapping) else next(row for row in inputs if any(name not in row for name in names))
            ) from None
        except (TypeError, IndexError):
            raise ValueError(
                f"the inputs are of type {type(inputs).__name__}; give a mapping column -> values, a dict, or a list of dicts."
            ) from None

    return encode


def shared_rows(spec: Mapping[str, Any], inputs: Any) -> int:
    """How many rows of a list one call has in common with the next, where the list is asked in parts: the windows of a series overlap."""
    steps = spec["kind"] == "series" and isinstance(inputs, list) and inputs and isinstance(inputs[0], Mapping)
    return int(spec["window"]) - 1 if steps and not any(isinstance(cell, list) for cell in inputs[0].values()) else 0


def _series_encoder(spec: Mapping[str, Any]) -> Callable[[Any], dict[str, np.ndarray]]:
    feed, window, columns, carried = spec["input"], int(spec["window"]), spec["columns"], spec["fill"] == "last"
    names, absent, step = [column["name"] for column in columns], frozenset(spec["missing"]), np.arange(window)[:, None]
    sizes = [len(column["values"]) if column["kind"] == "categorical" else 1 for column in columns]
    firsts = np.cumsum([0, *sizes])
    numeric, others = ([at for at, column in enumerate(columns) if (column["kind"] == "numeric") is wanted] for wanted in (True, False))
    mean, std, fill = (np.array([float(columns[at][key]) for at in numeric]) for key in ("mean", "std", "fill"))
    mask = [number for number, at in enumerate(numeric) if names[at] in spec["mask"]]
    number_places, word_places = firsts[numeric], [place for at in others for place in range(firsts[at], firsts[at + 1])]
    encode_words = _table_encoder({"input": feed, "columns": [columns[at] for at in others]}) if others else None

    def windows(cells: Any, at: int) -> np.ndarray:
        """One column as (N, window); of more steps than a window has each gets one whose steps are all there."""
        found: np.ndarray = cells if isinstance(cells, np.ndarray) else np.array(cells, None if at in numeric else object)
        if found.ndim == 1 and len(found) >= window:
            found = np.lib.stride_tricks.sliding_window_view(found, window)
        if found.ndim != 2 or found.shape[1] != window:
            raise ValueError(f"column {names[at]!r} has the shape {found.shape}; a window is {window} steps, a batch is (N, {window}).")
        return found

    def numbers(cells: np.ndarray, at: int) -> np.ndarray:
        if cells.dtype.kind in "buif":
            return cells
        values = [None if cell in absent else cell for cell in cells.reshape(-1).tolist()]
        return _numbers(values, names[at]).reshape(cells.shape)

    def by_column(inputs: Any) -> list[np.ndarray]:
        if isinstance(inputs, np.ndarray):
            if inputs.dtype.kind not in "buif" or others:
                raise ValueError(f"this model takes words too: give the steps as rows with the columns {', '.join(names)}.")
            values = _batch(inputs, (window, len(names)), "window")
            return [values[:, :, at] for at in range(len(names))]
        if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
            return [windows(np.asarray(inputs[name]), at) for at, name in enumerate(names)]
        return [windows([row[name] for row in inputs], at) for at, name in enumerate(names)]

    def encode(inputs: Any) -> dict[str, np.ndarray]:
        try:
            found = by_column(inputs)
        except KeyError as error:
            raise ValueError(f"the inputs lack the column {error.args[0]!r}; they need {', '.join(names)}.") from None
        except (TypeError, IndexError):
            raise ValueError(f"the inputs are of type {type(inputs).__name__}; give rows of steps, or columns of them.") from None
        count = len(found[0])
        if any(len(cells) != count for cells in found):
            raise ValueError("the columns have different lengths; each needs one value per step.")
        out = np.zeros((count, window, int(firsts[-1]) + len(mask)), np.float32)
        if numeric:
            values = np.stack([numbers(found[at], at) for at in numeric], axis=2)
            missing = np.isnan(values)
            if missing.any():
                out[:, :, int(firsts[-1]) :] = missing[:, :, mask]
                if carried:
                    last = np.maximum.accumulate(np.where(missing, 0, step), axis=1)
                    values = np.take_along_axis(values, last, axis=1)
                values = np.where(np.isnan(values), fill, values)
            out[:, :, number_places] = (values - mean) / std
        if encode_words is not None:
            words = encode_words({names[at]: found[at].reshape(-1) for at in others})[feed]
            out[:, :, word_places] = words.reshape(count, window, -1)
        return {feed: out}

    return encode
