"""`quorate netsim soak`: every scenario file and new seeds of every profile, for a while.

Law: it goes on where the last soak stopped, and what never happened in all seeds of a commit is told as a failure.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import JOBS, OUTPUT, PROFILE, known, output_in
from quorate.cli.netsim_run import investigated, print_finding, print_tally

if TYPE_CHECKING:
    from quorate.netsim.campaign import Tally, Verdict
    from quorate.netsim.soak import Soaked

SECONDS = 600.0
CRASH_STATES = 10_000
TELL_EVERY = 100
COLUMNS = ("commit", "profile", "seeds", "bad", "first_bad", "virtual_s")


@click.command()
@click.option("--seconds", type=click.FloatRange(0.0), default=SECONDS, show_default=True, help="Real seconds.")
@click.option("--table", type=click.Path(dir_okay=False, path_type=Path), help="Where it adds up (.soak/table.json).")
@click.option("--commit", help="What the seeds count for (default: the commit checked out here, or the version).")
@click.option(
    "--crash-states",
    type=click.IntRange(0),
    default=CRASH_STATES,
    show_default=True,
    help="Folders rebuilt as a crash leaves them, after the seeds (and as many damaged ones).",
)
@PROFILE
@JOBS
@OUTPUT
def soak(
    seconds: float,
    table: Path | None,
    commit: str | None,
    crash_states: int,
    profiles: tuple[str, ...],
    jobs: int,
    output: str | None,
) -> None:
    """Play new seeds for a while, from where the last soak stopped; exit code 7 at the first broken promise.

    Without --profile each scenario file is played first, under a new seed.

    Exit code 7 also if some kind of fault or some fault point was met in no seed of this commit: a simulator that never
    does what it says it does proves nothing.
    """
    from quorate.netsim import soak as soaking

    names = known(profiles)
    place = table or soaking.TABLE
    of = commit or commit_here()
    until = time.monotonic() + seconds
    bad = None
    verdicts = soaking.soak(place, of, jobs, lambda: time.monotonic() < until, names)
    for number, (verdict, _) in enumerate(verdicts, 1):
        bad = verdict if verdict.bad else None
        if number % TELL_EVERY == 0:
            click.echo(f"{number} seeds played, {max(0.0, until - time.monotonic()):.0f} s to go", err=True)
    if bad is None:
        _crash(place, of, crash_states)
    soaked = soaking.load(place)
    told = output_in(output)
    if told.is_json:
        told.document(soaked)
    else:
        print_tally(soaked.commits[of])
        click.echo()
        told.rows(COLUMNS, _rows(soaked))
        click.echo()
        counts = soaked.crashes.get(of, {})
        told.rows(("crash states", "number"), ({"crash states": n, "number": c} for n, c in counts.items()))
    if bad is not None:
        raise _broken(bad)
    _demand_all_met(soaked.commits[of], of)


def _crash(place: Path, commit: str, states: int) -> None:
    from quorate.netsim.soak import crash
    from quorate.netsim.violation import Violation

    try:
        for done in crash(place, commit, states):
            click.echo(f"{done} of {states} crash states", err=True)
    except Violation as broken:
        happened = f"A folder as a crash or damage left it broke a promise: {broken}"
        raise Ended(happened, "The text names what repeats it.", Exit.DID_NOT_SUCCEED) from broken


def _rows(soaked: "Soaked") -> Iterator[dict[str, object]]:
    for commit, tally in soaked.commits.items():
        for profile, row in tally.profiles.items():
            yield {
                "commit": commit,
                "profile": profile,
                "seeds": row.seeds,
                "bad": row.bad,
                "first_bad": row.first_bad,
                "virtual_s": round(row.virtual_s),
            }


def _broken(verdict: "Verdict") -> Ended:
    from quorate.netsim.campaign import headline
    from quorate.netsim.soak import job_of

    findings = investigated([job_of(verdict.profile, verdict.seed)], [verdict])
    for finding in findings:
        print_finding(finding)
    file = findings[0].file if findings else f"{verdict.seed} --profile {verdict.profile}"
    happened = f"{verdict.profile}-{verdict.seed} broke a promise: {verdict.check}: {headline(verdict.text)}"
    return Ended(happened, f"To see it again: quorate netsim replay {file}", Exit.DID_NOT_SUCCEED)


def _demand_all_met(tally: "Tally", commit: str) -> None:
    never = tally.never_met()
    if never:
        seeds = sum(row.seeds for row in tally.profiles.values())
        raise Ended(
            f"In {seeds} seeds of {commit} these were never met: {', '.join(never)}.",
            "Soak longer; what stays unmet needs a profile or a scenario that meets it.",
            Exit.DID_NOT_SUCCEED,
        )


def commit_here() -> str:
    """Of the checkout this runs in, marked if it has changes; the version of the package where there is none."""
    from importlib.metadata import version

    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() if told.returncode == 0 else version("quorate")
