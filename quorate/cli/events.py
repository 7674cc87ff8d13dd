"""`quorate events`: the timeline of a task, and the stream of all that happens."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from quorate.cli.connection import Connection, with_connection
from quorate.cli.output import text_of
from quorate.cli.tasks import STATES
from quorate.scheduling.task import ENDED

if TYPE_CHECKING:
    from quorate.client import Client

LAST_OF_ENTRY = 999_999_999
"""Behind every event of a log entry."""


@click.command()
@click.argument("task", metavar="[ID]", required=False)
@click.option(
    "-f", "--follow", is_flag=True, help="Go on as things happen: for a task until it has ended, else for ever."
)
@click.option("--after", default="", metavar="INDEX.N", help="Go on behind this event of the stream.")
@click.option("--namespace")
@click.option("--queue")
@click.option("--state", type=STATES)
@click.option("--handler")
@with_connection
def events(connection: Connection, task: str | None, follow: bool, after: str, **filters: Any) -> None:
    """The timeline of the task ID, or with -f alone the stream of all that happens."""
    if task is None and not follow:
        raise click.UsageError("Name a task for its timeline, or say -f to follow everything.")
    if task is not None and (after or any(filters.values())):
        raise click.UsageError("--after and filters are for the stream of all events, not for one task.")
    with connection.client() as client:
        if task is None:
            for event in client.events(after, **filters):
                _print(connection, {"id": event.id, "event": event.kind, **event.data})
        else:
            for moment in _of_task(client, task, follow=follow):
                _print(connection, moment)


def _of_task(client: "Client", task: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    index = client.cluster()["commit_index"] if follow else 0
    seen = set()
    for moment in client.timeline(task):
        seen.add((moment["kind"], moment["at"], moment.get("attempt")))
        yield moment
    if not follow or client.task(task).has_ended:
        return
    # From before the timeline was read: what it showed already is left out.
    for event in client.events(f"{index}.{LAST_OF_ENTRY}"):
        data = event.data
        if data.get("task") == task and (data["kind"], data["at"], data.get("attempt")) not in seen:
            yield {name: data.get(name) for name in ("kind", "at", "attempt", "peer", "detail")}
            if data["state"] in ENDED:
                return


def _print(connection: Connection, event: dict[str, Any]) -> None:
    if connection.output.is_json:
        connection.output.line(event)
        return
    first = (event.get("at"), event.get("kind") or event.get("event"))
    rest = (
        f"{name}={text_of(value)}" for name, value in event.items() if name not in ("at", "kind") and text_of(value)
    )
    click.echo("  ".join([f"{text_of(first[0]):<24}", f"{text_of(first[1]):<12}", *rest]).rstrip())


COMMANDS = {"events": events}
