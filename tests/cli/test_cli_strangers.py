"""What a stranger hands over is opened by every command, and nothing of it runs, is followed, believed or obeyed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostile import CANARY, CODE, cases, reseal, study_commands
from hostile_graphs import replace_graph
from hostile_watch import Watch, wrong
from tiny_cli import leave
from tiny_study import TinyStudy, tiny_rows


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    with Watch(inline=True) as watch:
        yield watch


@pytest.fixture
def with_workers(watch: Watch) -> Iterator[Watch]:
    """As `watch`, with work orders in processes of their own, as they really are."""
    watch.inline = False
    yield watch
    watch.inline = True


def handed_over(tiny_study: TinyStudy, tmp_path: Path, **changes: Any) -> Path:
    """The tiny artifact with other entries in its manifest, its digests right."""
    folder = Path(shutil.copytree(tiny_study.artifact, tmp_path / "given"))
    manifest = json.loads((folder / "artifact.json").read_text())
    for place, value in changes.items():
        inner: Any = manifest
        *way, last = place.split("__")
        for key in way:
            inner = inner[int(key) if key.isdigit() else key]
        inner[last] = value
    (folder / "artifact.json").write_text(json.dumps(manifest))
    reseal(folder)
    return folder


def built_by(folder: Path, factory: str, arguments: dict[str, Any]) -> Path:
    """The artifact's graph becomes a torch module that any function builds."""
    blueprint = {"format": 1, "factory": factory, "arguments": arguments, "inputs": {"input": [8]}, "surgeries": []}
    (folder / "blueprint.json").write_text(json.dumps(blueprint))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    manifest = json.loads((folder / "artifact.json").read_text())
    manifest["graphs"][0] |= {"runtime": "torch", "file": "model.safetensors"}
    (folder / "artifact.json").write_text(json.dumps(manifest))
    reseal(folder)
    return folder


@pytest.mark.parametrize("kind", ["artifact", "study"])
def test_a_sample_of_mutants_ends_in_words_and_runs_nothing(tiny_study: TinyStudy, watch: Watch, kind: str) -> None:
    """benchmarks/hostile.py does the same with thousands."""
    source = tiny_study.artifact if kind == "artifact" else tiny_study.folder
    found = {name: wrong(seen) for name, seen in cases(watch, source, 7, 0, study=kind == "study")}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_watch_sees_what_it_is_there_for(watch: Watch, tiny_study: TinyStudy) -> None:
    """A run, an import, a write outside and a control character are all seen."""
    folder = watch.copy(tiny_study.artifact)
    (folder / "code.py").write_text(CODE)
    script = f"import os, runpy; os.system('true'); open('{watch.scratch}/out', 'w'); runpy.run_path('{folder}/code.py'); import {CANARY}"
    environment = os.environ | {"HOSTILE_LOG": str(watch.scratch / "log"), "HOSTILE_SCRATCH": str(watch.scratch / "spare")}
    environment |= {"HOSTILE_FOLDER": str(folder), "PYTHONPATH": str(watch.scratch / "path"), "HOME": str(watch.scratch / "home")}
    subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, check=False)
    events = (watch.scratch / "log").read_text()
    for word in ("started os.system", "wrote ", "ran exec", f"imported {CANARY}"):
        assert word in events


def each(quick: Any, *slow: Any) -> list[Any]:
    """Parameters of which all but the first are for the slow tier: the same again by a way that takes its time."""
    return [quick, *(pytest.param(one, marks=pytest.mark.slow) for one in slow)]


@pytest.mark.parametrize("command", each("verify", "measure", "predict", "compare", "load"))
def test_no_command_calls_what_an_artifact_names(tiny_study: TinyStudy, with_workers: Watch, command: str) -> None:
    watch = with_workers
    folder = built_by(watch.copy(tiny_study.artifact), "os:system", {"command": f"touch {watch.scratch}/ran"})
    np.save(watch.scratch / "rows.npy", tiny_rows(3, 1)[0])
    more = {"predict": [watch.scratch / "rows.npy"], "measure": ["--seconds", 1], "compare": [folder, "--seconds", 1]}.get(command, [])
    seen = watch.run(command, folder, *more, folder=folder)
    assert wrong(seen) == []
    assert not (watch.scratch / "ran").exists()
    assert "'os:system', the code of whoever made it, which is not called" in seen.err
    assert seen.code == (0 if command == "verify" else 2)


@pytest.mark.slow
def test_the_word_of_the_user_opens_what_he_trusts(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\n\ndef build():\n    return nn.Linear(8, 3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = built_by(handed_over(tiny_study, tmp_path), "net:build", {})
    from safetensors.numpy import save_file

    save_file({"weight": np.eye(3, 8, dtype=np.float32), "bias": np.zeros(3, np.float32)}, folder / "model.safetensors")
    reseal(folder)
    np.save(tmp_path / "rows.npy", tiny_rows(3, 1)[0])
    code, _, err = leave(capfd, "predict", folder, tmp_path / "rows.npy")
    assert (code, "`--trust net:build`" in err) == (2, True)
    assert leave(capfd, "predict", folder, tmp_path / "rows.npy", "--trust", "net:build")[:2] == (0, "left\nmiddle\nright\n")
    code, out, err = leave(capfd, "verify", folder)
    assert (code, "not asked again: see the warning" in out) == (0, True)
    assert "its answers were not asked again: " in err
    assert json.loads(leave(capfd, "verify", folder, "--json")[1])["difference"] is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"graphs__0__file": "../outside.onnx"}, "names '../outside.onnx' as graphs[0].file"),
        ({"probe__file": "/etc/hostname"}, "names '/etc/hostname' as probe.file"),
        ({"probe__tolerance": 1e9}, "has probe.tolerance 1000000000.0"),
        ({"graphs__0__placement__threads": -1}, "has graphs[0].placement.threads -1"),
        ({"encode__width": 10**12}, "has encode.width 1000000000000"),
        ({"program": {"kind": "single\x1b[2J"}}, r"has program.kind 'single\x1b[2J'"),
        ({"labels": [None] * 3}, "has labels[0] None"),
    ],
)
def test_what_is_out_of_bounds_is_damage_for_verify(tiny_study: TinyStudy, tmp_path: Path, capfd, changes: Any, said: str) -> None:
    code, out, err = leave(capfd, "verify", handed_over(tiny_study, tmp_path, **changes))
    assert (code, out) == (5, "")
    assert said in err


