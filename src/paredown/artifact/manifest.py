"""What artifact.json may say: the kinds and bounds of its entries, and that every file it names is one of its own.

This file stands alone but for `ground.untrusted` and `ground.checks`, and is copied into an artifact's `predict.py` like them.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paredown.ground.checks import (
    MOST_NUMBERS,
    Check,
    is_any,
    is_array,
    is_either,
    is_kind,
    is_list,
    is_mapping,
    is_none,
    is_number,
    is_one_of,
    is_record,
    is_shape,
    is_text,
    is_whole,
)
from paredown.ground.untrusted import inside, read_json

MANIFEST = "artifact.json"
FORMAT = 1
RESTORE = "Take it again from where it was released; do not edit files inside."
"""What to do about an artifact that is damaged."""
MOST_TOLERANCE = 0.01
"""The largest difference of a probability that a probe may allow, or of a number as a share of the largest."""
MOST_ROWS = 1_000
"""Rows of a probe."""
MOST_MANIFEST_B = 16 << 20


def read_checked(folder: Path) -> dict[str, Any]:
    """The content of artifact.json, of which every entry is what it has to be, and every file that it names is there and its own.

    Raises:
        OSError: It cannot be read.
        ValueError: It is something else; says which entry.
    """
    manifest = read_json(folder / MANIFEST, MOST_MANIFEST_B)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or isinstance(manifest["format"], bool):
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ValueError(f"has format {found!r:.60}; this version of paredown reads format {FORMAT}")
    check_manifest(manifest)
    check_files(folder, manifest)
    return manifest


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuse an entry of another kind or beyond its bounds, and entries that do not go together.

    Raises:
        ValueError: Says which entry, what it is and what it has to be.
    """
    _MANIFEST(manifest, "")
    kind, names = manifest["program"]["kind"], [graph["name"] for graph in manifest["graphs"]]
    if len(set(names)) != len(names) or len(names) != _GRAPHS[kind]:
        raise ValueError(f"has the graphs {', '.join(names):.60}; a program of kind {kind} has {_GRAPHS[kind]}, each with its own name")
    for decode in (manifest["decode"], *(graph["decode"] for graph in manifest["graphs"] if "decode" in graph)):
        if "parts" in decode:
            _check_parts(decode, manifest["labels"])
            continue
        width = decode["width"] if decode["kind"] == "values" else decode["classes"]
        if width != len(manifest["labels"]):
            raise ValueError(
                f"has {width} {'numbers' if decode['kind'] == 'values' else 'classes'} in decode and {len(manifest['labels'])} labels"
            )
        for entry in ("mean", "std"):
            if len(decode.get(entry, manifest["labels"])) != width:
                raise ValueError(f"has {len(decode[entry])} numbers in decode.{entry}; {width} are decoded")
    if kind == "cascade" and manifest["decode"]["kind"] == "values":
        raise ValueError("is a cascade of models that answer with numbers, which do not say how sure they are")


def _check_parts(decode: Mapping[str, Any], labels: list[str]) -> None:
    """Refuse tensors that are not those that the labels name, or not as many numbers as are decoded."""
    names, total = [part["name"] for part in decode["parts"]], 0
    for part in decode["parts"]:
        size = 1
        for axis in part["shape"]:
            size *= axis
        total += size
    if names != labels or len(set(names)) != len(names):
        raise ValueError(f"has the tensors {', '.join(names):.60} in decode and the labels {', '.join(labels):.60}")
    if total != decode["width"] or "mean" in decode or "std" in decode:
        raise ValueError(f"has {decode['width']} numbers in decode; its tensors have {total}, as they are")


def check_probe(probe: Any, manifest: Mapping[str, Any]) -> None:
    """Refuse a probe that is not a few rows of the kind that the artifact takes, with answers of one length.

    Raises:
        ValueError: Says which entry.
    """
    answers = _VALUES if manifest["decode"]["kind"] == "values" else _ANSWERS
    is_record({"inputs": _INPUTS[manifest["encode"]["kind"]], "outputs": answers}, {"tolerance": _TOLERANCE})(probe, "")
    is_array(probe["outputs"], "outputs")


