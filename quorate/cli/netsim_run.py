"""`quorate netsim run`: many seeds, on several processes.

Law: a bad run is made smaller, told in words and kept as a file that repeats it.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import FILE, JOBS, OUT, OUTPUT, PROFILE, known, output_in
from quorate.cli.output import TABLE, Output

if TYPE_CHECKING:
    from quorate.netsim.campaign import Job, Tally, Verdict
    from quorate.netsim.finding import Finding
    from quorate.netsim.scenario import Scenario

SEEDS = 20
MOST_SHRUNK = 3
"""Of many bad runs, so many are made smaller; the others are named."""


@click.command()
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000_000),
    help=f"How many runs of each profile (default {SEEDS}), or of each scenario (default 1).",
)
@click.option("--from", "first", type=click.IntRange(0), help="The first seed (default 0, or that of the scenario).")
@PROFILE
@click.option("--scenario", "scenarios", type=FILE, multiple=True, help="Play this file instead of profiles.")
@JOBS
@click.option("--seconds", type=click.FloatRange(0.1), help="Stop beginning runs after so many real seconds.")
@click.option("--html", type=OUT, help="Draw the first bad run, or the first of all, as a page.")
@OUTPUT
def run(
    seeds: int | None,
    first: int | None,
    profiles: tuple[str, ...],
    scenarios: tuple[Path, ...],
    jobs: int,
    seconds: float | None,
    html: Path | None,
    output: str | None,
) -> None:
    """Play many seeds; exit code 7 if a promise was broken.

    A run is half a minute in the life of a cluster, played in about a second; its profile says what kind of faults
    are likely. A bad run is made smaller, told in words and written as a scenario file that repeats it.

    Four tables tell what was played, which faults struck, which fault points (places in the code where dying has
    consequences) were reached, and how often each check looked. `never`: it did not happen in these runs.

    \b
    quorate netsim run --profile power --seeds 5
    quorate netsim run --scenario mine.yaml --seeds 50
    """
    from quorate.netsim import campaign

    asked = _jobs_of(known(profiles), scenarios, seeds, first)
    if not asked:
        raise Ended("There is nothing to play.", "Name a profile or a scenario.", Exit.REFUSED)
    tally, bad = campaign.empty(), []
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        for verdict in _watched(_in_time(asked, deadline), jobs, len(asked)):
            tally.add(verdict)
            if verdict.bad:
                bad.append(verdict)
    except KeyboardInterrupt:
        click.echo(f"\n{_until_now(tally, bad, len(asked))}", err=True)
        raise
    findings = investigated(asked, bad)
    if html is not None:
        _draw(html, findings[0].told.scenario if findings else asked[0].drawn())
    told = output_in(output)
    if told.is_json:
        told.document(_as_document(tally, bad, findings))
    else:
        print_tally(tally)
        for finding in findings:
            print_finding(finding)
        if not bad:
            click.echo(f"\n{_summary(tally)}")
    if bad:
        raise broken(tally, bad, findings)


def _jobs_of(
    profiles: tuple[str, ...], scenarios: tuple[Path, ...], seeds: int | None, first: int | None
) -> "list[Job]":
    import msgspec

    from quorate.netsim import reading
    from quorate.netsim.campaign import Job, interleaved, known_profiles

    jobs: list[Job] = []
    for file in scenarios:
        scenario = reading.read(file)
        start = scenario.seed if first is None else first
        jobs += (
            Job(file.stem, seed, msgspec.structs.replace(scenario, seed=seed))
            for seed in range(start, start + (seeds or 1))
        )
    names = profiles or (() if scenarios else tuple(known_profiles()))
    jobs += interleaved(names, dict.fromkeys(names, first or 0), seeds or SEEDS)
    return jobs


def _in_time(jobs: "list[Job]", deadline: float | None) -> "Iterator[Job]":
    for job in jobs:
        if deadline is not None and time.monotonic() >= deadline:
            return
        yield job


def _watched(jobs: "Iterator[Job]", processes: int, total: int) -> "Iterator[Verdict]":
    """With a bar, where somebody looks."""
    from quorate.netsim.campaign import run as play_all

    verdicts = play_all(jobs, processes)
    if not sys.stderr.isatty():
        yield from verdicts
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bad = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("no promise broken", total=total)
        for verdict in verdicts:
            bad += verdict.bad
            told = f"[red]{bad} bad[/red]" if bad else "no promise broken"
            bar.update(task, advance=1, description=f"{told}, {verdict.profile}")
            yield verdict


def investigated(jobs: "list[Job]", bad: "list[Verdict]") -> "list[Finding]":
    from quorate.netsim.finding import FOLDER, investigate

    scenarios = {(job.profile, job.seed): job for job in jobs}
    findings = []
    for verdict in bad[:MOST_SHRUNK]:
        name = f"{verdict.profile}-{verdict.seed}"
        click.echo(f"Making {name} smaller, which broke {verdict.check} ...", err=True)
        scenario = scenarios[verdict.profile, verdict.seed].drawn()
        finding = investigate(scenario, name, Path(FOLDER))
        if finding is not None:
            findings.append(finding)
    return findings


def _draw(path: Path, scenario: "Scenario") -> None:
    from quorate.cli.netsim_replay import draw
    from quorate.netsim.finding import tell

    draw(path, tell(scenario, messages=True))


# --- what is printed --------------------------------------------------------------------------------------------------


def print_tally(tally: "Tally") -> None:
    """Tables by profile, fault, point and check, for people."""
    table = Output(TABLE)
    table.rows(("profile", "seeds", "bad", "first_bad", "virtual_s", "speed"), _profile_rows(tally))
    for title, counts, words in (
        ("fault", tally.faults, ("struck", "times")),
        ("point", tally.points, ("fault point", "reached")),
    ):
        click.echo()
        told = [{words[0]: name, words[1]: count or "never"} for name, count in sorted(counts.items())]
        table.rows(words, told or [{words[0]: f"no {title}", words[1]: ""}])
    click.echo()
    names = sorted({*tally.checks, *tally.violations})
    checks = [
        {"check": name, "made": tally.checks.get(name, 0), "violations": tally.violations.get(name, 0)}
        for name in names
    ]
    table.rows(("check", "made", "violations"), checks)


def _summary(tally: "Tally") -> str:
    """That all went well; what went wrong is told as the error."""
    runs = sum(row.seeds for row in tally.profiles.values())
    virtual_s = sum(row.virtual_s for row in tally.profiles.values())
    return f"No promise was broken: {runs:,} {'run' if runs == 1 else 'runs'}, {virtual_s:,.0f} virtual seconds."


def _until_now(tally: "Tally", bad: "list[Verdict]", asked: int) -> str:
    runs = sum(row.seeds for row in tally.profiles.values())
    names = ", ".join(f"{verdict.profile}-{verdict.seed} ({verdict.check})" for verdict in bad)
    return f"After {runs:,} of {asked:,} runs: " + (f"broken in {names}." if bad else "no promise was broken.")


def _profile_rows(tally: "Tally") -> list[dict[str, Any]]:
    return [
        {
            "profile": name,
            "seeds": row.seeds,
            "bad": row.bad,
            "first_bad": row.first_bad,
            "virtual_s": round(row.virtual_s),
            "speed": f"{row.virtual_s / row.real_s:.0f} x" if row.real_s else "",
        }
        for name, row in tally.profiles.items()
    ]


def print_finding(finding: "Finding") -> None:
    size = f"{len(finding.told.scenario.faults)} faults, {len(finding.told.scenario.operations)} operations"
    tried = f"{finding.shrunk.runs} smaller ones tried" + ("" if finding.shrunk.finished else ", more were possible")
    click.echo(f"\n{finding.told.scenario.name}: {size} ({tried})\n\n{finding.told.words}")
    click.echo(f"Written to {finding.file}; to see it again: quorate netsim replay {finding.file}")


def _as_document(tally: "Tally", bad: "list[Verdict]", findings: "list[Finding]") -> dict[str, Any]:
    return {
        "bad": [
            {name: getattr(verdict, name) for name in ("profile", "seed", "check", "text", "at", "digest")}
            for verdict in bad
        ],
        "files": [str(finding.file) for finding in findings],
        "tally": tally,
    }


def broken(tally: "Tally", bad: "list[Verdict]", findings: "list[Finding]") -> Ended:
    from quorate.netsim.campaign import headline

    runs = sum(row.seeds for row in tally.profiles.values())
    first = bad[0]
    which = f"the first, {first.profile}-{first.seed}: {first.check}: {headline(first.text)}"
    again = findings[0].file if findings else f"{first.seed} --profile {first.profile}"
    return Ended(
        f"{len(bad)} of {runs} runs broke a promise; {which}",
        f"To see it again: quorate netsim replay {again}",
        Exit.DID_NOT_SUCCEED,
    )
