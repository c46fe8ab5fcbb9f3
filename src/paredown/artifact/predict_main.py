"""The command-line end of an artifact's `predict.py`; `pack` puts the sources of the encoders, `kinds.decode` and `programs` before it."""

import csv
import io
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from paredown.artifact.manifest import MANIFEST, RESTORE, read_checked, threads_of
from paredown.artifact.programs import make_program, refuse_no_probabilities
from paredown.encoders.declared_feed import in_batches, interpreted
from paredown.encoders.feed import shared_rows
from paredown.ground.separated import LONGEST_CELL, SEEN, broken, is_blank, separator_of, sign_name
from paredown.ground.untrusted import visible
from paredown.kinds.decode import run_lengths

USAGE = """usage: python predict.py INPUT [--proba]

INPUT: .npy or .npz with an array (N, ...), or one for each input of a model that takes several; .csv or .tsv with a header; .txt with one
text per line; an image as .png or .jpg (needs pillow); a sound as .wav, or as .flac, .ogg or .mp3 (need soundfile); .json with a list of
rows; .jsonl with one row per line; - for standard input, read as .txt by a model of texts, else as .csv.
Prints one answer per row, in their order: a label, a number, or a JSON list where there are several, a JSON mapping of lists where there
are tensors; of images whose pixels have classes {"size": [height, width], "runs": [[class, pixels], ...]}, row by row from the top; with
--proba the probabilities of all classes. The rows of a forecast are steps, in the order of time: it prints one answer per window of them,
the last of which goes on from the file's end.
"""


PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
WRITTEN = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
PART = 64
"""Rows of a file that are asked at once."""
BAD_FILE = (ValueError, OSError, EOFError, LookupError, RecursionError, csv.Error, zipfile.BadZipFile)
"""What reading a damaged or wrong file can raise."""


def open_graph(folder: Path, graph: dict[str, Any]) -> Any:
    """Load one graph with its engine; returns a function feed -> outputs."""
    return _ENGINES[graph["runtime"]](folder / graph["file"], threads_of(graph["placement"]))


def _onnxruntime(file: Path, threads: int) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it reports to its maker from its import on
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    batch = next((item.shape[0] for item in session.get_inputs() if item.shape and isinstance(item.shape[0], int)), 0)
    return _fed(lambda feed: dict(zip(names, session.run(None, feed))), batch)


def _openvino(file: Path, threads: int) -> Any:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it reports to its maker where this module is
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    settings |= {"ENABLE_HYPER_THREADING": True, "ENABLE_CPU_PINNING": False}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    names, request = [item.any_name for item in compiled.outputs], compiled.create_infer_request()
    shapes = [item.partial_shape for item in compiled.inputs]
    batch = next((shape[0].get_length() for shape in shapes if len(shape) and shape[0].is_static), 0)
    return _fed(lambda feed: dict(zip(names, request.infer(feed, share_inputs=True).values())), batch)


def _litert(file: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    answers = interpreted(Interpreter(str(file), num_threads=threads))
    return lambda feed: {file.stem: answers(feed)}  # the file is named after what it answers with


def _fed(run: Any, batch: int) -> Any:
    return in_batches(run, batch) if batch else run


_ENGINES = {"onnxruntime": _onnxruntime, "openvino": _openvino, "litert": _litert}


def read_inputs(path: Path, several: bool = False) -> Any:
    """Raw inputs from a file, by its ending.

    Args:
        several: Whether the model takes several arrays, each by its name.
    """
    kind = path.suffix.lower()
    if kind in (".npy", ".npz"):
        return _array(path, several and kind == ".npz")
    if kind in WRITTEN:
        return parsed(path.read_bytes(), kind)
    if kind in (*PICTURES, *SOUNDS):
        return [path.read_bytes()]
    raise ValueError(f"its ending {path.suffix!r} is not one of .npy, .npz, {', '.join((*WRITTEN, *PICTURES, *SOUNDS))}.")


def parsed(data: bytes, kind: str) -> list[Any]:
    """Raw inputs from what is written in a file of one of the endings in WRITTEN.

    Raises:
        ValueError: It is no such file; a line in its middle is blank or no row, so that answers would not stand beside their rows.
    """
    text = _decoded(data)
    if kind in (".csv", ".tsv"):
        return _rows(text, "," if kind == ".csv" else "\t")
    try:
        if kind == ".json":
            return json.loads(text)  # type: ignore[no-any-return]
        lines = [line.removesuffix("\r") for line in text.rstrip().split("\n")]
        for at, line in enumerate(lines, 1):
            if not line.strip():
                raise ValueError(_blank(at))
        if kind == ".txt":
            return lines
        return [json.loads(f"{chr(10) * at}{line}") for at, line in enumerate(lines)]  # an error then names the line
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} is no JSON, from its character {error.colno} on.") from None


def _decoded(data: bytes) -> str:
    """The text of a file, with the line of what is none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is text in UTF-16; save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 (0x{data[error.start]:02x}); save it as UTF-8.") from None


def _blank(line: int) -> str:
    return f"line {line} is blank, and answers have to stand beside their rows; write what belongs there, or take the line out."


def _rows(text: str, usual: str) -> list[dict[str, str]]:
    """The rows of a table below its header, read as in training."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    sign = separator_of([f"{line}\n" for line in text.split("\n", SEEN)[:SEEN]], usual)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, skipinitialspace=True, strict=True)
    ended, blank, names, rows = 0, 0, list[str](), list[dict[str, str]]()
    try:
        for cells in reader:
            began, ended = ended + 1, reader.line_num
            if is_blank(cells):
                blank = blank or (began if names else 0)  # above the header, and at the end, none is missing
                continue
            if blank:
                raise ValueError(_blank(blank))
            cells = [cell.strip() for cell in cells]
            if not names:
                names = cells
            elif len(cells) != len(names):
                what = f"cells are parted by {sign_name(sign)}; quote those that hold one"
                raise ValueError(f"line {began} has {len(cells)} cells, and the table has {len(names)} columns; {what}.")
            else:
                rows.append(dict(zip(names, cells)))
    except csv.Error as error:
        raise ValueError("line {}: {}.".format(*broken(error, ended + 1, reader.line_num))) from None
    if not rows:
        raise ValueError("it holds no row below a header.")
    return rows