def check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a file that is named and is not one of `files`: by the manifest, or by a graph as the place of its weights.

    Raises:
        ValueError: Such a file is named, or a link lies in the folder.
    """
    listed = manifest["files"]
    for where, name in _named(manifest):
        if not inside(name):
            raise ValueError(f"names {name!r:.80} as {where}; it has to be a plain relative path inside the folder")
        if name not in listed:
            raise ValueError(f"names {name!r:.80} as {where}, which is none of `files`")
    for graph in manifest["graphs"]:
        ending = _ENDINGS.get(graph["runtime"], "")
        if not graph["file"].endswith(ending):
            raise ValueError(f"names {graph['file']:.80} for {graph['runtime']}, which opens {ending} files")
    strange = []
    for top, folders, files in os.walk(folder):
        for entry in (*folders, *files):
            path = os.path.join(top, entry)
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                raise ValueError(f"has {name!r:.80} beside it, a link or a special file; only plain files are allowed")
            if entry in files and name not in listed and name != MANIFEST:
                strange.append(name)
    for graph in manifest["graphs"]:
        _refuse_strange(folder, graph["file"], strange)


def _named(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a manifest names a file, and which."""
    for at, graph in enumerate(manifest["graphs"]):
        yield f"graphs[{at}].file", graph["file"]
    if "tokenizer" in manifest["encode"]:
        yield "encode.tokenizer", manifest["encode"]["tokenizer"]
    if manifest.get("probe"):
        yield "probe.file", manifest["probe"]["file"]


def _refuse_strange(folder: Path, graph: str, strange: list[str]) -> None:
    """An engine opens what a graph names, and what has the graph's own name with another ending: none of it may be unlisted."""
    file = folder / graph
    if not strange or not file.is_file():
        return
    content = file.read_bytes()
    for name in strange:
        if os.path.splitext(name)[0] == os.path.splitext(graph)[0] or os.fsencode(name.rpartition("/")[2]) in content:
            raise ValueError(f"names {graph}, which may take its weights from {name!r:.80}, which is none of `files`")


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(placement: Mapping[str, Any]) -> int:
    """The thread count of a placement, at most one for each of this machine's cores."""
    return min(int(placement.get("threads", 1)), cores())


_GRAPHS = {"single": 1, "cascade": 2}
"""Kind of program -> how many graphs it has."""
_ENDINGS = {"onnxruntime": ".onnx", "openvino": ".xml", "litert": ".tflite", "torch": ".safetensors"}
"""What an engine opens here; some open other formats too, which may name files of their own."""
_TOLERANCE = is_number(0, MOST_TOLERANCE, but=0)
_SIZE = is_whole(1, 1 << 14)
_COUNT = is_either(is_number(0), is_none, "a number or null")


def _for_each(item: Check) -> Check:
    return is_either(item, is_list(item, 1, MOST_NUMBERS), "a number, or one for each channel or column")


_MEAN, _STD = _for_each(is_number()), _for_each(is_number(but=0))
_WORDS = is_record({"name": is_text, "values": is_list(is_text)}, {"rare": is_whole(0, 1 << 31)})
_BOUNDS = is_list(is_whole(-(1 << 24), 1 << 24), 2, 2)
_COLUMN = is_kind(
    {
        "numeric": is_record(
            {"name": is_text, "mean": is_number(), "std": is_number(but=0)},
            {"fill": is_number(), "rare": is_whole(0, 1 << 31), "whole": _BOUNDS},
        ),
        "categorical": _WORDS,
        "code": is_record({"name": is_text, "values": is_list(is_text)}, {"rare": is_whole(0, 1 << 31), "first": is_whole(0, 1)}),
    }
)
_IMAGE = is_record(
    {"input": is_text, "shape": is_shape(2, 3), "scale": is_number(), "mean": _MEAN, "std": _STD, "layout": is_text},
    {"mode": is_text, "resize": is_either(_SIZE, is_list(_SIZE, 2, 2), "a size, or height and width"), "resample": is_text}
    | {"whole": _BOUNDS},
)
_TEXTS = is_record(
    {
        "tokenizer": is_text,
        "inputs": is_mapping(is_one_of("ids", "mask", "types")),
        "max_length": is_whole(1, 1 << 24),
        "pad": is_record({"id": is_whole(0, 1 << 31), "type_id": is_whole(0, 1 << 31), "direction": is_text}),
        "cut": is_text,
        "width": is_whole(1, 2),
        "columns": is_list(is_text),
    },
    {"length": is_whole(1, 1 << 24)},
)
_LENGTH = is_whole(1, 1 << 24)
_HERTZ = is_number(0, 1e6)
_AUDIO_FED = {"input": is_text, "sample_rate": is_whole(100, 384_000), "samples": _LENGTH, "mean": _MEAN, "std": _STD, "layout": is_text}
_AUDIO_MAY = {"normalize": is_any, "formats": is_list(is_text, 0, 8)}
_WAVEFORM = is_record(_AUDIO_FED, _AUDIO_MAY)
_LOG_MEL = is_record(
    _AUDIO_FED
    | {"n_fft": is_whole(2, 1 << 16), "win_length": is_whole(2, 1 << 16), "hop_length": is_whole(1, 1 << 16), "n_mels": is_whole(1, 4096)}
    | {"f_min": _HERTZ, "f_max": _HERTZ, "mel_scale": is_one_of("slaney", "htk"), "norm": is_one_of("slaney", "none")}
    | {"pad": is_one_of("zeros", "reflect", "none")},
    _AUDIO_MAY | {"top_db": is_number(0, 1000, but=0)},
)


