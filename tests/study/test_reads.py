from pathlib import Path

import pytest

from paredown.core.reading import Missing
from paredown.study import reads


def test_reads_add_up_over_studies_and_count_once_each(tmp_path):
    path = tmp_path / "state" / "reads.sqlite"
    assert reads.count("rows", path) == 0
    counts = [reads.add("rows", tmp_path / study, key, path) for study, key in [("a", "m1"), ("a", "m1"), ("a", "m2"), ("b", "m1")]]
    assert counts == [1, 1, 2, 3]
    assert reads.add("other rows", tmp_path / "a", "m1", path) == 1
    assert reads.count("rows", path) == 3


def test_a_study_counts_once_however_its_path_is_written(tmp_path, monkeypatch):
    path = tmp_path / "reads.sqlite"
    monkeypatch.chdir(tmp_path)
    assert [reads.add("rows", folder, "m", path) for folder in (Path("runs/a"), tmp_path / "runs" / "a", Path("runs/../runs/a"))] == [
        1,
        1,
        1,
    ]


def test_the_default_follows_the_desktop_rule(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert reads.default_path() == tmp_path / "state" / "paredown" / "test_reads.sqlite"
    assert reads.add("rows", tmp_path, "m") == reads.count("rows") == 1
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert reads.default_path() == tmp_path / ".local" / "state" / "paredown" / "test_reads.sqlite"


@pytest.mark.parametrize("ask", [lambda path: reads.count("rows", path), lambda path: reads.add("rows", Path("s"), "m", path)])
def test_a_damaged_count_gives_a_reason_not_an_error(tmp_path, ask):
    path = tmp_path / "reads.sqlite"
    path.write_bytes(b"no database at all" * 100)
    answer = ask(path)
    assert isinstance(answer, Missing)
    assert str(path) in answer.reason
    assert "not a database" in answer.reason


def test_a_folder_that_cannot_be_written_gives_a_reason(tmp_path):
    (tmp_path / "file").write_text("")
    answer = reads.add("rows", tmp_path, "m", tmp_path / "file" / "reads.sqlite")
    assert isinstance(answer, Missing)
    assert "cannot be counted on this machine" in answer.reason


def test_a_count_that_was_killed_at_birth_goes_on(tmp_path):
    path = tmp_path / "reads.sqlite"
    path.touch()
    assert [reads.count("rows", path), reads.add("rows", tmp_path, "m", path)] == [0, 1]


def test_no_home_gives_a_reason(tmp_path, monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert reads.count("rows") == Missing(
        quantity="test_reads",
        reason="reads of test cannot be counted on this machine: the user's state folder: Could not determine home directory.",
    )
