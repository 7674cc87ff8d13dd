"""Commands about one task, and the list of them."""

from typing import Any

import click
import msgspec

from quorate.cli.connection import Connection, with_connection
from quorate.protocol.told import TaskInfo
from quorate.scheduling.task import State

COLUMNS = ("id", "state", "handler", "attempt", "peer", "submitted_at", "ended_at", "reason")
STATES = click.Choice([str(state) for state in State])
CONSISTENCY = click.option(
    "--consistency",
    type=click.Choice(["linearizable", "stale"]),
    default="linearizable",
    show_default=True,
    help="stale: what the peer that answers has, also without a quorum.",
)


def told(task: TaskInfo) -> dict[str, Any]:
    """A task as it is printed."""
    fields: dict[str, Any] = msgspec.to_builtins(task)
    return fields


@click.command()
@click.argument("task", metavar="ID")
@CONSISTENCY
@with_connection
def get(connection: Connection, task: str, consistency: Any) -> None:
    """Show a task."""
    with connection.client() as client:
        connection.output.record(told(client.task(task, consistency)))


@click.command("list")
@click.option("--namespace")
@click.option("--queue")
@click.option("--state", type=STATES)
@click.option("--handler")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="At most so many.")
@CONSISTENCY
@with_connection
def list_tasks(connection: Connection, limit: int, **filters: Any) -> None:
    """List tasks, live ones and history, newest first."""
    from itertools import islice

    with connection.client() as client:
        found = [told(task) for task in islice(client.tasks(**filters), limit)]
    connection.output.rows(COLUMNS, found)


@click.command()
@click.argument("task", metavar="ID")
@click.option("--reason", default="", help="Shown with the task.")
@with_connection
def cancel(connection: Connection, task: str, reason: str) -> None:
    """Cancel a task, in whatever state; a running handler is told."""
    with connection.client() as client:
        connection.output.record(told(client.cancel(task, reason)))


@click.command()
@click.argument("task", metavar="ID")
@with_connection
def ready(connection: Connection, task: str) -> None:
    """Let a held task go."""
    with connection.client() as client:
        connection.output.record(told(client.ready(task)))


@click.command()
@click.argument("task", metavar="ID")
@with_connection
def retry(connection: Connection, task: str) -> None:
    """Give a failed task a fresh round of attempts."""
    with connection.client() as client:
        connection.output.record(told(client.retry(task)))


@click.command()
@click.argument("task", metavar="ID")
@with_connection
def why(connection: Connection, task: str) -> None:
    """Say why a task is where it is."""
    with connection.client() as client:
        connection.output.record(client.why(task))


COMMANDS = {"get": get, "list": list_tasks, "cancel": cancel, "ready": ready, "retry": retry, "why": why}
