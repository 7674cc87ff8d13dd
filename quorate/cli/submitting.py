"""`quorate submit`: one task, or a file of them."""

from typing import Any, BinaryIO

import click
import msgspec

from quorate.cli import arguments
from quorate.cli.connection import Connection, with_connection
from quorate.cli.endings import Ended, Exit
from quorate.cli.tasks import told
from quorate.cli.waiting import WITHIN, await_ends, show_ends
from quorate.errors import Unknown
from quorate.protocol.asked import Keys


def _label(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals:
            raise click.BadParameter(f"got {word!r}, expected name=value")
        labels[name] = text
    return labels


@click.command()
@click.argument("handler", required=False)
@click.argument("args", nargs=-1, metavar="[NAME=VALUE...]")
@click.option("--wait", is_flag=True, help="Wait for the end; exit code 7 if it did not succeed.")
@WITHIN
@click.option("--key", help="Idempotency key: repeated with the same key, it is the same task.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher goes first.")
@click.option("--after", multiple=True, metavar="ID", help="Only after this task has ended; may be given again.")
@click.option("--on-dependency-failure", type=click.Choice(["fail", "run"]), help="What a failed --after does to it.")
@click.option("--not-before", metavar="TIME", help="Earliest time, e.g. 2026-11-20T18:00:00Z.")
@click.option("--deadline", metavar="TIME", help="When it must have ended.")
@click.option("--attempt-timeout", "timeout_", type=click.FloatRange(min=0), metavar="S", help="Per attempt; 0: none.")
@click.option("--retries", type=click.IntRange(0, 1_000), help="How often it is tried again after a handler's error.")
@click.option("--held", is_flag=True, default=None, help="Only when `quorate ready ID` lets it go.")
@click.option("--namespace")
@click.option("--queue")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", callback=_label, help="May be given again.")
@click.option("--allow-unknown-handler", is_flag=True, default=None, help="Also for a handler no peer ever had.")
@click.option("--file", "source", type=click.File("rb"), metavar="NDJSON", help="One task object a line; `-`: stdin.")
@with_connection
def submit(
    connection: Connection,
    handler: str | None,
    args: tuple[str, ...],
    wait: bool,
    within: float | None,
    source: BinaryIO | None,
    timeout_: float | None,
    retries: int | None,
    **fields: Any,
) -> None:
    """Submit a task for HANDLER with arguments, and print its id.

    Values are JSON where they can be (cents=999), else texts (order=o-1); instead of NAME=VALUE words, one JSON object
    or array. With --file, many tasks as objects of the HTTP interface.

    What @quorate.task declares (retry, timeout, ...) goes with tasks submitted through the function, in Python. Asked
    for by name, a task has what is given here, or else no retries and the cluster's default timeout.
    """
    fields |= {"timeout": timeout_, "retry": None if retries is None else {"max": retries}}
    given = {name: value for name, value in fields.items() if value is not None and value not in ((), {})}
    if source is not None:
        if handler or given:
            raise click.UsageError("With --file the lines say everything; leave out HANDLER and options of the task.")
        _submit_file(connection, source, wait=wait, within_s=within)
        return
    if not handler:
        raise click.UsageError("Name a HANDLER, or give tasks with --file.")
    given["key"] = given.get("key") or Keys()()
    task = {"handler": handler, "args": arguments.parse(args), **given}
    with connection.client() as client:
        try:
            handle = client.submit_task(task)
        except Unknown as error:
            to_do = f"Repeat the command with --key {given['key']}: it is done at most once."
            raise Ended(str(error), to_do, Exit.UNKNOWN) from error
        if wait:
            show_ends(connection, await_ends([handle], within))
        elif connection.output.is_json:
            connection.output.record(told(handle.info()))
        else:
            click.echo(handle.id)


def _submit_file(connection: Connection, source: BinaryIO, *, wait: bool, within_s: float | None) -> None:
    tasks = [_task(number, line) for number, line in enumerate(source, 1) if line.strip()]
    if not tasks:
        return
    with connection.client() as client:
        handles = client.submit_stream(tasks)
        if wait:
            show_ends(connection, await_ends(handles, within_s))
            return
    for handle in handles:
        if connection.output.is_json:
            connection.output.line({"id": handle.id, "key": handle.key})
        else:
            click.echo(handle.id)


def _task(number: int, line: bytes) -> dict[str, Any]:
    try:
        task = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"line {number} is not JSON: {error}", param_hint="--file") from None
    if not isinstance(task, dict):
        raise click.BadParameter(f"line {number} is not a task object", param_hint="--file")
    return task


COMMANDS = {"submit": submit}
