"""Each kind of file from outside, changed in any way, is read or refused in words that name it; nothing is imported or left behind."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import paredown
from hostile import CANARY, DEEP, KINDS, NAMES, NUMBERS, TEXTS
from paredown.artifact.predict_main import read_inputs
from paredown.core.errors import BadData, Damaged, ParedownError
from paredown.core.rows import Rows
from paredown.exports.records import read_records
from paredown.ingest.any_source import read_rows
from paredown.intensity.series import read_series
from paredown.models.huggingface import configuration
from paredown.policy.parse import load
from paredown.rows import rowfile
from paredown.study.jobfile import read_job

JOB = """name: tiny
model: {onnx: given.onnx}
task: tabular-classification
data: {all: rows.npz, labels: [a, b, c]}
metric: accuracy
deploy: {runtimes: [onnxruntime], grid: {zone: NO}}
search: {exclude: [distill], budget: 60 s}
policy: {minimize: size, rules: [{quality: {drop: 5 %}}]}
"""
POLICY = """extends: frugal
confidence: 97.5 %
rules:
  - quality: {id: groups, drop: 3 pp, by: [region], min_rows: 120}
  - energy: {max: 0.5 x baseline, at_least: measured}
waivers:
  - {rule: groups, until: 2027-01-31, reason: "batch use only", by: "me"}
"""
TABLE = "a,b,label\n" + "".join(f"{at / 7:.3f},{'xy'[at % 2]},{'uvw'[at % 3]}\n" for at in range(12))
LINES = "".join(json.dumps({"a": at / 7, "b": "xy"[at % 2], "label": "uvw"[at % 3]}) + "\n" for at in range(12))
SERIES = "time,g_per_kwh\n" + "".join(f"2026-03-01T{at:02}:00Z,{300 + at}\n" for at in range(24))
HOURS = [{"Location": "eastus", "Time": f"2026-03-01T{at:02}:00:00+00:00", "Rating": 300 + at, "Duration": "01:00:00"} for at in range(6)]
BERT = {"model_type": "bert", "hidden_size": 32, "id2label": {"0": "a", "1": "b"}, "architectures": ["BertForSequenceClassification"]}


def rows_of(file: Path) -> Any:
    return read_rows(file.name, file.parent, {"label": "label"}, ())


def arrays_of(file: Path) -> Any:
    return read_rows(file.name, file.parent, {}, ())


def job(file: Path) -> None:
    file.write_text(JOB)
    for name in ("given.onnx", "rows.npz"):
        file.with_name(name).touch()


def arrays(file: Path) -> None:
    np.savez(file, X=np.arange(24.0).reshape(12, 2), y=np.arange(12) % 3)


def parquet(file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [at / 7 for at in range(12)], "label": ["uvw"[at % 3] for at in range(12)]}), file)


def idx(file: Path) -> None:
    file.write_bytes(b"\x00\x00\x08\x03" + np.array([4, 2, 2], ">i4").tobytes() + bytes(range(16)))
    file.with_name("t-labels-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01" + np.array([4], ">i4").tobytes() + bytes([0, 1, 0, 1]))


def records(file: Path) -> None:
    with paredown.track("one", to=file):
        pass


def graph(file: Path) -> None:
    from tiny_study import write_graph

    write_graph(file, hidden=4)


def open_graph(file: Path) -> Any:
    from paredown.core.job import ModelSpec
    from paredown.models.onnx import Onnx

    return Onnx().digest(ModelSpec(kind="onnx", value=file.name), file.parent)


def open_configuration(file: Path) -> Any:
    return configuration(file.parent)


SOUND: Mapping[str, tuple[str | Callable[[Path], None], Callable[[Path], Any]]] = {
    "job.yaml": (job, read_job),
    "policy.yaml": (POLICY, load),
    "table.csv": (TABLE, rows_of),
    "table.jsonl": (LINES, rows_of),
    "table.npz": (arrays, arrays_of),
    "table.parquet": (parquet, rows_of),
    "t-images-idx3-ubyte": (idx, arrays_of),
    "series.csv": (SERIES, read_series),
    "series.json": (json.dumps(HOURS), read_series),
    "took.jsonl": (records, read_records),
    "model.onnx": (graph, open_graph),
    "config.json": (json.dumps(BERT), open_configuration),
}


@pytest.fixture(scope="module", params=SOUND)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Callable[[Path], Any]]:
    """A sound file that opens, its bytes, and what opens it."""
    made, opens = SOUND[request.param]
    file = tmp_path_factory.mktemp("sound") / request.param
    file.write_text(made) if isinstance(made, str) else made(file)
    opens(file)
    return file, file.read_bytes(), opens


WORDS = (*map(str, NUMBERS[:6] + NUMBERS[7:]), *NAMES, *TEXTS, *map(json.dumps, KINDS), "[" * DEEP, "&a [*a]", "!!python/name:os.system")


def spoiled(content: bytes, draw: random.Random) -> bytes:
    """The content with one to three changes: of bytes, or of a word of its text into one that is none of its kind."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        at, how = draw.randrange(len(content) + 1), draw.choice(("flip", "cut", "insert", "double", "word", "word", "word"))
        if how == "flip" and content:
            at %= len(content)
            content = content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]
        elif how == "cut":
            content = content[:at]
        elif how == "insert":
            content = content[:at] + draw.randbytes(draw.choice((1, 16, 4096))) + content[at:]
        elif how == "double":
            content *= 2
        elif words := list(re.finditer(rb"[\w.%/:-]+", content)):
            word = draw.choice(words)
            new = draw.choice(
                (*map(str, NUMBERS), *NAMES, *TEXTS, *map(json.dumps, KINDS), "[" * DEEP, "&a [*a]", "!!python/name:os.system")
            )
            content = content[: word.start()] + new.encode("utf-8", "surrogatepass") + content[word.end() :]
    return content


