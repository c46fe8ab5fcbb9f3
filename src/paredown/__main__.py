"""The entry of the command `paredown` and of `python -m paredown`."""

from __future__ import annotations

import errno
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0]) == os.path.realpath("."):
    del sys.path[0]  # `python -m` looks where it stands first; a stranger's folder may hold a click.py

from collections.abc import Sequence
from importlib import import_module

import click

from paredown.cli import COMMANDS
from paredown.core.errors import ParedownError, UnknownName, UsageError

BUG = 6


class LazyGroup(click.Group):
    """A group that knows its commands' names and help from a table and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table, which is the order of the work."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name suggested.

        Raises:
            UnknownName: There is no such command.
        """
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UnknownName("command", args[0], COMMANDS, "`paredown --help` shows all.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        click.echo(f"paredown {version('paredown')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def paredown() -> None:
    """From a trained model, its data and a policy to what costs least and still passes, with the evidence.

    \b
    paredown init --example digits     write a job.yaml to start from
    paredown run job.yaml              search, confirm, release
    paredown verify runs/digits        prove what was written

    Exit codes: 0 pass, 1 a must failed, 2 wrong usage or file, 3 inconclusive only, 4 infeasible, 5 evidence or artifact damaged,
    6 a run-time failure. Every command takes --json.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code.

    A command returns its exit code, or None for 0. An error of the tree in `core.errors` prints its message alone and exits with its own
    code; anything else is a bug: the traceback is shown whole, on stderr, and the code is 6.
    """
    from paredown.cli.screen import forgiving

    forgiving()
    words = [*(sys.argv[1:] if args is None else args)]
    own = words[: words.index("--")] if "--" in words else words
    try:
        code = paredown.main(words, prog_name="paredown", standalone_mode=False)
    except (ParedownError, click.ClickException) as error:
        from paredown.cli.screen import show_error

        code = show_error(error, as_json="--json" in own)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped; what was recorded is kept, the same command goes on from there.", err=True)
        code = 130
    except Exception as error:
        import traceback

        from paredown.cli.screen import dump, note, show_error

        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            said = f"{str(error.filename)!r:.80} is too long for the name of a file here.\n  Give a shorter path."
            sys.exit(show_error(UsageError(said), as_json="--json" in own))
        if "--json" in own:
            dump({"error": {"kind": type(error).__name__, "message": str(error), "exit_code": BUG}})

        note(traceback.format_exc() + "This is a bug in paredown, or in a unit that it called; please report it with the lines above.")
        code = BUG
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
