import os
from pathlib import Path

import pytest

from paredown.core.errors import CannotWrite, UsageError
from paredown.ground import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tree(folder: Path, **contents: str) -> Path:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def test_a_written_file_holds_the_content_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "result.json"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["result.json"]


def test_a_full_disk_leaves_the_old_file_and_names_the_path(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    files.write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"cannot write .*result\.json: No space left on device"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["result.json"]


def test_a_folder_that_is_not_one_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*file/result\.json: Not a directory"):
        files.write_atomic(tmp_path / "file" / "result.json", b"")


def test_a_moved_folder_replaces_the_old_one_whole(tmp_path):
    target = tree(tmp_path / "artifact", old="1", both="1")
    files.move_folder_into_place(tree(tmp_path / "made", new="2", both="2"), target)
    assert names(tmp_path) == ["artifact"]
    assert {path.name: path.read_text() for path in target.iterdir()} == {"new": "2", "both": "2"}


def test_a_folder_moves_to_where_nothing_is(tmp_path):
    files.move_folder_into_place(tree(tmp_path / "made", new="2"), tmp_path / "artifact")
    assert names(tmp_path) == ["artifact"]


def test_a_failed_move_puts_the_old_folder_back(tmp_path, monkeypatch):
    target, made = tree(tmp_path / "artifact", old="1"), tree(tmp_path / "made", new="2")
    real = os.replace

    def fail(old: Path, new: Path) -> None:
        if Path(old) == made:
            raise OSError(5, "Input/output error")
        real(old, new)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*artifact: Input/output error"):
        files.move_folder_into_place(made, target)
    assert (names(target), names(made)) == (["old"], ["new"])


def test_removing_a_link_keeps_what_it_points_to(tmp_path):
    kept = tree(tmp_path / "kept", file="1")
    (tmp_path / "link").symlink_to(kept)
    files.remove(tmp_path / "link")
    files.remove(tmp_path / "nothing")
    files.remove(tree(tmp_path / "folder", file="1"))
    assert names(tmp_path) == ["kept"]
    assert names(kept) == ["file"]


def test_only_leftovers_are_swept(tmp_path):
    for name in (".result.json.0a1b.part", "notes.part", ".hidden", "result.json"):
        (tmp_path / name).write_text("")
    tree(tmp_path / ".artifact.0a1b.part", file="1")
    files.remove_parts(tmp_path)
    assert names(tmp_path) == [".hidden", "notes.part", "result.json"]


def test_a_full_disk_is_told_apart_from_a_mistake(tmp_path):
    with (
        pytest.raises(CannotWrite, match=rf"cannot write {tmp_path}: No space left on device\.\n  Make it writable"),
        files.roomy(tmp_path),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError), files.roomy(tmp_path):
        (tmp_path / "none").read_bytes()
    assert files.no_room(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert files.no_room(OSError("8000 requested and 512 written"))
    assert not files.no_room(ValueError("no space"))


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    files.write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    files.write_atomic(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
