"""Options that several commands of `quorate netsim` have, and what they mean.

Law: importing this costs no simulator; names are checked when a command runs.
"""

import os
from pathlib import Path
from typing import Any

import click

from quorate.cli.output import JSON, TABLE, Output

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class OutFile(click.Path):
    """A file to be written when all is over, in a folder that is looked for before anything begins."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"{str(path)!r}: there is no folder {str(path.parent)!r}; make it first", param, ctx)
        return path


OUT = OutFile()

OUTPUT = click.option(
    "-o", "--output", envvar="QUORATE_OUTPUT", type=click.Choice([TABLE, JSON]), help="How to print (default table)."
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="one for each processor",
    help="Processes that play runs.",
)
PROFILE = click.option(
    "--profile",
    "profiles",
    metavar="NAME",
    multiple=True,
    help="A kind of world, such as plain, power or clocks; repeat it for several (default: all; the first column of the"
    " output names them).",
)


def output_in(form: str | None) -> Output:
    """As asked here, or before the command."""
    root = click.get_current_context().find_root().params
    return Output(form or root.get("output") or TABLE)


def known(profiles: tuple[str, ...]) -> tuple[str, ...]:
    """The same, if all are profiles; else click.BadParameter."""
    from quorate.netsim.campaign import known_profiles

    for name in profiles:
        if name not in known_profiles():
            raise click.BadParameter(f"got {name!r}, expected one of: {', '.join(known_profiles())}")
    return profiles