@settings(max_examples=25, deadline=5_000, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_a_file_that_is_changed_in_any_way_is_read_or_refused_in_words(sound: Any, seed: int) -> None:
    file, content, opens = sound
    before = {path.name for path in file.parent.iterdir()}
    file.write_bytes(spoiled(content, random.Random(seed)))
    said = ""
    try:
        opens(file)
    except ParedownError as error:
        said = str(error)
    assert not said or file.name in said
    assert {path.name for path in file.parent.iterdir()} == before
    assert CANARY not in sys.modules


@pytest.mark.parametrize("spoil", ["encrypted", "packed by nobody", "broken"])
@pytest.mark.parametrize(
    ("reads", "error"), [(arrays_of, BadData), (rowfile.read_rows, Damaged), (read_inputs, ValueError)], ids=["rows", "cache", "predict.py"]
)
def test_an_archive_that_cannot_be_unpacked_is_refused(tmp_path: Path, reads: Any, error: type[Exception], spoil: str) -> None:
    file = tmp_path / "table.npz"
    rowfile.write_rows(Rows(inputs=np.zeros((40, 2), np.float32), labels=np.arange(40) % 2), file)
    with np.load(file) as sound:
        np.savez_compressed(file, X=sound["inputs"], y=sound["labels"], **sound)
    content = bytearray(file.read_bytes())
    for entry in re.finditer(rb"PK\x01\x02", bytes(content)):
        at, offset = entry.start(), int.from_bytes(content[entry.start() + 42 : entry.start() + 46], "little")
        if spoil == "broken":
            names = sum(int.from_bytes(content[offset + part : offset + part + 2], "little") for part in (26, 28))
            content[offset + 30 + names] ^= 0x07
        else:
            content[at + (8 if spoil == "encrypted" else 10)] ^= 1 if spoil == "encrypted" else 0x5A
    file.write_bytes(content)
    with pytest.raises(error, match=r"npz|it is no numpy file of its ending"):
        reads(file)
