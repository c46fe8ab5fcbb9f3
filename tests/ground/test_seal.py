"""A sealed file opens where it was sealed and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from paredown.core.errors import Damaged, UsageError
from paredown.ground import seal


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_what_was_sealed_here_is_opened_and_the_key_is_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(seal.sealed(b"body"))
    assert seal.opened(tmp_path / "file") == b"body"
    key = tmp_path / "state/paredown/seal.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["seal.key"]


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_changed_file_is_not_opened(tmp_path: Path, at: int) -> None:
    content = bytearray(seal.sealed(b"body"))
    content[at] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Damaged, match=r"file was changed, or was not written by your paredown on this machine; it holds code"):
        seal.opened(tmp_path / "file")


def test_a_file_from_another_machine_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(seal.sealed(b"body"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(Damaged, match="was not written by your paredown on this machine"):
        seal.opened(tmp_path / "file")


def test_an_absent_file_and_a_key_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Damaged, match=r"gone cannot be read: No such file"):
        seal.opened(tmp_path / "gone")
    (tmp_path / "in-the-way").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in-the-way"))
    with pytest.raises(UsageError, match=r"seal\.key cannot be kept: Not a directory"):
        seal.sealed(b"body")
