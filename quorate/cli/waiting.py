"""Waiting for tasks, with a bar for many, and the verdict."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from quorate.cli.connection import Connection, with_connection
from quorate.cli.endings import Ended, Exit
from quorate.cli.tasks import told
from quorate.handle import as_completed
from quorate.protocol.told import TaskInfo
from quorate.scheduling.task import State

if TYPE_CHECKING:
    from quorate.handle import Handle

COLUMNS = ("id", "state", "attempt", "result", "error", "reason")

WITHIN = click.option(
    "--within",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Wait for so many seconds at most (default: until the end).",
)


@click.command()
@click.argument("tasks", metavar="ID...", nargs=-1, required=True)
@WITHIN
@with_connection
def wait(connection: Connection, tasks: tuple[str, ...], within: float | None) -> None:
    """Wait until tasks have ended. `-` reads ids from standard input. Exit code 7 if one did not succeed."""
    from quorate.handle import Handle

    ids = dict.fromkeys(name for word in tasks for name in (sys.stdin.read().split() if word == "-" else [word]))
    with connection.client() as client:
        ended = await_ends([Handle[Any](client, task, "") for task in ids], within)
    show_ends(connection, ended)


def await_ends(handles: Sequence["Handle[Any]"], within_s: float | None) -> list[TaskInfo]:
    """The ended tasks, in order. Raises Ended when the time is over."""
    left = {handle.id for handle in handles}
    until = None if within_s is None else time.monotonic() + within_s
    with _progress(len(handles)) as progress:
        try:
            for handle in as_completed(handles, None if until is None else max(0.0, until - time.monotonic())):
                left.discard(handle.id)
                progress.one_ended(succeeded=handle.info().state is State.SUCCEEDED)
        except TimeoutError:
            what = f"Task {next(iter(left))} has" if len(left) == 1 else f"{len(left)} of {len(handles)} tasks have"
            to_do = "They go on; `quorate why ID` says what one waits for."
            raise Ended(f"{what} not ended within {within_s:g} s.", to_do, Exit.DID_NOT_SUCCEED) from None
    return [handle.info() for handle in handles]


def show_ends(connection: Connection, ended: Sequence[TaskInfo]) -> None:
    """Raises TaskFailed, TaskCancelled or Ended if not all succeeded."""
    shown = [told(task) for task in ended]
    if len(shown) == 1:
        connection.output.record(shown[0])
    else:
        connection.output.rows(COLUMNS, shown)
    failures = [failure for task in ended if (failure := task.failure())]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        what = f"{len(failures)} of {len(ended)} tasks did not succeed."
        raise Ended(what, "`quorate get ID` shows what became of one.", Exit.DID_NOT_SUCCEED)


class _Progress(Protocol):
    def one_ended(self, *, succeeded: bool) -> None: ...


class _Silent:
    def one_ended(self, *, succeeded: bool) -> None:
        """Nobody watches, or there is nothing to watch."""


@contextmanager
def _progress(count: int) -> Iterator[_Progress]:
    if count < 2 or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("ended"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("", total=count, failed="")

        class Bar:
            failed = 0

            def one_ended(self, *, succeeded: bool) -> None:
                self.failed += not succeeded
                shown.update(bar, advance=1, failed=f"[red]{self.failed} did not succeed" if self.failed else "")

        yield Bar()


COMMANDS = {"wait": wait}
