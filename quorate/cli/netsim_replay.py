"""`quorate netsim replay`: one run again, and what happened in it.

Law: the transcript goes to stdout and nothing else does, so that it can be kept and compared.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import OUT, OUTPUT, known, output_in

if TYPE_CHECKING:
    from quorate.netsim.finding import Told
    from quorate.netsim.scenario import Scenario


@click.command()
@click.argument("what", metavar="SEED|FILE")
@click.option("--profile", metavar="NAME", help="The profile SEED belongs to, as `quorate netsim run` tells it.")
@click.option("--trace", is_flag=True, help="Tell everything that happened, not only what a person needs.")
@click.option("--messages", is_flag=True, help="Messages between peers too, in --trace and --html.")
@click.option("--html", type=OUT, help="Draw the run as one page.")
@click.option("--write-transcript", is_flag=True, help="Keep it beside FILE (ending .txt) as what is expected of it.")
@OUTPUT
def replay(
    what: str,
    profile: str | None,
    trace: bool,
    messages: bool,
    html: Path | None,
    write_transcript: bool,
    output: str | None,
) -> None:
    """Tell one run: a SEED of a profile, or a scenario FILE; exit code 7 if a promise was broken.

    Times are virtual seconds. The digest is the identity of the run: it is the same wherever and whenever it is played.

    \b
    quorate netsim replay 7 --profile power
    quorate netsim replay netsim-failures/power-7.yaml --html run.html
    """
    from quorate.netsim.finding import tell

    scenario, file = _asked(what, profile)
    if write_transcript and file is None:
        raise click.BadParameter("got a seed, expected a scenario FILE", param_hint="--write-transcript")
    told = tell(scenario, messages=messages)
    form = output_in(output)
    if form.is_json:
        form.document(_document(told, trace=trace))
    else:
        click.echo(_everything(told) if trace else told.words, nl=False)
    if html is not None:
        draw(html, told)
    if file is not None and write_transcript:
        beside = file.with_suffix(".txt")
        beside.write_text(told.words, "utf-8")
        click.echo(f"Written to {beside}", err=True)
    click.echo(verdict_of(told), err=True)
    if told.bad:
        raise _ended(told)


def _asked(what: str, profile: str | None) -> "tuple[Scenario, Path | None]":
    from quorate.netsim import reading
    from quorate.netsim.campaign import known_profiles
    from quorate.netsim.profiles import PROFILES
    from quorate.netsim.swarm import draw as drawn

    if not what.isdecimal():
        if profile is not None:
            raise click.BadParameter("got a scenario FILE, which has no profile", param_hint="--profile")
        return reading.read(Path(what)), Path(what)
    if profile is None:
        names = ", ".join(known_profiles())
        raise click.UsageError(f"Seed {what} of which profile? Add --profile and one of: {names}.")
    (name,) = known((profile,))
    return drawn(int(what), PROFILES[name]), None


def _everything(told: "Told") -> str:
    from quorate.netsim.wording import Teller

    teller = Teller(told.events)
    return "".join(f"{event.at:12.6f}  {teller.sentence(event)}\n" for event in told.events)


def _document(told: "Told", *, trace: bool) -> dict[str, Any]:
    names = ("check", "text", "at", "virtual_s", "digest")
    document = {name: getattr(told, name) for name in names}
    return {**document, "events" if trace else "transcript": told.events if trace else told.words}


def draw(path: Path, told: "Told") -> None:
    """The page of a run, into `path`."""
    from quorate.netsim import reading
    from quorate.netsim.report.page import page
    from quorate.netsim.scenario import peer_names

    scenario = told.scenario
    title = scenario.name or f"seed {scenario.seed}"
    facts = {
        "seed": str(scenario.seed),
        "seconds": f"{told.virtual_s:.1f} of virtual time",
        "digest": told.digest,
        "scenario": reading.write(scenario),
    }
    path.write_text(page(title, peer_names(scenario.conditions.peers), told.events, facts, told.words), "utf-8")
    click.echo(f"Drawn in {path}", err=True)


def verdict_of(told: "Told") -> str:
    what = "no promise was broken" if not told.check or told.check == "ok" else f"{told.check} was broken"
    expected = f", as expected ({told.scenario.expect})" if told.scenario.expect != "ok" and not told.bad else ""
    return f"{what}{expected}; {told.virtual_s:.3f} virtual seconds, digest {told.digest}"


def _ended(told: "Told") -> Ended:
    from quorate.netsim.campaign import headline

    if told.check == "ok":
        happened = f"Expected {told.scenario.expect} to be broken, and nothing was."
        return Ended(happened, "Look whether the bug it shows is still there.", Exit.DID_NOT_SUCCEED)
    to_do = "--trace tells everything that happened, --html draws it."
    return Ended(f"{told.check}: {headline(told.text)}", to_do, Exit.DID_NOT_SUCCEED)
