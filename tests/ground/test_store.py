"""What is stored under a digest is whole, and the digest is that of its files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paredown.core.errors import Damaged
from paredown.ground import digests
from paredown.ground.store import FolderStore


def fill(folder: Path, text: str = "one") -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text(text)
    (folder / "inner" / "b.bin").write_bytes(bytes(range(256)))
    return folder


def test_put_moves_a_folder_under_the_digest_of_its_files(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    given = fill(store.scratch())
    expected = digests.of_folder(given)
    assert store.put(given) == expected
    assert not given.exists()
    assert store.has(expected)
    assert digests.of_folder(store.folder(expected)) == expected


def test_the_same_content_twice_is_one_entry(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    first, second = store.put(fill(tmp_path / "x")), store.put(fill(tmp_path / "y"))
    assert first == second
    assert not (tmp_path / "y").exists()
    assert [path.name for path in store.root.iterdir()] == [first]
    assert store.put(fill(tmp_path / "z", "two")) != first


def test_a_store_on_another_disk_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rename = FolderStore(tmp_path / "store"), os.rename

    def across(source: Path, target: Path) -> None:
        if Path(source).parent != store.root:
            raise OSError(18, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    digest = store.put(fill(tmp_path / "x"))
    assert digests.of_folder(store.folder(digest)) == digest
    assert not (tmp_path / "x").exists()
    assert [path.name for path in store.root.iterdir()] == [digest]


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from paredown.ground.store import FolderStore

copy = shutil.copyfile

def half(source, target, **more):
    copy(source, target, **more)
    os.kill(os.getpid(), signal.SIGKILL)

def across(source, target):
    raise OSError(18, "Invalid cross-device link")

os.rename, shutil.copyfile = across, half
FolderStore(Path(sys.argv[1])).put(Path(sys.argv[2]))
"""


def test_a_killed_put_leaves_nothing_under_the_digest(tmp_path: Path) -> None:
    store, given = FolderStore(tmp_path / "store"), fill(tmp_path / "x")
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.root), str(given)], check=False)
    assert done.returncode == -signal.SIGKILL
    digest = digests.of_folder(given)
    (left,) = store.root.iterdir()
    assert left.name.startswith(".part-")
    assert (left / "a.txt").exists()
    assert not store.has(digest)
    store.sweep()
    assert list(store.root.iterdir()) == []
    assert store.put(given) == digest


def test_what_is_not_stored_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert not store.has("0" * 64)
    with pytest.raises(Damaged, match=r"0{64} is gone from the store\.\n  Run the job again with `--fresh`"):
        store.folder("0" * 64)


@pytest.mark.parametrize("name", ["", ".", "../x", "/etc", "0" * 63, "0" * 64 + "\n"])
def test_what_a_ledger_names_is_a_digest_and_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(Damaged, match=r"store is asked for '.*', which is no digest\.\n  Run the job again with `--fresh`"):
        FolderStore(tmp_path / "store").folder(name)


def test_a_copy_of_what_was_changed_in_the_store_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    digest = store.put(fill(tmp_path / "x"))
    store.copy(digest, tmp_path / "copy")
    assert digests.of_folder(tmp_path / "copy") == digest
    (store.root / digest / "a.txt").write_text("two")
    changed = digests.of_folder(store.root / digest)
    with pytest.raises(Damaged, match=rf"{digest} is not what was stored: its digest is {changed[:12]}\.\.\. now(.|\n)*--fresh"):
        store.copy(digest, tmp_path / "other")
