"""What a process reads of the user's is seen under whatever name, with the digest of what was read."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from job_sources import SOURCES, write
from paredown.ground import opened_files


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A job's folder that is watched, with a study in it."""
    home = tmp_path / "job"
    (home / "runs").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(home))
    opened_files.watch([str(home)], str(home / "runs"))
    opened_files.taken()
    yield home
    monkeypatch.setattr(opened_files, "_watch", None)


def test_every_way_to_open_a_file_is_seen_and_what_is_not_the_users_is_left_out(root: Path, tmp_path: Path) -> None:
    kept = ["plain.txt", "deep/er/config.yaml", "values.npy", "mapped.bin", "low.bin", "bytes.bin", ".hidden-file"]
    left = ["runs/cache/graph.onnx", ".venv/lib/x.txt", ".cache/y", "lib/python3/site-packages/z.py", "made.txt"]
    for name in [*kept, *left[:-1]]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    outside = tmp_path / "outside.txt"
    code = f"""
import os, sys
from pathlib import Path
root = Path({str(root)!r})
for name in {[*kept, *left[:-1]]!r}:
    (root / name).write_bytes(name.encode() * 100)
Path({str(outside)!r}).write_text("x")
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # another process wrote them
    np.save(root / "values.npy", np.arange(3))
    opened_files.watch([str(root)], str(root / "runs"))
    opened_files.taken()  # the modules of the tests themselves
    open(root / "plain.txt").close()
    (root / "deep/er/config.yaml").read_text()
    np.load(root / "values.npy")
    np.memmap(root / "mapped.bin", mode="r")
    os.close(os.open(root / "low.bin", os.O_RDONLY))
    open(os.fsencode(root / "bytes.bin"), "rb").close()
    (root / ".hidden-file").read_bytes()
    for name in left[:-1]:
        (root / name).read_bytes()
    (root / "made.txt").write_text("by the model itself")
    (root / "made.txt").read_text()
    with open("/proc/self/stat") as system:
        system.read()
    found = opened_files.taken()
    assert sorted(found) == sorted(str(root / name) for name in kept)
    assert all(digest == sha(Path(path).read_bytes()) for path, digest in found.items())
    assert opened_files.taken() == {}
    opened_files.tell([outside, root / "runs/cache/graph.onnx"])
    assert opened_files.taken() == {str(outside): sha(b"x")}


FAR = """
import sys
from pathlib import Path
from paredown.ground import opened_files
root, far = Path(sys.argv[1]), Path(sys.argv[2])
opened_files.watch([str(root)], str(root / "runs"))
sys.path.insert(0, str(root))
import net
net.build(far)
exec(compile(f"open({str(far / 'by nobody.bin')!r}).close()", "<string>", "exec"))  # no code of the user's is at work
print(*sorted(opened_files.taken()), sep="\\n")
"""


def test_what_the_users_own_code_opens_is_seen_wherever_it_lies_and_by_whichever_library(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    root, far = tmp_path / "job", tmp_path / "far"
    (root / "runs").mkdir(parents=True)
    (far / ".cache").mkdir(parents=True)
    for file in (root / "near.safetensors", far / "tensors.safetensors"):
        save_file({"w": np.zeros(3, np.float32)}, file)
    np.save(far / "array.npy", np.zeros(3))
    for name in ("plain.bin", "by nobody.bin", ".cache/tool.bin", ".toolrc"):
        (far / name).write_bytes(b"x")
    (root / "net.py").write_text(
        "import numpy as np\nfrom pathlib import Path\nfrom safetensors.numpy import load_file\n\n\ndef build(far):\n"
        "    for name in (Path(__file__).parent / 'near.safetensors', far / 'tensors.safetensors'):\n        load_file(name)\n"
        "    np.load(far / 'array.npy')\n    for name in ('plain.bin', '.cache/tool.bin', '.toolrc'):\n        (far / name).read_bytes()\n"
        "    (far / 'made.bin').write_bytes(b'x')\n    (far / 'made.bin').read_bytes()\n"
    )
    done = subprocess.run([sys.executable, "-c", FAR, str(root), str(far)], capture_output=True, text=True, check=True)
    seen = [root / "near.safetensors", root / "net.py", far / "array.npy", far / "plain.bin", far / "tensors.safetensors"]
    assert done.stdout.splitlines() == sorted(map(str, seen))


def test_a_link_is_known_by_its_own_name_and_a_folder_by_either(root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    (root / "current").symlink_to(tmp_path / "one")
    (root / "inside").symlink_to(root / "current")
    (tmp_path / "alias").symlink_to(root)
    opened_files.watch([str(root)], str(root / "runs"))
    opened_files.taken()
    (tmp_path / "alias" / "inside").read_text()
    (root / "current").read_text()
    assert opened_files.taken() == {str(root / "current"): sha(b"one"), str(root / "inside"): sha(b"one")}


def test_a_digest_is_of_what_was_read_and_not_of_what_stands_there_later(root: Path) -> None:
    settings = root / "settings.json"
    subprocess.run([sys.executable, "-c", f"open({str(settings)!r}, 'w').write('[1]')"], check=True)
    assert json.loads(settings.read_text()) == [1]
    subprocess.run([sys.executable, "-c", f"open({str(settings)!r}, 'w').write('[2]')"], check=True)
    assert opened_files.taken() == {str(settings): sha(b"[1]")}


def test_imported_modules_are_seen_however_they_are_imported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root)
    opened_files.watch([str(root)], str(root / "runs"))  # the test itself wrote them
    for name in [*sys.modules]:
        if name.endswith("_a") or name.startswith("pkg_a"):
            monkeypatch.delitem(sys.modules, name)
    net = importlib.import_module("net_a")
    net.late()
    net.act("dynamic_a")
    found = {os.path.relpath(path, root) for path in opened_files.taken() if path.startswith(str(root))}
    assert found == set(SOURCES) - {"unused_a.py", "broken_a.py"}
