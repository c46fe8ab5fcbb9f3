"""Everything a user can get wrong, through the whole command: exit code, the values in the message, and a finished study that stays whole.

Each case changes a sound job and its files, and runs it: in `study`, a copy of a finished study, or in `new`, which is not there yet.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from paredown.ground import digests
from paredown.ground.host import host
from paredown.ingest import sources
from tiny_cli import bare, leave
from tiny_study import NAMES, TinyStudy, shorten, tiny_rows

Change = Callable[[Path], object]


@dataclass(frozen=True)
class Bad:
    """One way to be wrong: what is changed in the job's folder, the exit code, what the message holds, in this order."""

    change: Change
    says: Sequence[str]
    code: int = 2
    study: str = "study"


def write(name: str, content: str | bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def swap(*pairs: str) -> Change:
    """Replace texts in the job file: old, new, old, new, ..."""

    def change(folder: Path) -> None:
        text = (folder / "tiny.yaml").read_text()
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        (folder / "tiny.yaml").write_text(text)

    return change


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def table(rows: int = 300, names: Sequence[str] = NAMES, seed: int = 3) -> str:
    """A sound csv file: y, x0 ... x7."""
    inputs, labels = tiny_rows(rows, seed)
    lines = [",".join([names[label], *(f"{value:.5f}" for value in row)]) for row, label in zip(inputs, labels)]
    return "\n".join(["y," + ",".join(f"x{at}" for at in range(8)), *lines, ""])


def csv(text: str | bytes, test: str = "") -> Change:
    """The job reads its rows from t.csv, and test from u.csv where it is given."""
    source = "all: t.csv, label: y" if not test else "train: t.csv, test: u.csv, label: y"
    return both(swap("all: rows.npz", source), write("t.csv", text), write("u.csv", test or "-"))


def laughs() -> str:
    """Ten lines that would unfold to a billion words."""
    return "a0: &a0 [x, x]\n" + "".join(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 10))


def random_bytes(folder: Path) -> None:
    csv(np.random.default_rng(0).bytes(200_000_000))(folder)


def one_line(folder: Path) -> None:
    csv(b"y,x0\n" + b"1" * 200_000_000)(folder)


def of(*names: str) -> str:
    """Rows of some classes only."""
    return "\n".join(line for line in table(seed=9).splitlines() if line.startswith(("y,", *names)))


def spoil(value: float) -> Change:
    def change(folder: Path) -> None:
        inputs, labels = tiny_rows(300, 0)
        inputs[7, 3] = value
        np.savez(folder / "rows.npz", X=inputs, y=np.asarray(NAMES)[labels])

    return change


def narrow(folder: Path) -> None:
    inputs, labels = tiny_rows(300, 0)
    np.savez(folder / "rows.npz", X=inputs[:, :7], y=np.asarray(NAMES)[labels])


def loader(body: str) -> Change:
    """Rows from a function; its module has a name of its own in each case, since modules stay loaded."""

    def change(folder: Path) -> None:
        module = f"rows_{digests.of_value(body)[:12]}"
        both(write(f"{module}.py", body), swap("all: rows.npz", f"all: '{module}:load'"))(folder)

    return change


def images(size: tuple[int, int], mode: str, odd: tuple[int, int], odd_mode: str) -> Change:
    def change(folder: Path) -> None:
        pillow = pytest.importorskip("PIL.Image")
        for at in range(30):
            target = folder / "pictures" / NAMES[at % 3]
            target.mkdir(parents=True, exist_ok=True)
            pillow.new(odd_mode if at == 4 else mode, odd if at == 4 else size, 8 * at).save(target / f"{at:02d}.png")
        swap("tabular-", "image-", "all: rows.npz", "all: pictures")(folder)

    return change