def test_more_threads_than_cores_are_said(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    code, _, err = leave(capfd, "verify", handed_over(tiny_study, tmp_path, graphs__0__placement__threads=20_000))
    assert code == 0
    assert "is packed for 20000 threads; this machine has " in err


@pytest.mark.parametrize("kind", ["huge", "wide"])
def test_a_graph_that_asks_for_much_memory_does_not_get_it(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch, kind: str) -> None:
    from paredown.executors import processes

    monkeypatch.setattr(processes, "_ROOM_B", 1e9)  # as on a machine without the memory
    folder = replace_graph(handed_over(tiny_study, tmp_path), kind)
    np.save(tmp_path / "rows.npy", tiny_rows(1, 1)[0])
    for words, exit_code, said in (
        (["verify", folder], 5, "cannot answer its own probe"),
        (["predict", folder, tmp_path / "rows.npy"], 2, "onnxruntime cannot answer these inputs"),
        (["measure", folder, "--seconds", 1], 2, "onnxruntime cannot answer these inputs"),
    )[: 3 if kind == "wide" else 1]:
        code, _, err = leave(capfd, *words)
        assert (code, said in err, "Traceback" in err) == (exit_code, True, False), err


@pytest.mark.parametrize("command", each("verify", "predict", "measure"))
def test_a_graph_without_an_end_is_damage(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch, command: str) -> None:
    from paredown.measuring import answer_file, verify
    from paredown.protocol import bench

    for module, name in ((verify, "_ASKED_S"), (answer_file, "_OPEN_S"), (answer_file, "_ROW_S"), (bench, "_OPEN_S")):
        monkeypatch.setattr(module, name, 0.8)
    folder = replace_graph(handed_over(tiny_study, tmp_path), "endless")
    np.save(tmp_path / "rows.npy", tiny_rows(1, 1)[0])
    more = {"predict": [tmp_path / "rows.npy"], "measure": ["--seconds", 1]}.get(command, [])
    code, _, err = leave(capfd, command, folder, *more)
    assert (code, "Traceback" in err) == (5, False), err
    assert "does not answer" in err or "has not opened and answered once" in err


ESCAPES = "distill() @ onnxruntime \x1b]0;owned\x07\x1b[2J\x9b2J\u202e"


def test_a_terminal_is_shown_what_it_would_obey(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    folder = handed_over(tiny_study, tmp_path, recipe=ESCAPES, labels=["a\x1b[2J", "b\nc", "d"])
    np.save(tmp_path / "rows.npy", tiny_rows(2, 1)[0])
    outs = [
        leave(capfd, *words) for words in (["verify", folder], ["verify", folder, "--json"], ["predict", folder, tmp_path / "rows.npy"])
    ]
    for code, out, err in outs:
        assert code == 0
        assert not set(out + err) & set("\x1b\x07\x9b\u202e")
    assert r"\x1b]0;owned\x07\x1b[2J\x9b2J\u202e" in outs[0][1]
    assert json.loads(outs[1][1])["recipe"] == ESCAPES
    assert outs[2][1] == "a\\x1b[2J\nb\\nc\n"


BY_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("environment", each(BY_LOCALE, {"PYTHONIOENCODING": "latin-1"}))
def test_a_terminal_without_the_letters_is_no_error(tiny_study: TinyStudy, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = handed_over(tiny_study, tmp_path, recipe="漢 é → 😀 @ onnxruntime", labels=["漢字", "é", "😀"])
    np.save(tmp_path / "rows.npy", tiny_rows(3, 1)[0])
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONIO"))}
    paredown = [sys.executable, "-m", "paredown"]
    for words in (
        [*paredown, "verify", folder],
        [*paredown, "verify", folder, "--json"],
        [*paredown, "predict", folder, tmp_path / "rows.npy"],
        [sys.executable, folder / "predict.py", tmp_path / "rows.npy"],
    ):
        done = subprocess.run([*map(str, words)], env=plain | environment, capture_output=True, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode(errors="replace")
        if "--json" in words:
            assert json.loads(done.stdout.decode(environment.get("PYTHONIOENCODING", "ascii")))["recipe"].startswith("漢 é")


def test_nothing_is_imported_from_where_a_command_stands(tiny_study: TinyStudy, with_workers: Watch) -> None:
    study = with_workers.copy(tiny_study.folder)
    for where in (study, study / "given", study / "cache" / "given"):
        where.mkdir(exist_ok=True)
        for name in ("numpy", "json", "sitecustomize", "onnxruntime", "openvino", CANARY):
            (where / f"{name}.py").write_text(CODE)
    asked = ("measure", str(study), "--seconds", "1", "--against", "baseline")
    for words in [*study_commands(study)[1:4], asked]:
        seen = with_workers.run(*words, folder=study, cwd=study)
        assert (seen.events, seen.code) == ((), 0), (words, seen.err)
