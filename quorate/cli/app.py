"""The command as a whole: its commands, the options before them, and how it ends."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from quorate.cli.connection import common_options
from quorate.cli.endings import Exit, words_of

COMMANDS = {
    "up": "running",
    "peer": "running",
    "submit": "submitting",
    "get": "tasks",
    "list": "tasks",
    "wait": "waiting",
    "cancel": "tasks",
    "ready": "tasks",
    "retry": "tasks",
    "why": "tasks",
    "events": "events",
    "members": "cluster",
    "leader": "cluster",
    "openapi": "cluster",
    "doctor": "upkeep",
    "certs": "upkeep",
    "tokens": "upkeep",
    "completion": "completion",
    "lock": "later",
    "elect": "later",
    "standby": "later",
    "top": "later",
    "drain": "later",
    "snapshot": "later",
    "recover": "later",
    "netsim": "netsim",
}
"""Name of a command -> module it stands in, which is imported when the command is asked for."""


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # as click calls it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module = importlib.import_module(f"quorate.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command


@click.command(
    cls=Commands,
    context_settings={"auto_envvar_prefix": "QUORATE", "help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 usage or refused, 2 cannot connect, 3 not found, 4 conflict, 5 no quorum, 6 unknown, "
    "7 the awaited task did not succeed, or a simulation found a broken promise.",
)
@common_options
@click.version_option(package_name="quorate", prog_name="quorate")
def quorate(**_options: Any) -> None:
    """Peers that coordinate tasks with no central coordinator.

    Every option has a twin in the environment: `--timeout` is QUORATE_TIMEOUT, `submit --key` is QUORATE_SUBMIT_KEY.
    """


def main(args: Sequence[str] | None = None) -> int:
    """The entry point; gives the exit code."""
    given = list(sys.argv[1:] if args is None else args)
    try:
        code = quorate.main(given, prog_name="quorate", standalone_mode=False)
    except BrokenPipeError:
        # Whoever read us has gone; so do we, without a word, and what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the last place where it can become two sentences
        return _ended_with(error, debug="--debug" in given or bool(os.environ.get("QUORATE_DEBUG")))
    return code if isinstance(code, int) else Exit.DONE


def _ended_with(error: BaseException, *, debug: bool) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return Exit.REFUSED
    words = words_of(error)
    if debug:
        import traceback

        traceback.print_exception(error)
    if words is None:
        click.echo(f"Error: something nobody foresaw: {type(error).__name__}: {error}", err=True)
        click.echo("Repeat it with QUORATE_DEBUG=1 and report what it prints, please.", err=True)
        return Exit.REFUSED
    click.echo(f"Error: {words.happened}", err=True)
    if words.to_do:
        click.echo(words.to_do, err=True)
    return words.code