def _audio(value: Any, place: str) -> None:
    """Sounds as waveforms, or as spectrograms of frames that lie within a sound, of a size within bounds."""
    (_LOG_MEL if value.get("features") == "log_mel" else _WAVEFORM)(value, place)
    if value.get("features") != "log_mel":
        return
    whole = value["n_fft"] if value["pad"] == "none" else value["n_fft"] // 2 + 1
    frames = value["samples"] // value["hop_length"] + 1
    for entry in ("mean", "std"):
        if isinstance(value[entry], list) and len(value[entry]) != value["n_mels"]:
            raise ValueError(f"has {len(value[entry])} numbers in {place}.{entry}; {value['n_mels']} bands are encoded")
    if value["samples"] < whole or value["win_length"] > value["n_fft"] or not value["f_min"] < value["f_max"] <= value["sample_rate"] / 2:
        raise ValueError(
            f"has a frame of {value['n_fft']} samples in {place} that does not lie within {value['samples']}, or no frequencies"
        )
    if frames * max(value["n_mels"], value["n_fft"]) > MOST_NUMBERS or value["n_mels"] * value["n_fft"] > MOST_NUMBERS:
        raise ValueError(f"has {frames} frames of {value['n_mels']} bands in {place}; {MOST_NUMBERS} numbers are the most")


_NUMBERS = is_one_of("float32", "int64")
_ANY_NUMBERS = is_one_of(
    *("float16", "float32", "float64", "bool"), *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
)
_FED = is_record({"name": is_text, "shape": is_shape(0, 8), "numbers": _ANY_NUMBERS, "low": is_number(), "high": is_number()})
_WORDS_FED = is_record({"input": is_text, "columns": is_list(is_text, 1, 1000), "known": is_list(is_list(is_text, 0, 64), 0, 1000)})


def _table(value: Any, place: str) -> None:
    """Columns of numbers, or of words for inputs of their own."""
    is_record({"input": is_text, "columns": is_list(_COLUMN, 0 if value.get("words") else 1)}, {"words": is_list(_WORDS_FED, 0, 1000)})(
        value, place
    )


