"""`quorate netsim mutants`: bugs made on purpose, and what notices each of them.

Law: exit code 7 if one is noticed by nothing: a check that stays green while its promise is broken checks nothing.
"""

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import JOBS, OUTPUT, output_in

if TYPE_CHECKING:
    from quorate.netsim.mutants import Row

SEEDS = 20
COLUMNS = ("mutant", "caught_by", "check", "seeds", "breaks")


@click.command()
@click.argument("names", metavar="[MUTANT]...", nargs=-1)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=SEEDS,
    show_default=True,
    help="Runs of each profile that may catch a bug, before another is tried.",
)
@JOBS
@OUTPUT
def mutants(names: tuple[str, ...], seeds: int, jobs: int, output: str | None) -> None:
    """Plant known bugs one by one (default: all) and see each one caught; exit code 7 if one is not.

    A bug (a mutant) is a small change in memory that makes the peers do something wrong; nothing on disk is changed.
    The table tells which profile or directed scenario caught it, which check noticed, how many runs (seeds) that took,
    and what the bug is; S1, L5 and so on are holes of the stock Raft library that it brings back
    (`consensus/DESIGN.md`).
    """
    from quorate.netsim.mutants import MUTANTS, hunt

    for name in names:
        if name not in MUTANTS:
            near = ", ".join(get_close_matches(name, MUTANTS, n=3))
            to_do = f"expected, for example, {near}" if near else "without names all are played and listed"
            raise click.BadParameter(f"got {name!r}, which is no mutant; {to_do}")
    rows = hunt(names or None, seeds, jobs, _say)
    told = output_in(output)
    told.rows(COLUMNS, [_told(row) for row in rows])
    survivors = [row.mutant for row in rows if row.survived]
    if survivors:
        raise Ended(
            f"{len(survivors)} of {len(rows)} mutants were caught by nothing: {', '.join(survivors)}.",
            "Each needs a check, a profile or a directed scenario that notices it.",
            Exit.DID_NOT_SUCCEED,
        )
    if not told.is_json:
        click.echo(f"\nEvery mutant was caught ({len(rows)} of {len(rows)}).")


def _say(row: "Row") -> None:
    how = "SURVIVED" if row.survived else f"caught by {row.caught_by}"
    runs = "1 run" if row.seeds == 1 else f"{row.seeds} runs"
    click.echo(f"{row.mutant}: {how} ({runs}, {row.seconds:.1f} s)", err=True)


def _told(row: "Row") -> dict[str, object]:
    names = ("mutant", "hole", "breaks", "caught_by", "check", "text", "seed", "seeds")
    return {**{name: getattr(row, name) for name in names}, "survived": row.survived}
