"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paredown.core.errors import CannotWrite

PART = ".part"
PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
"""What files end in that can run any code when they are read; none is ever read."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_SAYS_NO_ROOM = re.compile(r"No space left on device|Read-only file system|\d+ requested and \d+ written")


def state_folder() -> Path:
    """What paredown keeps on this machine across studies: `paredown` under XDG_STATE_HOME, else under ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "paredown"


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn what the system says about a path (read-only, disk full, not a folder) into an error that names it.

    Raises:
        CannotWrite: Any OSError inside; says the path and the system's reason.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def roomy(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk, wherever work on a folder meets it, into an error that names the file; other errors pass.

    Raises:
        CannotWrite: Says the file, or the folder where the system names none.
    """
    try:
        yield
    except OSError as error:
        if not no_room(error):
            raise
        raise cannot_write(Path(error.filename or folder), error) from error


def no_room(error: BaseException) -> bool:
    """Whether an error says that the disk is full or read-only; libraries that write by themselves only say it in words."""
    return getattr(error, "errno", None) in _NO_ROOM or _SAYS_NO_ROOM.search(str(error)) is not None


def cannot_write(path: Path | str, error: BaseException) -> CannotWrite:
    """The error for a path that the system does not let us write."""
    known = _SAYS_NO_ROOM.search(str(error))
    said = known[0] if known else str(getattr(error, "strerror", None) or error).partition("\n")[0]
    return CannotWrite(f"cannot write {path}: {said}.\n  Make it writable and free some space, or choose another folder.")


def sqlite_uri(path: Path, read_only: bool = False) -> str:
    """How SQLite is told to open a file that is there.

    Where nobody can write, there is no room for its helper files either, and no writer: then the file is taken as it stands, unless a
    killed writer left rows in its log.
    """
    left = path.with_name(f"{path.name}-wal")
    frozen = read_only and not os.access(path.parent, os.W_OK) and not (left.exists() and left.stat().st_size)
    return f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}{'&immutable=1' if frozen else ''}"


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, also after a power cut.

    Args:
        path: The file; its folder exists. A link stays one, and what is no file, as /dev/stdout or a pipe, is written into.
        content: All of it.

    Raises:
        CannotWrite: The file cannot be written; the old one is unchanged.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not (path.is_file() or path.is_dir()):
        with writable(path), path.open("wb") as device:
            device.write(content)
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    with writable(path):
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def replace(part: Path, target: Path) -> None:
    """Rename a finished file into its place, for good: what stood there is replaced, also after a power cut.

    Raises:
        CannotWrite: `target` cannot be written.
    """
    with writable(target):
        os.replace(part, target)
        _sync(target.parent)


def move_folder_into_place(temp: Path, target: Path) -> None:
    """Put a finished folder where it belongs; readers never see a half-written one.

    The old folder is set aside, the new one renamed into its place, the old one deleted. A crash between the two renames leaves no target
    and the finished `temp`, so that the same call can be made again.

    Args:
        temp: The finished folder, on the same disk as `target`.
        target: Where it goes; what stands there is replaced whole.

    Raises:
        CannotWrite: `target` cannot be written.
    """
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
    with writable(target):
        for folder, _, names in os.walk(temp):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        if target.exists():
            os.replace(target, aside)
        try:
            replace(temp, target)
        except BaseException:
            if aside.exists() and not target.exists():
                os.replace(aside, target)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it; a link is deleted, not what it points to; nothing there is fine.

    Raises:
        CannotWrite: It cannot be deleted.
    """
    with writable(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def settle(part: Path, target: Path) -> None:
    """Rename a finished file or folder into a place that is named after its content; where it stands already, it is the same.

    Raises:
        CannotWrite: The part cannot be deleted.
    """
    if target.exists():
        remove(part)
    else:
        part.rename(target)


def retire(path: Path) -> None:
    """Take a folder away in one step: a crash leaves it whole or not at all, and a part that `remove_parts` deletes.

    Raises:
        CannotWrite: It cannot be moved.
    """
    if path.exists():
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
        with writable(path):
            os.replace(path, aside)
        shutil.rmtree(aside, ignore_errors=True)


def part_beside(target: Path) -> Path:
    """A new empty folder beside a target, to be filled and moved into its place; its mode is what the umask leaves."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
    part.mkdir(parents=True)
    return part


def copy_folder(source: Path, target: Path) -> None:
    """Copy what is in a folder into another one; the modes of the copies are what the umask leaves, not those of the source."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            copy_folder(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name, follow_symlinks=False)


def size_b(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove_parts(folder: Path) -> None:
    """Delete what a killed `write_atomic` or `move_folder_into_place` left in a folder; only while nobody else writes there."""
    for part in folder.glob(f".*{PART}"):
        remove(part)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
