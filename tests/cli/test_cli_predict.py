"""`paredown predict`: the answers of predict.py, in the base install, and a plain word on every bad file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paredown.cli import predict
from paredown.core.errors import BadData
from tiny_cli import bare, bare_script, leave
from tiny_study import NAMES, TinyStudy, tiny_rows


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """The same five rows in three kinds of files."""
    values, _ = tiny_rows(5, 3)
    np.save(tmp_path / "rows.npy", values)
    np.savez(tmp_path / "rows.npz", X=values)
    (tmp_path / "rows.json").write_text(json.dumps(values.tolist()))
    return {kind: tmp_path / f"rows.{kind}" for kind in ("npy", "npz", "json")}


@pytest.mark.parametrize("kind", ["npy", "npz", "json"])
def test_answers_are_those_of_predict_py_without_any_extra(tiny_study: TinyStudy, inputs, kind: str) -> None:
    _, labels = tiny_rows(5, 3)
    ours = bare("predict", tiny_study.artifact, inputs[kind])
    script = bare_script(tiny_study.artifact / "predict.py", inputs[kind])
    assert (ours.returncode, script.returncode) == (0, 0), ours.stderr + script.stderr
    assert ours.stdout == script.stdout
    assert ours.stdout.split() == [NAMES[label] for label in labels]


def test_probabilities_are_those_of_predict_py(tiny_study: TinyStudy, inputs, capfd) -> None:
    code, out, _ = leave(capfd, "predict", tiny_study.folder, inputs["npy"], "--proba")
    assert code == 0
    assert out == bare_script(tiny_study.artifact / "predict.py", inputs["npy"], "--proba").stdout
    assert [sum(map(float, line.split(","))) for line in out.split()] == pytest.approx([1] * 5, abs=3e-6)
    code, out, _ = leave(capfd, "predict", tiny_study.folder, inputs["npy"], "--proba", "--json")
    found = json.loads(out)
    assert found["labels"] == list(NAMES)
    assert np.asarray(found["probabilities"]).shape == (5, 3)


def test_out_writes_the_answers_and_leaves_stdout_alone(tiny_study: TinyStudy, inputs, tmp_path: Path, capfd) -> None:
    code, out, err = leave(capfd, "predict", tiny_study.folder, inputs["npz"], "--out", tmp_path / "answers.txt")
    assert (code, out) == (0, "")
    assert "wrote 5 rows" in err
    assert (tmp_path / "answers.txt").read_text().split() == [NAMES[label] for label in tiny_rows(5, 3)[1]]


BAD = {
    "pickled.npy": (b"\x80\x04K\x01.", "holds pickled objects, which are never read"),
    "cut.npz": (b"PK\x03\x04rest", "cannot be read"),
    "words.json": (b"{", "cannot be read: line 1 is no JSON, from its character 2 on"),
    "latin.csv": (b"a,b\n\xff,1\n", r"line 2 is not UTF-8 \(0xff\); save it as UTF-8"),
    "empty.tsv": (b"a\tb\n", "it holds no row below a header"),
    "noise.png": (b"\x00\x01", r"the inputs have shape \(1,\); one row is \(8,\)"),
    "rows.xlsx": (b"PK", r"its ending '\.xlsx' is not one of \.npy"),
    "flat.json": (b"[1, 2]", r"the inputs have shape \(2,\); one row is \(8,\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_what_is_wrong(tiny_study: TinyStudy, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=rf"(?s){name}.*{message}"):
        predict.command.main([str(tiny_study.folder), str(tmp_path / name)], standalone_mode=False)
    script = bare_script(tiny_study.artifact / "predict.py", tmp_path / name)
    assert script.returncode == 2
    assert "Traceback" not in script.stderr


def test_no_file_and_no_artifact_exit_2(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    code, _, err = leave(capfd, "predict", tiny_study.folder, tmp_path / "none.npy")
    assert code == 2
    assert "none.npy does not exist" in err
    code, _, err = leave(capfd, "predict", tmp_path, tmp_path / "none.npy")
    assert code == 2
    assert "neither an artifact nor a study" in err
