"""`quorate peer` runs a peer in this process; `quorate up` runs all peers of a file as processes of their own."""

from pathlib import Path
from typing import Literal

import click

from quorate.cli.endings import Ended, Exit

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", envvar="QUORATE_FILE", type=FILE)
@click.argument("peer_id", metavar="ID", envvar="QUORATE_PEER_ID")
@click.option(
    "--found", is_flag=True, help="Found a new cluster with the peers that answer, though not all do (a majority must)."
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="Of the log, which goes to stderr."
)
def peer(file: Path, peer_id: str, found: bool, log_format: Literal["text", "json"]) -> int:
    """Run the peer ID of the cluster FILE, until SIGTERM or Ctrl-C."""
    from quorate.node.config import load
    from quorate.node.logs import write_logs
    from quorate.node.process import CannotStart, run

    write_logs(log_format)
    try:
        return run(load(file, peer_id), peer_id, found=found)
    except CannotStart as refused:
        raise Ended(str(refused), refused.to_do, Exit.REFUSED) from refused


@click.command()
@click.argument("file", envvar="QUORATE_FILE", type=FILE, default="cluster.yaml")
def up(file: Path) -> int:
    """Run all peers of the cluster FILE (default cluster.yaml) here, until Ctrl-C.

    Each is a process of its own; one that ends is not started again, and the others go on.
    """
    from quorate.cli.together import Together
    from quorate.node.config import load

    config = load(file)
    return Together(file, config).run()


COMMANDS = {"peer": peer, "up": up}