_VECTOR = is_record(
    {"input": is_text, "width": is_whole(1, MOST_NUMBERS)}, {"mean": _MEAN, "std": _STD, "numbers": _NUMBERS, "whole": _BOUNDS}
)
_ENCODE = is_kind(
    {
        "image": _IMAGE,
        "audio": _audio,
        "table": _table,
        "vector": _VECTOR,
        "series": is_record(
            {"input": is_text, "window": is_whole(1, MOST_NUMBERS), "columns": is_list(_COLUMN, 1)}
            | {"fill": is_one_of("last", "mean"), "mask": is_list(is_text), "missing": is_list(is_text)}
        ),
        "array": is_record({"input": is_text, "shape": is_shape(1, 8)}, {"numbers": _NUMBERS, "whole": _BOUNDS}),
        "arrays": is_record({"inputs": is_list(_FED, 1, 256)}),
        "text": _TEXTS,
    }
)
_WIDTH = is_whole(1, 1 << 24)
_PART = is_record({"name": is_text, "shape": is_shape(0, 8), "spread": is_number(0, but=0)})
_SCORES = is_record({"output": is_text, "classes": _WIDTH}, {"size": is_list(is_whole(1, 1 << 16), 1, 2)})
_DECODE = is_kind(
    dict.fromkeys(("softmax", "probabilities", "sigmoid", "label_probabilities", "logit", "probability"), _SCORES)
    | {"spans": is_record({"output": is_text, "classes": _WIDTH, "size": is_list(is_whole(1, 1 << 16), 1, 1)})}
    | {
        "values": is_record(
            {"output": is_text, "width": _WIDTH},
            {"mean": is_list(is_number(), 1), "std": is_list(is_number(but=0), 1), "parts": is_list(_PART, 1, 1000)},
        )
    }
)
_GRAPH = is_record(
    {"name": is_text, "runtime": is_text, "placement": is_record({}, {"threads": is_whole(1, 1 << 31)}), "file": is_text},
    {
        "runtime_version": is_text,
        "inputs": is_list(is_text),
        "outputs": is_list(is_text),
        "multiply_adds": _COUNT,
        "parameters": _COUNT,
        "decode": _DECODE,
    },
)
_MANIFEST = is_record(
    {
        "program": is_kind({"single": is_any, "cascade": is_record({"at": is_number(0, 1)})}),
        "graphs": is_list(_GRAPH, 1, 8),
        "encode": _ENCODE,
        "decode": _DECODE,
        "labels": is_list(is_text, 1),
        "files": is_mapping(is_text),
        "task": is_text,
        "recipe": is_text,
        "measured_on": is_record({"isa": is_text}),
        "probe": is_record({"file": is_text, "tolerance": _TOLERANCE}),
    },
    {
        "name": is_text,
        "paredown": is_text,
        "lineage": is_list(is_text),
        "requires": is_record({"install": is_text, "packages": is_list(is_text)}),
    },
)
"""The whole of artifact.json."""


_ANSWERS = is_list(is_list(is_number(-2, 2), 1), 1, MOST_ROWS)
_VALUES = is_list(is_list(is_number(), 1), 1, MOST_ROWS)


def _are_rows(value: Any, place: str) -> None:
    """Rows of a table: mappings with one set of columns."""
    is_list(is_mapping(is_either(is_text, is_either(is_number(), is_none, ""), "a word, a number or null")), 1, MOST_ROWS)(value, place)
    if any(row.keys() != value[0].keys() for row in value):
        raise ValueError(f"has rows with other columns than the first in {place}")


def _are_windows(value: Any, place: str) -> None:
    """Windows of a series: mappings from one set of columns to the steps of each."""
    cell = is_either(is_text, is_either(is_number(), is_none, ""), "a word, a number or null")
    is_list(is_mapping(is_list(cell, 1, MOST_NUMBERS)), 1, MOST_ROWS)(value, place)
    if any(row.keys() != value[0].keys() for row in value):
        raise ValueError(f"has rows with other columns than the first in {place}")


def _arrays(value: Any, place: str) -> None:
    is_list(is_any, 1, MOST_ROWS)(value, place)
    is_array(value, place)


def _arrays_or_rows(value: Any, place: str) -> None:
    """An array, or rows that map the same names to arrays."""
    is_list(is_any, 1, MOST_ROWS)(value, place)
    if not isinstance(value[0], dict):
        is_array(value, place)
        return
    is_list(is_mapping(is_any), 1, MOST_ROWS)(value, place)
    for name in value[0]:
        if any(row.keys() != value[0].keys() for row in value):
            raise ValueError(f"has rows with other arrays than the first in {place}")
        is_array([row[name] for row in value], place)


_INPUTS: Mapping[str, Check] = {
    "image": _arrays,
    "audio": _arrays,
    "vector": _arrays,
    "array": _arrays,
    "arrays": _arrays_or_rows,
    "table": _are_rows,
    "series": _are_windows,
    "text": is_list(is_either(is_text, is_list(is_text, 2, 2), "a text or a pair of texts"), 1, MOST_ROWS),
}
"""Kind of encoder -> what a probe of it holds."""