def answered(ask: Callable[[Any], Any], inputs: Any, shared: int = 0) -> list[Any]:
    """One answer per row of a file; texts and tables are asked in parts, since all of a long file at once may not fit into memory.

    Args:
        ask: Some of the inputs -> an answer each.
        inputs: As read from the file.
        shared: Rows that a part has in common with the next, as `shared_rows` says.

    Raises:
        ValueError: The inputs are not what the model takes; says behind which row.
    """
    some_lists = isinstance(inputs, list) and inputs and isinstance(inputs[0], str | dict)
    if not (some_lists or isinstance(inputs, dict) or (isinstance(inputs, np.ndarray) and inputs.ndim > 1)):
        return list(ask(inputs))
    out: list[Any] = []
    for start in range(0, max(1, count_of(inputs) - shared), PART):
        rows = slice(start, start + PART + shared)
        try:
            out.extend(ask({name: array[rows] for name, array in inputs.items()} if isinstance(inputs, dict) else inputs[rows]))
        except ValueError as error:
            raise ValueError(f"of the rows from {start} on, {error}" if start else str(error)) from None
    return out


def count_of(inputs: Any) -> int:
    """Rows of raw inputs."""
    return min(map(len, inputs.values()), default=0) if isinstance(inputs, dict) else len(inputs)


def _array(path: Path, several: bool) -> Any:
    try:
        with path.open("rb") as raw:
            found = np.load(raw, allow_pickle=False)
            if path.suffix.lower() == ".npy":
                return found
            if several:
                return {name: found[name] for name in found.files if found[name].ndim}
            return found[next((name for name in ("X", "x", "inputs", "images") if name in found), found.files[0])]
    except (ValueError, AttributeError, RuntimeError, MemoryError, zlib.error):  # of another ending, encrypted, or announcing too much
        raise ValueError("it is no numpy file of its ending, or it holds pickled objects, which are never read.") from None


def main(arguments: list[str]) -> int:
    """Answer the rows of one file: exit code 0, 2 where the file is wrong, 5 where the artifact is damaged."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    folder, path = Path(__file__).resolve().parent, Path(arguments[0])
    if not path.is_file() and arguments[0] != "-":
        return _say(2, f"{path} does not exist.")
    try:
        manifest = read_checked(folder)
    except (OSError, ValueError) as error:
        return _say(5, f"{folder / MANIFEST} {error}.\n  {RESTORE}")
    for graph in manifest["graphs"]:
        if graph["runtime"] not in _ENGINES:
            found = f"{graph['file']} needs {graph['runtime']}"
            return _say(2, f"this script runs {', '.join(_ENGINES)} graphs; {found}. Use `paredown predict`.")
    try:
        program = make_program(manifest, {graph["name"]: open_graph(folder, graph) for graph in manifest["graphs"]}, folder)
    except ImportError as error:
        return _say(2, f"{error}; README.md says what to install.")
    except Exception as error:  # engines and tokenizers raise classes of their own
        return _say(5, f"{folder} cannot be opened: {type(error).__name__}: {str(error)[:300]}")
    try:
        texts = ".txt" if manifest["encode"]["kind"] == "text" else ".csv"
        inputs = parsed(sys.stdin.buffer.read(), texts) if arguments[0] == "-" else read_inputs(path, takes_several(manifest))
        shared = shared_rows(manifest["encode"], inputs)
    except BAD_FILE as error:
        return _say(2, f"{path} cannot be read: {str(error) or type(error).__name__}")
    try:
        if "--proba" in arguments[1:]:
            refuse_no_probabilities(manifest)
            for row in answered(program.answers, inputs, shared):
                print(",".join(f"{value:.6f}" for value in row.reshape(-1)))
        else:
            for answer_of_row in answered(program.predict, inputs, shared):
                print(visible(one_line(answer_of_row)))
    except ValueError as error:
        return _say(2, f"{path}: {error}")
    except Exception as error:
        return _say(2, f"{path}: the model cannot answer these rows: {type(error).__name__}: {str(error)[:300]}")
    return 0


def takes_several(manifest: dict[str, Any]) -> bool:
    """Whether a model takes several arrays, each by its name."""
    return manifest["encode"]["kind"] == "arrays" and len(manifest["encode"]["inputs"]) > 1


def plain(said: Any) -> Any:
    """What is said of a row as plain data: classes of pixels as runs, arrays of a mapping as lists."""
    if isinstance(said, np.ndarray):
        return run_lengths(said)
    return {name: array.tolist() for name, array in said.items()} if isinstance(said, dict) else said


def one_line(said: Any) -> str:
    """What is said of a row as one line of a file of answers: a label as it is, all else as JSON."""
    said = plain(said)
    return said.replace("\r", "\\r").replace("\n", "\\n") if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _say(code: int, text: str) -> int:
    print(visible(text), file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