def bomb(folder: Path) -> None:
    """1e8 rows of one value in less than 1 MB, where a machine has 4 GB."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = 10_000_000
    words = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(rows, np.int8)), arrow.array(["left"]))
    part = arrow.table({"x0": arrow.array(np.zeros(rows, np.float32)), "y": words})
    with parquet.ParquetWriter(folder / "t.parquet", part.schema, compression="zstd") as file:
        for _ in range(10):
            file.write_table(part, row_group_size=rows)
    assert (folder / "t.parquet").stat().st_size < 1e6
    swap("all: rows.npz", "all: t.parquet, label: y")(folder)


def cut(name: str) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def folder_of(model: str, **files: str) -> Change:
    def change(folder: Path) -> None:
        (folder / model).mkdir()
        for name, content in files.items():
            (folder / model / name.replace("_json", ".json").replace("_safetensors", ".safetensors")).write_text(content)
        swap("onnx: given.onnx", f"huggingface: {model}")(folder)

    return change


def module(body: str, weights: str = "", width: int = 8) -> Change:
    """A torch module of three outputs; its weights from a file: "whole" pickles the module, "nan" spoils them."""

    def change(folder: Path) -> None:
        torch = pytest.importorskip("torch")
        both(
            write("net.py", f"import os, sys\nfrom torch import nn\nNaN = float('nan')\n{body}"),
            swap("onnx: given.onnx", "python: 'net:build'" + (", weights: w.pt" if weights else "")),
        )(folder)
        net = torch.nn.Linear(width, 3)
        if weights == "nan":
            torch.nn.init.constant_(net.weight, np.nan)
        torch.save(net if weights == "whole" else net.state_dict(), folder / "w.pt")

    return change


def newer_ledger(folder: Path) -> None:
    with sqlite3.connect(folder / "study/ledger.sqlite") as file:
        file.execute("UPDATE schema SET version = 9")
    file.close()


def change_cache(folder: Path) -> None:
    for model in (folder / "study/cache/artifacts").glob("*/model.onnx"):
        model.write_bytes(b"swapped")


JOB = {
    "missing file": Bad(lambda folder: (folder / "tiny.yaml").unlink(), ["tiny.yaml: cannot be read: No such file", "Check the path"]),
    "a folder": Bad(lambda f: ((f / "tiny.yaml").unlink(), (f / "tiny.yaml").mkdir()), ["tiny.yaml: this is not a file"]),
    "binary": Bad(write("tiny.yaml", bytes(range(256))), ["tiny.yaml:2: byte 128 is not UTF-8", "Save the file as UTF-8"]),
    "empty": Bad(write("tiny.yaml", ""), ["the document is empty", "Its keys: name, model, task"]),
    "nested 5000 deep": Bad(write("tiny.yaml", "name: " + "[" * 5000), ["tiny.yaml:1: values are nested more than 32 deep"]),
    "billion laughs": Bad(write("tiny.yaml", laughs()), ["more than 20000 values", "A job or policy is small"]),
    "unknown key": Bad(swap("metric:", "metrics:"), ["has no `metric`", "tiny.yaml:5: no key 'metrics'", "Did you mean `metric`?"]),
    "unknown key inside": Bad(swap("labels:", "lables:"), ["tiny.yaml:4: no key 'lables' in data", "Did you mean `labels`?"]),
    "wrong type": Bad(swap("search: {", "search: {seed: one, "), ["tiny.yaml:7: search.seed is 'one'", "Write a whole number"]),
    "wrong unit": Bad(swap("5 %", "5 J"), ["tiny.yaml:8: policy.rules[0].quality.drop is '5 J'; 'J' is no unit", "Write `5 %`"]),
    "no unit": Bad(swap("5 %", "5"), ["tiny.yaml:8:", "drop is 5; it needs a unit", "`5 pp`"]),
    "negative drop": Bad(swap("5 %", "-1 %"), ["drop is '-1 %'; it needs a number of 0 or more"]),
    "NO is a word": Bad(swap("metric: accuracy", "metric: NO"), ["tiny.yaml:5: no metric 'NO'", "accuracy"]),
    "true is none": Bad(swap("metric: accuracy", "metric: true"), ["tiny.yaml:5: metric is true", "Put it in quotes"]),
    "max below min": Bad(
        swap("rules: [", "rules: [{size: {max: 1 MB}}, {size: {min: 2 MB, id: floor}}, "),
        ["tiny.yaml:8: size is at most 1 MB here, but floor at least 2 MB", "No model can do both"],
    ),
    "two rules of one id": Bad(
        swap("rules: [", "rules: [{quality: {drop: 1 %}}, "), ["rules[1] has the id 'quality', as rules[0] has", "`id:`"]
    ),
    "group not in the data": Bad(
        swap("5 %", "5 %, by: [sex]"), ["tiny.yaml:8: quality is judged by 'sex'; the data have no groups", "`data: {groups:"]
    ),
    "missing model": Bad(swap("given.onnx", "giben.onnx"), ["tiny.yaml:2: model.onnx is 'giben.onnx'", "Did you mean 'given.onnx'?"]),
    "pickled model": Bad(
        swap("onnx: given.onnx", "onnx: m.pkl"), ["tiny.yaml:2: model.onnx is 'm.pkl', which is a pickle", "goes by `model: {estimator:"]
    ),
    "pickled estimator": Bad(swap("onnx: given.onnx", "sklearn: m.joblib"), ["'m.joblib', which is a pickle", "goes by `model: {est"]),
}
DATA = {
    "missing file": Bad(swap("rows.npz", "row.npz"), ["tiny.yaml:4: data.all is 'row.npz'; there is no such file", "'rows.npz'?"]),
    "a pickle": Bad(both(swap("rows.npz", "r.pkl"), write("r.pkl", b"x")), ["r.pkl is a pickle", "Save the rows as .csv"]),
    "NO, on and 2e6 are names": Bad(
        swap("labels: [left, middle, right]", "labels: [NO, on, 2e6]"),
        ["the label 'left' is not one of the 3 in `labels:` (NO, on, 2000000)"],
    ),
    "no label column": Bad(csv(table().replace("y,", "z,", 1)), ["t.csv:1: there is no column 'y'", "Set `label:`", "z, x0"]),
    "a label of another name": Bad(
        csv(table(names=("left", "middle", "rite"))), ["t.csv:4: the label 'rite' is not one of the 3", "'right'?"]
    ),
    "train never had it": Bad(csv(of("left", "middle"), table()), ["validation has the label 'right' in 33 rows; train never had it"]),
    "one class in test": Bad(
        csv(table(), of("left")), ["rows of test have the label 'left'; no model can be judged", "two classes or more"]
    ),
    "empty split": Bad(csv(table(), table(0)), ["u.csv has a header and no rows", "at least one row"]),
    "empty file": Bad(csv(""), ["t.csv is empty"]),
    "the same rows in two splits": Bad(
        csv(table(), table()), ["all 30 rows of calibration are also in test or another split", "Are the files the same"]
    ),
    "a column twice": Bad(csv(table().replace("x1", "x0", 1)), ["t.csv:1: the column 'x0' stands there 2 times"]),
    "NaN": Bad(spoil(np.nan), ["rows.npz (all): 1 of 300 rows hold NaN or infinite values, first row 7", "Fill or remove"]),
    "infinite": Bad(spoil(np.inf), ["rows.npz (all): 1 of 300 rows hold NaN or infinite values, first row 7"]),
    "empty strings": Bad(
        both(csv("y,say\nleft,good\nright,  \n"), swap("label: y", "label: y, text: say", "tabular-", "text-")),
        ["t.csv:3: the text in 'say' is empty ('')", "write one, or remove the row"],
    ),
    "200 MB of garbage": Bad(random_bytes, ["t.csv:1: byte", "is not UTF-8"]),
    "one line of 200 MB": Bad(one_line, ["t.csv:2: the line is longer than 16 MiB"]),
    "a bomb as parquet": Bad(
        bomb, ["t.parquet announces 100000000 rows of 2 columns: 3.2 GB in memory; half of this machine's 4 GB is the most", "made to harm"]
    ),
    "pickled rows in npz": Bad(
        lambda f: np.savez(f / "rows.npz", X=np.array([{}]), y=[1]), ["rows.npz holds pickled objects", "Save plain arrays"]
    ),
    "an image of another size": Bad(images((8, 8), "L", (9, 8), "L"), ["04.png", "9", "8"]),
    "an image of another mode": Bad(images((8, 8), "L", (8, 8), "RGB"), ["04.png"]),
    "a loader that raises": Bad(loader("def load():\n    raise KeyError('price')"), [":load raised KeyError: 'price'", "returns (X, y)"]),
    "a loader of something else": Bad(loader("def load():\n    return 5"), [":load returned a int", "Return (X, y)"]),
    "a loader that exits": Bad(loader("def load():\n    import sys; sys.exit(0)"), [":load raised SystemExit: 0"]),
    "a loader that exits on import": Bad(loader("import sys; sys.exit(0)"), ["called sys.exit(0)", "__name__"]),
}
MODEL = {
    "another width of rows": Bad(narrow, ["given.onnx takes input in the shape (8) per row; the data give (7)"], study="new"),
    "numbers with a word among them": Bad(
        csv(table().replace("\nleft,", "\nleft,?", 1)), ["takes input in the shape (8) per row; the data give (", "`numeric:`"], study="new"
    ),
    "fewer outputs than labels": Bad(
        swap("right]", "right, up]"), ["given.onnx answers with 3 numbers per row; the data have 4 classes", "`data: {labels:"], study="new"
    ),
    "half a file": Bad(cut("given.onnx"), ["given.onnx is not a valid ONNX model", "Export it again"], study="new"),
    "code of its own": Bad(
        folder_of("hf", config_json='{"model_type": "bert", "auto_map": {}}', model_safetensors="-"), ["`auto_map`", "never run"]
    ),
    "labels that are not in id2label": Bad(
        both(
            folder_of("hf", config_json='{"model_type": "bert", "id2label": {"0": "card", "1": "loan"}}', model_safetensors="-"),
            swap(f", labels: [{', '.join(NAMES)}]", ""),
        ),
        ["all has the label 'left' in 300 rows; the model does not have it", "the model has card, loan", "set `labels:`"],
    ),
    "no weights": Bad(folder_of("hf", config_json='{"model_type": "bert"}'), ["hf has no weights", "save_pretrained"]),
    "half a config": Bad(folder_of("hf", config_json='{"model', model_safetensors="-"), ["config.json cannot be read", "save_pretrained"]),
    "no such folder": Bad(swap("onnx: given.onnx", "huggingface: ./hf"), ["hf is no folder", "config.json"]),
}
PLAIN = "def build():\n    return nn.Linear(8, 3)"
BAD = "class Net(nn.Linear):\n    def forward(self, x):\n        return super().forward(x) * NaN\n\n\ndef build():\n    return Net(8, 3)"
TORCH = {
    "a pickled module": Bad(
        module(PLAIN, "whole"), ["w.pt cannot be read as weights", "Pickled modules are refused", "save_file("], study="new"
    ),
    "weights of another shape": Bad(module(PLAIN, "state", 9), ["w.pt does not fit", "[3, 9]", "[3, 8]"], study="new"),
    "weights of NaN": Bad(module(PLAIN, "nan"), ["net:build: the weight weight arrived with NaN", "Save the weights again"], study="new"),
    "too many outputs": Bad(
        module("def build():\n    return nn.Linear(8, 5)"), ["net:build answers with 5 numbers", "3 classes"], study="new"
    ),
    "answers of NaN": Bad(module(BAD), ["the model's output holds NaN or infinite values in 4 of 4 rows"], study="new"),
    "sys.exit": Bad(module("def build():\n    sys.exit(3)"), ["net:build({}) failed: SystemExit: 3"], study="new"),
    "a process that ends": Bad(module("def build():\n    os._exit(3)"), ["worker process ended with exit code 3"], code=6, study="new"),
}
STUDY = {
    "another job's": Bad(
        swap("metric: accuracy", "metric: macro_f1"), ["holds the study of another job", "metric: accuracy -> macro_f1", "--fresh"]
    ),
    "a file": Bad(write("new", "x"), ["new is a file; a study needs a folder", "--study DIR"], study="new"),
    "somebody else's": Bad(
        lambda f: ((f / "new").mkdir(), write("new/thesis.tex", "x")(f)), ["holds no study; found thesis.tex"], study="new"
    ),
    "a newer format": Bad(
        lambda f: write("study/job.lock.yaml", (f / "study/job.lock.yaml").read_text().replace("format: 1", "format: 9"))(f),
        ["has format 9; this paredown reads 1", "Update paredown"],
    ),
    "a newer ledger": Bad(newer_ledger, ["has schema 9; this paredown reads up to 1"]),
    "half a ledger": Bad(cut("study/ledger.sqlite"), ["ledger.sqlite is damaged", "Put back a copy"], code=5),
    "no ledger": Bad(lambda f: (f / "study/ledger.sqlite").unlink(), ["holds result.json and no ledger.sqlite", "--fresh"], code=5),
    "a torn lock file": Bad(write("study/job.lock.yaml", "{"), ["job.lock.yaml is damaged: ParserError", "Put back a copy"], code=5),
    "swapped bytes in the cache": Bad(change_cache, ["is not what was stored: its digest is", "--fresh"], code=5),
}
GROUPS = {"job": JOB, "data": DATA, "model": MODEL, "torch": TORCH, "study": STUDY}
CASES = {f"{part}: {name}": bad for part, group in GROUPS.items() for name, bad in group.items()}


def _sum(study: Path) -> dict[str, str]:
    """All that a user has of a study, and every recorded fact."""
    with sqlite3.connect(f"file:{study / 'ledger.sqlite'}?mode=ro", uri=True) as file:
        rows = file.execute("SELECT id, kind, key, value FROM records WHERE kind != 'own' ORDER BY id").fetchall()
    file.close()
    return {
        "records": digests.of_value(rows),
        "artifact": digests.of_folder(study / "artifact"),
        "lock": digests.of_file(study / "job.lock.yaml"),
        "result": digests.of_file(study / "result.json"),
    }


def _job(tiny_study: TinyStudy, folder: Path, study: bool = True) -> Path:
    for name in ("tiny.yaml", "rows.npz", "given.onnx"):
        shutil.copy(tiny_study.job.parent / name, folder / name)
    if study:
        shutil.copytree(tiny_study.folder, folder / "study")
    return folder / "tiny.yaml"


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name.startswith("torch") else name for name in CASES])
def test_it_is_told_and_nothing_is_lost(name: str, tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    bad, sound = CASES[name], _sum(tiny_study.folder)
    shorten(monkeypatch, tmp_path / "state")
    monkeypatch.setattr(sources, "host", lambda: replace(host(), memory_b=4e9))
    job = _job(tiny_study, tmp_path)
    bad.change(tmp_path)
    code, out, err = leave(capfd, "run", job, "--study", tmp_path / bad.study)
    assert (code, out) == (bad.code, "")
    at = 0
    for text in bad.says:
        assert text in err[at:], f"{text!r} is not in: {err[at:]}"
        at = err.index(text, at)
    assert "Traceback" not in err
    assert not [*tmp_path.rglob("*.part")], "something half done was left"
    if name.startswith("study: ") and bad.study == "study":
        if (tmp_path / "study/result.json").exists():
            assert digests.of_folder(tmp_path / "study/artifact") == sound["artifact"]
        shutil.rmtree(tmp_path / "study")
        shutil.copytree(tiny_study.folder, tmp_path / "study")
    assert _sum(tmp_path / "study") == sound
    shutil.rmtree(job) if job.is_dir() else job.unlink(missing_ok=True)
    for kept in ("rows.npz", "given.onnx"):
        shutil.copy(tiny_study.job.parent / kept, tmp_path / kept)
    assert leave(capfd, "run", shutil.copy(tiny_study.job, job), "--study", tmp_path / "study")[0] == 0


def test_a_corrected_job_takes_the_folder_of_a_refused_one(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    job = _job(tiny_study, tmp_path, study=False)
    swap("labels: [left, middle, right]", "labels: [right, left, middle]")(tmp_path)
    code, _, err = leave(capfd, "run", job, "--study", tmp_path / "new")
    assert code == 2
    assert "Check that `labels:` stands in the model's order" in err
    shutil.copy(tiny_study.job, job)
    assert leave(capfd, "run", job, "--study", tmp_path / "new")[0] == 0


def test_what_csv_files_of_office_programs_hold_is_no_mistake(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    """A byte order mark, CRLF, and spaces behind a label."""
    job = _job(tiny_study, tmp_path, study=False)
    csv(b"\xef\xbb\xbf" + table(names=("left", "middle", "right ")).replace("\n", "\r\n").encode())(tmp_path)
    code, out, _ = leave(capfd, "run", job, "--dry-run", "--json")
    assert (code, json.loads(out)["rows"]["test"]) == (0, 150)


def test_a_missing_extra_says_its_install_line(tiny_study: TinyStudy, tmp_path: Path) -> None:
    job = _job(tiny_study, tmp_path, study=False)
    swap("rows.npz", "rows.parquet")(tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    done = bare("run", job, "--study", tmp_path / "new", absent=("pyarrow",))
    assert done.returncode == 2
    assert "rows.parquet needs the package pyarrow, which is not installed.\n  Run `pip install 'paredown[compress]'`." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()
