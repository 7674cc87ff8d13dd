"""`quorate netsim mutants`: bugs made on purpose, and what notices each of them.

Law: exit code 7 if one is noticed by nothing: a check that stays green while its promise is broken checks nothing.
"""

from typing import TYPE_CHECKING

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_run import JOBS, OUTPUT, output_in

if TYPE_CHECKING:
    from quorate.netsim.mutants import Row

SEEDS = 20
COLUMNS = ("mutant", "caught_by", "check", "seeds", "breaks")


@click.command()
@click.argument("names", metavar="[MUTANT]...", nargs=-1)
@click.option(
    "--seeds", type=click.IntRange(1), default=SEEDS, show_default=True, help="Of each profile, before the next way."
)
@JOBS
@OUTPUT
def mutants(names: tuple[str, ...], seeds: int, jobs: int, output: str | None) -> None:
    """Plant known bugs one by one (default: all) and see each one caught; exit code 7 if one is not.

    A bug is a small change in memory that makes the peers do something wrong. SEEDS: how many runs it took to notice.
    """
    from quorate.netsim.mutants import MUTANTS, hunt

    for name in names:
        if name not in MUTANTS:
            raise click.BadParameter(f"got {name!r}, expected one of: {', '.join(MUTANTS)}")
    rows = hunt(names or None, seeds, jobs, _say)
    output_in(output).rows(COLUMNS, [_told(row) for row in rows])
    survivors = [row.mutant for row in rows if row.survived]
    if survivors:
        raise Ended(
            f"{len(survivors)} of {len(rows)} mutants were caught by nothing: {', '.join(survivors)}.",
            "Each needs a check, a profile or a directed scenario that notices it.",
            Exit.DID_NOT_SUCCEED,
        )


def _say(row: "Row") -> None:
    how = "SURVIVED" if row.survived else f"caught by {row.caught_by}"
    click.echo(f"{row.mutant}: {how} ({row.seeds} runs, {row.seconds:.1f} s)", err=True)


def _told(row: "Row") -> dict[str, object]:
    names = ("mutant", "hole", "breaks", "caught_by", "check", "text", "seed", "seeds")
    return {**{name: getattr(row, name) for name in names}, "survived": row.survived}
