"""artifact.json and the probe: every entry is of its kind and within bounds, every file that is named is the artifact's own."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paredown.artifact.load import load, open_program, read_manifest, read_probe
from paredown.artifact.manifest import check_manifest, check_probe, cores, threads_of
from paredown.core.errors import Damaged, ParedownError
from paredown.testing import tiny

IMAGES = tiny.rows(3, 8).inputs
Change = Callable[[Path, dict[str, Any]], None]


def changed(packed: Any, tmp_path: Path, change: Change, form: str = "single") -> Path:
    """A copy of an artifact, changed."""
    folder = Path(shutil.copytree(getattr(packed, form), tmp_path / "given"))
    manifest = json.loads((folder / "artifact.json").read_text())
    change(folder, manifest)
    (folder / "artifact.json").write_text(json.dumps(manifest))
    return folder


def entry(*place: Any) -> Callable[[Any], Change]:
    def make(value: Any) -> Change:
        def change(folder: Path, manifest: dict[str, Any]) -> None:
            inner: Any = manifest
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value

        return change

    return make


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("graphs", 0, "file"), "../outside.onnx", r"names '\.\./outside\.onnx' as graphs\[0\]\.file; it has to be a plain relative path"),
        (("graphs", 0, "file"), "/etc/hostname", r"names '/etc/hostname' as graphs\[0\]\.file"),
        (("graphs", 0, "file"), "other.onnx", r"names 'other\.onnx' as graphs\[0\]\.file, which is none of `files`"),
        (("graphs", 0, "file"), None, r"has graphs\[0\]\.file None; it has to be a text"),
        (("probe", "file"), "../probe.json", r"names '\.\./probe\.json' as probe\.file"),
        (("encode", "tokenizer"), "/etc/passwd", r"names '/etc/passwd' as encode\.tokenizer"),
        (("graphs", 0, "placement", "threads"), 0, r"has graphs\[0\]\.placement\.threads 0; it has to be a whole number from 1 to "),
        (("graphs", 0, "placement", "threads"), 1.5, r"has graphs\[0\]\.placement\.threads 1\.5; it has to be a whole number"),
        (("graphs", 0, "placement", "threads"), True, r"has graphs\[0\]\.placement\.threads True; it has to be a whole number"),
        (("graphs", 0, "placement"), [], r"has graphs\[0\]\.placement \[\]; it has to be a mapping"),
        (("graphs", 0, "runtime"), "openvino", r"names model\.onnx for openvino, which opens \.xml"),
        (("graphs", 0, "runtime"), [], r"has graphs\[0\]\.runtime \[\]; it has to be a text"),
        (("graphs",), [], r"has 0 entries in graphs; 1 to 8 are allowed"),
        (("graphs",), {}, r"has graphs \{\}; it has to be a list"),
        (("probe", "tolerance"), 0.5, r"has probe\.tolerance 0\.5; it has to be a number from 0 to 0\.01 other than 0"),
        (("probe", "tolerance"), 0, r"has probe\.tolerance 0;"),
        (("probe", "tolerance"), "1e-3", r"has probe\.tolerance '1e-3';"),
        (("probe", "tolerance"), float("nan"), r"holds NaN; numbers are finite"),
        (("program", "kind"), "vote", r"has program\.kind 'vote'; it has to be single or cascade"),
        (("program", "kind"), ["single"], r"has program\.kind \['single'\]"),
        (("program",), {"kind": "cascade", "at": 2}, r"has program\.at 2; it has to be a number from 0 to 1"),
        (("program",), {"kind": "cascade", "at": 0.5}, r"has the graphs model; a program of kind cascade has 2"),
        (("encode", "shape"), [10**5, 10**5], r"has encode\.shape \[100000, 100000\]; it has to be a shape of at most"),
        (("encode", "std"), 0, r"has encode\.std 0; it has to be"),
        (("encode", "kind"), "pickle", r"has encode\.kind 'pickle'; it has to be image or audio or table or "),
        (("decode", "classes"), 5, r"has 5 classes in decode and 3 labels"),
        (("labels",), ["a", 2, "c"], r"has labels\[1\] 2; it has to be a text"),
        (("labels",), None, r"has labels None; it has to be a list"),
        (("recipe",), 5, r"has recipe 5; it has to be a text"),
        (("measured_on",), {}, r"lacks measured_on\.isa"),
        (("files",), [], r"has files \[\]; it has to be a mapping"),
        (("format",), True, r"has format True; this version of paredown reads format 1"),
    ],
)
def test_an_entry_of_another_kind_is_damage_in_words(packed: Any, tmp_path: Path, place: Any, value: Any, said: str) -> None:
    folder = changed(packed, tmp_path, entry(*place)(value))
    with pytest.raises(Damaged, match=rf"artifact\.json {said}"):
        load(folder)
    done = script(folder, tmp_path)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (5, "", False)


def script(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The artifact's own predict.py, as it was packed, in a changed folder; in this process, which is quicker than one of its own."""
    np.save(tmp_path / "rows.npy", IMAGES)
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["predict.py", str(tmp_path / "rows.npy")]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
            runpy.run_path(str(folder / "predict.py"), run_name="__main__")
    finally:
        sys.argv = argv
    return subprocess.CompletedProcess([], int(left.value.code or 0), out.getvalue(), err.getvalue())


