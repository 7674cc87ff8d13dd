"""Commands about the cluster: its members, its leader, what it accepts."""

import click

from quorate.cli.connection import Connection, with_connection
from quorate.cli.later import not_built

MEMBER_COLUMNS = ("id", "connected", "voter", "session", "running", "slots", "region", "http", "version")


@click.group()
def members() -> None:
    """Who belongs to the cluster."""


@members.command("list")
@with_connection
def list_members(connection: Connection) -> None:
    """The members, as the peer that answers sees them.

    SESSION: it is trusted to run tasks. SLOTS: attempts it may hold now, those claimed ahead of a free thread included.
    """
    with connection.client() as client:
        cluster = client.cluster()
    connection.output.rows(MEMBER_COLUMNS, cluster["peers"])


@click.group()
def leader() -> None:
    """Who leads."""


@leader.command("show")
@with_connection
def show_leader(connection: Connection) -> None:
    """The leader and its term, as the peer that answers sees it."""
    with connection.client() as client:
        cluster = client.cluster()
    names = ("leader", "term", "commit_index", "peer", "role", "stale_s")
    connection.output.record({name: cluster.get(name) for name in names})


@click.command()
@with_connection
def openapi(connection: Connection) -> None:
    """What the peers accept and answer, as an OpenAPI document."""
    with connection.client() as client:
        connection.output.document(client.openapi())


members.add_command(not_built("members add", "Add a member."))
members.add_command(not_built("members remove", "Remove a member."))
leader.add_command(not_built("leader transfer", "Hand leadership to another member."))

COMMANDS = {"members": members, "leader": leader, "openapi": openapi}
