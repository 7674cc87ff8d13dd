"""Commands that look after a cluster file and what it points at. They need no running cluster."""

from pathlib import Path

import click
import msgspec

from quorate.cli.endings import Ended, Exit
from quorate.cli.output import JSON, TABLE, Output

_PATH = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE = click.argument("file", envvar="QUORATE_FILE", type=_PATH)
FOLDER = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Instead of where the file expects them."
)
MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}


@click.command()
@click.argument("file", envvar="QUORATE_FILE", type=_PATH, default="cluster.yaml")
@click.option("--peer", "peer_id", metavar="ID", help="As this peer (default: all peers on loopback addresses).")
@click.option("-o", "--output", envvar="QUORATE_OUTPUT", type=click.Choice([TABLE, JSON]), default=TABLE)
def doctor(file: Path, peer_id: str | None, output: str) -> None:
    """Check the cluster FILE (default cluster.yaml) and this machine; exit code 1 if something must be mended."""
    from quorate.node.doctor import examine

    findings = examine(file, peer_id)
    if output == JSON:
        Output(JSON).document(findings)
    else:
        for finding in findings:
            word, colour = MARKS[finding.level]
            click.echo(f"{click.style(f'{word:<8}', fg=colour)} {finding.what}: {finding.detail}")
            if finding.fix:
                click.echo(f"{'':<8} {finding.fix}")
    problems = sum(finding.level == "problem" for finding in findings)
    if problems:
        noun = "problem" if problems == 1 else "problems"
        raise Ended(f"{problems} {noun} in {file}.", "Mend what is marked `problem`, then look again.", Exit.REFUSED)


@click.group()
def certs() -> None:
    """Certificates of a cluster."""


@certs.command("create")
@FILE
@FOLDER
def create_certs(file: Path, folder: Path | None) -> None:
    """Make a certificate authority, a certificate for each peer of FILE and one for a client."""
    from quorate.node import certs as made
    from quorate.node.config import load

    config = load(file)
    where = folder or made.folder_of(config)
    _tell_written(made.create(config, where))
    if config.tls is None:
        click.echo(f"Add to {file}:\n\n{_section(where, file.absolute().parent)}", err=True)


@certs.command("rotate")
@FILE
@FOLDER
def rotate_certs(file: Path, folder: Path | None) -> None:
    """Make new certificates of the same authority; running peers notice them."""
    from quorate.node import certs as made
    from quorate.node.config import load

    config = load(file)
    _tell_written(made.rotate(config, folder or made.folder_of(config)))


def _tell_written(files: list[Path]) -> None:
    for path in files:
        click.echo(path)


def _section(folder: Path, beside: Path) -> str:
    """The paths count from the cluster file where they can: the same file serves every machine."""
    from quorate.node.certs import places_in

    told = folder.absolute()
    told = told.relative_to(beside) if told.is_relative_to(beside) else told
    places = msgspec.to_builtins(places_in(told), enc_hook=str)
    return "tls:\n" + "".join(f"  {name}: '{place}'\n" for name, place in places.items())


@click.group()
def tokens() -> None:
    """Bearer tokens of HTTP clients."""


@tokens.command("create")
@FILE
@click.argument("name")
def create_token(file: Path, name: str) -> None:
    """Make a token for NAME and print it, this once; the cluster keeps only its hash."""
    from quorate.node import tokens as made
    from quorate.node.config import load

    config = load(file)
    if config.tokens is None:
        to_do = f"Add to it, then repeat:\n\ntokens:\n  file: {file.parent / 'tokens.yaml'}"
        raise Ended(f"{file} names no file for tokens.", to_do, Exit.REFUSED)
    click.echo(made.create(config.tokens.file, name))


COMMANDS = {"doctor": doctor, "certs": certs, "tokens": tokens}