def link(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "model.onnx").rename(folder.parent / "outside.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "outside.onnx")


def linked_folder(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "more").symlink_to("/etc")


def pipe(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "probe.json").unlink()
    os.mkfifo(folder / "probe.json")


def external(folder: Path, manifest: dict[str, Any]) -> None:
    """The graph's weights lie in a file beside it that nobody listed."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    (folder / "model.onnx").unlink()
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (link, r"has 'model\.onnx' beside it, a link or a special file"),
        (linked_folder, r"has 'more' beside it, a link or a special file"),
        (pipe, r"has 'probe\.json' beside it, a link or a special file"),
        (external, r"names model\.onnx, which may take its weights from 'weights\.bin', which is none of `files`"),
    ],
)
def test_what_is_no_file_of_the_artifact_is_not_followed(packed: Any, tmp_path: Path, change: Change, said: str) -> None:
    folder = changed(packed, tmp_path, change)
    with pytest.raises(Damaged, match=said):
        load(folder)
    assert script(folder, tmp_path).returncode == 5


def test_a_file_that_no_graph_can_name_may_lie_beside_it(packed: Any, tmp_path: Path) -> None:
    folder = changed(packed, tmp_path, lambda folder, manifest: (folder / ".DS_Store").write_bytes(b"x"))  # type: ignore[arg-type, return-value]
    with load(folder) as model:
        assert len(model.predict(IMAGES)) == len(IMAGES)


def outside(location: str) -> Change:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        external(folder, manifest)
        shutil.move(folder / "weights.bin", folder.parent / "weights.bin")
        content = (folder / "model.onnx").read_bytes()
        import onnx

        model = onnx.load_model_from_string(content)
        for tensor in model.graph.initializer:
            for item in tensor.external_data:
                if item.key == "location":
                    item.value = location if location.startswith("..") else str(folder.parent / "weights.bin")
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    return change


@pytest.mark.parametrize("location", ["../weights.bin", "absolute"])
def test_weights_outside_the_folder_are_refused_by_the_engine(packed: Any, tmp_path: Path, location: str) -> None:
    folder = changed(packed, tmp_path, outside(location))
    with pytest.raises(Damaged, match=r"model\.onnx cannot be opened by onnxruntime"):
        load(folder)
    assert script(folder, tmp_path).returncode == 5


def test_more_threads_than_cores_are_not_started(packed: Any, tmp_path: Path) -> None:
    folder = changed(packed, tmp_path, entry("graphs", 0, "placement", "threads")(20_000))
    before = threads_now()
    with load(folder) as model:
        assert len(model.predict(IMAGES)) == len(IMAGES)
        assert threads_now() - before <= cores()
    with load(packed.single, threads=20_000):
        assert threads_now() - before <= cores()
    assert threads_of({"threads": 20_000}) == cores()
    assert threads_of({"threads": 1}) == threads_of({}) == 1


def threads_now() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tolerance": 1.0}, r"has tolerance 1\.0; it has to be a number from 0 to 0\.01"),
        ({"tolerance": float("nan")}, "holds NaN"),
        ({"inputs": []}, "has 0 entries in inputs"),
        ({"inputs": ["/dev/zero"]}, "holds something else than numbers in inputs"),
        ({"inputs": [[[1, 2], [3]]]}, "has ragged or empty inputs"),
        ({"inputs": {"a": 1}}, r"has inputs \{'a': 1\}; it has to be a list"),
        ({"outputs": [[1, 0, 0], [1]]}, "has ragged or empty outputs"),
        ({"outputs": [[1, 0, 7]]}, r"has outputs\[0\]\[2\] 7"),
    ],
)
def test_a_probe_of_other_kinds_is_damage_in_words(packed: Any, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    def change(folder: Path, manifest: dict[str, Any]) -> None:
        (folder / "probe.json").write_text(json.dumps(json.loads((folder / "probe.json").read_text()) | changes))

    folder = changed(packed, tmp_path, change)
    with pytest.raises(Damaged, match=rf"probe\.json {said}"):
        read_probe(folder, read_manifest(folder))


@pytest.mark.parametrize("form", ["single", "table", "torch", "cascade"])
def test_what_was_packed_passes(packed: Any, form: str) -> None:
    folder = getattr(packed, form)
    manifest = read_manifest(folder)
    check_probe(json.loads((folder / "probe.json").read_text()), manifest)


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({}) | st.just([[None]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_opens_or_is_refused_in_words(packed: Any, data: st.DataObject) -> None:
    """What passes the check opens and answers, or says why not in an error of ours; what does not pass is a ValueError, whatever it is."""
    manifest = copy.deepcopy(read_manifest(packed.table))
    inner: Any = manifest
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if isinstance(inner[key], dict | list) and inner[key] and data.draw(st.booleans()):
            inner = inner[key]
            continue
        inner[key] = data.draw(ODD)
        break
    with contextlib.suppress(ValueError):
        check_manifest(manifest)
        with contextlib.suppress(ParedownError), open_program(manifest, packed.table) as model:
            model.predict_proba(json.loads((packed.table / "probe.json").read_text())["inputs"])
