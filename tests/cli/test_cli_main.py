"""The command itself: its table, its help, its errors and exit codes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import click
import pytest

from paredown import __main__ as entry
from paredown.cli import COMMANDS, screen
from paredown.core.errors import BadDocument, Damaged, Problem, UnknownName, WorkerDied


def leave(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run in this process: exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as left:
        entry.main(words)
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch):
    """Puts a command `boom` into the table that raises what the test gives."""
    raised: list[BaseException | int | None] = []

    @click.command()
    @screen.json_flag
    def boom(as_json: bool) -> int | None:
        if isinstance(raised[0], BaseException):
            raise raised[0]
        return raised[0]

    monkeypatch.setitem(COMMANDS, "boom", (f"{__name__}:boom", "Raise."))
    monkeypatch.setattr(sys.modules[__name__], "boom", boom, raising=False)
    return raised


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_with_its_help_and_json(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")
    assert importlib.import_module(module).__doc__
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert "--json" in [option for item in command.params for option in item.opts]
    assert command.get_short_help_str(200).removesuffix("...").rstrip(".") in COMMANDS[name][1]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = leave(capsys, "--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert leave(capsys, "--version")[:2] == (0, f"paredown {version('paredown')}\n")


def test_an_unknown_command_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = leave(capsys, "lits")
    assert (code, out) == (2, "")
    assert err == "no command 'lits'. Did you mean 'list'? `paredown --help` shows all.\n"
    with pytest.raises(UnknownName, match=r"no command 'lits'\. Did you mean 'list'"):
        entry.paredown.main(["lits"], standalone_mode=False)


def test_a_wrong_option_shows_where_help_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = leave(capsys, "list", "--colour")
    assert code == 2
    assert "No such option" in err
    assert "`paredown list --help`" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (1, 1), (3, 3), (4, 4)])
def test_a_commands_answer_is_the_exit_code(raising, returned: int | None, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    raising[:] = [returned]
    assert leave(capsys, "boom")[0] == code


@pytest.mark.parametrize(("error", "code"), [(Damaged("model.onnx is not what was written."), 5), (WorkerDied("signal 9."), 6)])
def test_our_errors_show_their_message_alone(raising, error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    raising[:] = [error]
    assert leave(capsys, "boom") == (code, "", f"{error}\n")


def test_errors_as_json(raising, capsys: pytest.CaptureFixture[str]) -> None:
    raising[:] = [BadDocument([Problem("job.yaml:3", "metric is absent.", "Write `metric: accuracy`.")])]
    code, out, err = leave(capsys, "boom", "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["error"] == {
        "kind": "BadDocument",
        "message": "job.yaml:3: metric is absent.\n  Write `metric: accuracy`.",
        "exit_code": 2,
        "problems": [{"where": "job.yaml:3", "found": "metric is absent.", "do": "Write `metric: accuracy`."}],
    }


def test_a_bug_shows_the_whole_traceback(raising, capsys: pytest.CaptureFixture[str]) -> None:
    raising[:] = [ZeroDivisionError("of a count")]
    code, _, err = leave(capsys, "boom")
    assert code == 6
    assert "Traceback (most recent call last)" in err
    assert "ZeroDivisionError: of a count" in err
    assert "bug" in err
    code, out, err = leave(capsys, "boom", "--json")
    assert (code, json.loads(out)) == (6, {"error": {"kind": "ZeroDivisionError", "message": "of a count", "exit_code": 6}})
    assert "Traceback" in err


def test_ctrl_c_says_that_nothing_is_lost(raising, capsys: pytest.CaptureFixture[str]) -> None:
    raising[:] = [KeyboardInterrupt()]
    code, _, err = leave(capsys, "boom")
    assert code == 130
    assert "what was recorded is kept" in err


def test_json_after_two_dashes_belongs_to_the_measured_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = leave(capsys, "lits", "--", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("no command")


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "paredown", "list", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("no kind 'nothing'.")


@pytest.mark.parametrize("words", [("verify", "x" * 10_000), ("init", "x" * 10_000 + ".onnx", "--test", "t.csv"), ("run", "x" * 10_000)])
def test_a_path_that_no_file_can_have_is_a_users_mistake(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = leave(capsys, *words)
    assert code == 2
    assert "Traceback" not in err
