"""An artifact's `predict.py` answers alone: without paredown, from any folder, the same as `load().predict`."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import load
from paredown.artifact.predict_main import answered, main, parsed, read_inputs
from paredown.core.errors import BadData
from paredown.testing import tiny
from watched import watched

IMAGES = tiny.rows(30, 8).inputs
ALONE = """
import runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("paredown", "torch", "onnx", "pydantic", "sqlalchemy"):
            raise ModuleNotFoundError(f"{name} is not here", name=name)

sys.meta_path.insert(0, Absent())
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
"""


def alone(folder: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "predict.py"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("form", ["single", "cascade"])
def test_images_are_answered_as_by_load(packed: Any, tmp_path: Path, form: str) -> None:
    folder = getattr(packed, form)
    np.save(tmp_path / "images.npy", IMAGES)
    done = alone(folder, tmp_path, "images.npy")
    assert (done.stderr, done.returncode) == ("", 0)
    with load(folder) as model:
        assert done.stdout.splitlines() == model.predict(IMAGES)
        shares = alone(folder, tmp_path, "images.npy", "--proba").stdout.splitlines()
        np.testing.assert_allclose(np.loadtxt(shares, delimiter=","), model.predict_proba(IMAGES), atol=1e-6)


def test_a_table_is_answered_as_by_load(packed: Any, tmp_path: Path) -> None:
    rows = [{"age": 20 + at, "job": ["cook", "Lehrerin", "", "pilot"][at % 4], "size": "lmsx"[at % 3]} for at in range(25)]
    rows[3]["age"] = ""
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["size", "age", "job"])
        writer.writeheader()
        writer.writerows(rows)
    done = alone(packed.table, tmp_path, "rows.csv")
    with load(packed.table) as model:
        assert (done.stdout.splitlines(), done.stderr) == (model.predict(rows), "")
    (tmp_path / "rows.json").write_text(json.dumps(rows), "utf-8")
    assert alone(packed.table, tmp_path, "rows.json").stdout == done.stdout


def test_no_name_is_defined_by_two_of_the_sources_that_make_the_script(packed: Any) -> None:
    names = list[str]()
    for node in ast.parse((packed.single / "predict.py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("form", ["single", "cascade", "table", "torch"])
def test_the_script_imports_nothing_of_ours(packed: Any, form: str) -> None:
    source = (getattr(packed, form) / "predict.py").read_text("utf-8")
    tree = ast.parse(source)
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    tops = {name.partition(".")[0] for name in modules}
    assert tops - sys.stdlib_module_names == {"ai_edge_litert", "numpy", "onnxruntime", "openvino", "PIL", "soundfile", "tokenizers"}


def test_wrong_usage_is_said_without_a_traceback(packed: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((2, 9, 9)))
    cases = {
        (): (2, "usage: python predict.py INPUT [--proba]", ""),
        ("lost.npy",): (2, "", "lost.npy does not exist."),
        ("wide.npy",): (2, "", "wide.npy: the inputs have shape (2, 9, 9); one image is (6, 6)"),
    }
    for arguments, (code, out, err) in cases.items():
        done = alone(packed.single, tmp_path, *arguments)
        assert done.returncode == code
        assert done.stdout.startswith(out)
        assert done.stderr.startswith(err)
        assert "Traceback" not in done.stderr
    assert alone(packed.torch, tmp_path, "wide.npy").stderr.startswith(
        "this script runs onnxruntime, openvino, litert graphs; model.safetensors needs torch."
    )


def test_a_long_file_is_asked_in_parts_and_says_where_it_is_wrong() -> None:
    asked = []

    def ask(rows: Any) -> list[str]:
        asked.append(len(rows))
        if "" in rows:
            raise ValueError("row 2 is empty")
        return [f"{row}!" for row in rows]

    texts = [str(at) for at in range(150)]
    assert answered(ask, texts) == [f"{text}!" for text in texts]
    assert asked == [64, 64, 22]
    with pytest.raises(ValueError, match=r"^row 2 is empty"):
        answered(ask, ["a", "b", ""])
    with pytest.raises(ValueError, match=r"^of the rows from 64 on, row 2 is empty"):
        answered(ask, [*texts[:66], "", *texts])
    whole = np.zeros((150, 2))
    assert len(answered(lambda rows: rows.sum(1), whole)) == 150


WRITTEN = [
    (".txt", "a\n\nb\n", "line 2 is blank, and answers have to stand beside their rows"),
    (".txt", "\n", "line 1 is blank"),
    (".txt", "\ufeffa\r\nb\x85\u2028c\r\n\r\n", ["a", "b\x85\u2028c"]),
    (".jsonl", '"a"\n{"text": "b"}\n\n', ["a", {"text": "b"}]),
    (".ndjson", '"a"\n \n"b"', "line 2 is blank"),
    (".jsonl", '"a"\n"b" c', "line 2 is no JSON, from its character 5 on"),
    (".json", "[1,\n2", "line 2 is no JSON, from its character 2 on"),
    (".csv", "text\na\n\nb\n", "line 3 is blank"),
    (".csv", 'text\na\n""\nb\n', "line 3 is blank"),
    (".csv", "\na;b\r\n 1;x, y \r\n", [{"a": "1", "b": "x, y"}]),
    (".csv", "a|b\n1|2\n\n\n", [{"a": "1", "b": "2"}]),
    (".tsv", 'a\tb\n"1\n2"\t3\n', [{"a": "1\n2", "b": "3"}]),
    (".csv", 'a,b\n"1\n2",3\n4\n', "line 4 has 1 cells, and the table has 2 columns; cells are parted by a comma"),
    (".csv", "a,b\n1,2,3\n", "line 2 has 3 cells"),
    (".csv", 'a,b\n"1,2\n3,4\n', "line 2: a cell begins with a quote here, and no quote ends it"),
    (".csv", f"text\n{'long ' * 40_000}", [{"text": ("long " * 40_000).strip()}]),
    (".csv", "", "it holds no row below a header"),
]


@pytest.mark.parametrize(("kind", "text", "found"), WRITTEN)
def test_each_row_has_its_answer_or_its_line_is_named(kind: str, text: str, found: Any) -> None:
    if isinstance(found, list):
        assert parsed(text.encode(), kind) == found
        return
    with pytest.raises(ValueError, match=f"^{re.escape(found)}"):
        parsed(text.encode(), kind)


def test_what_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"^line 2 is not UTF-8 \(0xe9\); save it as UTF-8\."):
        parsed("a\né".encode("latin-1"), ".txt")
    for code in ("utf-16", "utf-16-be"):
        data = b"\xfe\xff" * (code == "utf-16-be") + "a\n".encode(code)
        with pytest.raises(ValueError, match=r"^it is text in UTF-16; save it as UTF-8\."):
            parsed(data, ".csv")


def test_a_table_from_standard_input_is_read_as_in_training(packed: Any, tmp_path: Path) -> None:
    rows = [{"age": 20 + at, "job": ["cook", "Lehrerin", "", "pilot"][at % 4], "size": "lmsx"[at % 3]} for at in range(25)]
    text = "\n".join(["size ; age; job", *(f"{row['size']}; {row['age']} ; {row['job']}" for row in rows)])
    (tmp_path / "rows.csv").write_text(text, "utf-8")
    expected = alone(packed.table, tmp_path, "rows.csv")
    with load(packed.table) as model:
        assert expected.stdout.splitlines() == model.predict(rows)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-I", "-c", ALONE, str(packed.table / "predict.py"), "-"]
    done = subprocess.run(command, input=text.encode(), cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.stdout.decode(), done.returncode) == (expected.stdout, 0)


def test_files_are_read_by_their_ending(tmp_path: Path) -> None:
    picture = np.arange(36, dtype=np.uint8).reshape(6, 6)
    np.savez(tmp_path / "b.npz", other=np.zeros(1), X=picture)
    np.savez(tmp_path / "c.npz", pixels=picture)
    for name in ("b.npz", "c.npz"):
        np.testing.assert_array_equal(read_inputs(tmp_path / name), picture)


def test_an_image_file_is_answered_like_its_pixels(packed: Any, tmp_path: Path) -> None:
    from PIL import Image

    picture = np.arange(36, dtype=np.uint8).reshape(6, 6) * 7
    Image.fromarray(picture).save(tmp_path / "a.png")
    with load(packed.single) as model:
        expected = model.predict(picture)
        assert model.predict(str(tmp_path / "a.png")) == model.predict([tmp_path / "a.png"]) == expected
    assert alone(packed.single, tmp_path, "a.png").stdout.splitlines() == expected
    for image, text in (
        (Image.fromarray(picture[:5]), "is 5 x 6 pixels; the model takes 6 x 6. Resize it first."),
        (Image.fromarray(picture).convert("RGB"), "has mode RGB; the model takes L. Convert it first."),
    ):
        image.save(tmp_path / "a.png")
        assert f"a.png: image 0 {text}" in alone(packed.single, tmp_path, "a.png").stderr
        with load(packed.single) as model, pytest.raises(BadData, match=re.escape(f"a.png {text}")):
            model.predict([tmp_path / "a.png"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"", "cannot be read"),
        ("a.npz", b"PK\x03\x04 cut", "cannot be read"),
        ("a.json", b"{", "cannot be read"),
        ("a.csv", b"age,job\n", "it holds no row below a header"),
        ("a.xls", b"x", r"its ending '\.xls' is not one of"),
        ("a.png", b"no picture", r"image 0 cannot be opened as an image \(UnidentifiedImageError\)"),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    packed: Any,
    tmp_path: Path,
    name: str,
    content: bytes,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr("paredown.artifact.predict_main.__file__", str(packed.single / "predict.py"))
    assert main([str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert re.search(message, said)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"it is no numpy file .*or it holds pickled objects, which are never read"):
        read_inputs(tmp_path / "a.npy")


def test_the_script_reports_nothing(packed: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    code = "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    assert len(watched(tmp_path / "home", "paredown", code, packed.single / "predict.py", tmp_path / "images.npy").split()) == len(IMAGES)


def test_no_name_stands_for_two_things_in_the_one_file(packed: Any) -> None:
    tree = ast.parse((packed.single / "predict.py").read_text("utf-8"))
    named = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    named += [name.id for node in tree.body if isinstance(node, ast.Assign) for name in node.targets if isinstance(name, ast.Name)]
    assert [name for name, count in Counter(named).items() if count > 1] == []
