"""`quorate peer` runs a peer in this process; `quorate up` runs all peers of a file as processes of their own."""

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", envvar="QUORATE_FILE", type=FILE)
@click.argument("peer_id", metavar="ID", envvar="QUORATE_PEER_ID")
@click.option(
    "--found", is_flag=True, help="Found a new cluster with the peers that answer, though not all do (a majority must)."
)
def peer(file: Path, peer_id: str, found: bool) -> int:
    """Run the peer ID of the cluster FILE, until SIGTERM or Ctrl-C."""
    from quorate.node.boot import run
    from quorate.node.config import load

    return run(load(file, peer_id), peer_id, found=found)


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
