"""`quorate netsim live`: chaos on real processes, or a drill of a running cluster whose file allows it.

Law: 0 every promise was kept, 7 one was broken, 1 usage or a cluster that may not be drilled (and then nothing was done
to it). What goes on is told on stderr, the verdict on stdout.
"""

from __future__ import annotations  # the parts are imported when a run begins, so that `--help` costs nothing

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import OUT, OUTPUT, output_in
from quorate.cli.output import Output

if TYPE_CHECKING:
    from quorate.netsim.live.asking import Access
    from quorate.netsim.live.running import Outcome
    from quorate.node.config import ClusterConfig

PEERS, SECONDS, RATE, DRILL_RATE = 3, 60.0, 20.0, 5.0
APPLICATION = "quorate.cli.live_application"
ALLOWED, RESTARTED = "drills.allowed", "drills.restarted"


@click.command()
@click.option("--peers", type=click.IntRange(3, 9), help=f"How many peers to start (default {PEERS}).")
@click.option(
    "--seconds",
    type=click.FloatRange(5.0, 3_600.0),
    default=SECONDS,
    show_default=True,
    help="How long faults strike; starting, healing and checking come on top.",
)
@click.option(
    "--faults",
    metavar="KIND,...",
    help="Some of kill, freeze, partition, slow, drop, disk, as in kill,freeze (default: all that can be done).",
)
@click.option(
    "--means",
    type=click.Choice(["proxies", "namespaces"]),
    help="What lies between the peers: TCP proxies (default), or, as root, a network namespace for each.",
)
@click.option("--seed", type=click.IntRange(0), help="Of the schedule of faults (default: a new one, which is told).")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1_000.0),
    help=f"Requests a second (default {RATE:g}; {DRILL_RATE:g} in a drill).",
)
@click.option("--html", type=OUT, help="Draw the run as a page.")
@click.option(
    "--keep",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Keep data, logs, effects and history in this folder, which is made and must not exist yet.",
)
@click.option(
    "--cluster",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Drill the running cluster of this file; start no peers.",
)
@OUTPUT
def live(  # noqa: PLR0917  # click passes them by name
    peers: int | None,
    seconds: float,
    faults: str | None,
    means: str | None,
    seed: int | None,
    rate: float | None,
    html: Path | None,
    keep: Path | None,
    cluster: Path | None,
    output: str | None,
) -> int:
    """Break real processes on this machine and check every promise afterwards.

    Peers run on loopback, behind a proxy for each link between two of them. They are killed, frozen, cut off, slowed
    and robbed of their disks; clients submit, look and cancel meanwhile. Then all heals, and what clients were told is
    held against what handlers did and what every peer tells. The seed repeats the schedule, not the run: time is real.

    With --cluster a running cluster is drilled, if its file says `drills: {allowed: true}`: tasks of the namespace
    `drill`, and one peer of this machine at a time frozen, or killed where the file says `restarted: true` too.

    Exit codes: 0 every promise was kept, 7 one was broken, 1 usage or refused.
    """
    if keep is not None and keep.exists():
        raise click.BadParameter(f"{str(keep)!r} exists; name a folder that does not", param_hint="--keep")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    if cluster is not None:
        for name, given in (("--peers", peers), ("--means", means), ("--keep", keep)):
            if given is not None:
                raise click.UsageError(f"{name} speaks of peers that are started; a drill starts none")
        outcome = _drilled(cluster, seconds, faults, seed, rate or DRILL_RATE)
    else:
        outcome = _run(peers or PEERS, means or "proxies", seconds, faults, seed, rate or RATE, keep)
    _tell(outcome, output_in(output))
    if keep is not None:
        _say(f"Everything is in {keep}.")
    if html is not None:
        _draw(html, outcome)
        _say(f"Drawn in {html}.")
    return Exit.DONE if outcome.held else Exit.DID_NOT_SUCCEED


def _say(line: str) -> None:
    click.echo(line, err=True)


def _families(asked: str | None, possible: tuple[str, ...], why_not: str) -> tuple[str, ...]:
    """Raises click.BadParameter naming what is not among the possible."""
    if asked is None:
        return possible
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    for name in names:
        if name not in possible:
            raise click.BadParameter(
                f"{name!r}: {why_not}; expected some of {','.join(possible)}", param_hint="--faults"
            )
    if not names:
        raise click.BadParameter(f"got none; expected some of {','.join(possible)}", param_hint="--faults")
    return names


# --- peers of its own -------------------------------------------------------------------------------------------------


def _run(
    peers: int, means: str, seconds: float, faults: str | None, seed: int, rate: float, keep: Path | None
) -> Outcome:
    from quorate.netsim.live.namespaces import NoNamespaces
    from quorate.netsim.live.own import PeerWillNotStart
    from quorate.netsim.live.run import MEANS, Settings, run
    from quorate.netsim.live.settle import CannotTell

    families = _families(faults, MEANS[means].families, f"there is no such fault with {means}")
    settings = Settings(
        peers=peers,
        means=means,
        seconds=seconds,
        families=families,
        seed=seed,
        rate=rate,
        application=APPLICATION,
        keep=keep,
    )
    try:
        return run(settings, _say)
    except NoNamespaces as missing:
        raise Ended(f"{missing}.", "Without --means it works for everybody.", Exit.REFUSED) from missing
    except PeerWillNotStart as ended:
        raise Ended(str(ended), "Mend that and repeat; every process is gone.", Exit.REFUSED) from ended
    except CannotTell as silent:
        raise Ended(str(silent), _repeat(seed), Exit.DID_NOT_SUCCEED) from silent


# --- drills -----------------------------------------------------------------------------------------------------------


def _drilled(file: Path, seconds: float, faults: str | None, seed: int, rate: float) -> Outcome:
    from quorate.netsim.live import drill
    from quorate.netsim.live.settle import CannotTell
    from quorate.node.config import load

    config = load(file)
    families = _allowed(config, file, faults)
    peers = tuple(drill.DrillPeer(peer.id, f"{config.http_scheme}://{peer.http}", peer.data) for peer in config.peers)
    settings = drill.Settings(
        cluster=config.cluster,
        peers=peers,
        access=_access(config),
        seconds=seconds,
        families=families,
        seed=seed,
        rate=rate,
    )
    try:
        return drill.drill(settings, _say)
    except drill.CannotDrill as refused:
        raise Ended(f"{refused}.", "Nothing was done to the cluster.", Exit.REFUSED) from refused
    except CannotTell as silent:
        raise Ended(str(silent), "`quorate doctor` looks at the peers.", Exit.DID_NOT_SUCCEED) from silent


def _allowed(config: ClusterConfig, file: Path, faults: str | None) -> tuple[str, ...]:
    if not config.drills.allowed:
        happened = f"The cluster {config.cluster} may not be drilled: {file} does not say `{ALLOWED}: true`."
        to_do = "If it may, add `drills: {allowed: true}` to that file; nothing was done to the cluster."
        raise Ended(happened, to_do, Exit.REFUSED)
    if faults is not None and "kill" in faults.split(",") and not config.drills.restarted:
        happened = f"Peers of {config.cluster} may not be killed: {file} does not say `{RESTARTED}: true`."
        to_do = "Say so if something starts peers again that ended; nothing was done to the cluster."
        raise Ended(happened, to_do, Exit.REFUSED)
    possible = ("freeze", "kill") if config.drills.restarted else ("freeze",)
    return _families(faults, possible, "cannot be done to a running cluster from outside")


def _access(config: ClusterConfig) -> Access:
    """As whom the drill speaks: the admin certificate beside those of the peers, and the token of the environment."""
    import ssl

    from quorate.netsim.live.asking import Access
    from quorate.node import certs

    token = click.get_current_context().find_root().params.get("token") or os.environ.get("QUORATE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if config.tls is None:
        return Access(None, headers)
    context = ssl.create_default_context(cafile=str(config.tls.ca))
    admin = config.tls.of(certs.ADMIN)
    if admin.cert.is_file() and admin.key.is_file():
        context.load_cert_chain(admin.cert, admin.key)
    return Access(context, headers)


# --- telling ----------------------------------------------------------------------------------------------------------


def _draw(file: Path, outcome: Outcome) -> None:
    from quorate.netsim.report.page import page

    facts = {"seed": str(outcome.seed), "means": outcome.means, "seconds": f"{outcome.seconds:.1f} of real time"}
    title = f"live chaos, seed {outcome.seed}"
    file.write_text(page(title, outcome.peers, outcome.events, facts, "\n".join(outcome.lines)), encoding="utf-8")


def _tell(outcome: Outcome, output: Output) -> None:
    from quorate.netsim.live.plan import EXPLAINED

    faults = [
        {"fault": row.kind, "struck": row.struck, "left_out": row.left_out, "what": EXPLAINED[row.kind]}
        for row in outcome.faults
    ]
    checks: list[dict[str, Any]] = [
        {
            "check": verdict.check,
            "promise": verdict.promise,
            "looked_at": verdict.looked_at,
            "verdict": _word(verdict.looked_at, verdict.breaches),
            "breaches": verdict.breaches,
        }
        for verdict in outcome.verdicts
    ]
    if output.is_json:
        output.document(
            {
                "held": outcome.held,
                "seed": outcome.seed,
                "seconds": round(outcome.seconds, 3),
                "means": outcome.means,
                "faults": faults,
                "checks": checks,
                "requests": outcome.requests,
                "tasks": outcome.tasks,
                "attempts": outcome.attempts,
            }
        )
        return
    output.rows(("fault", "struck", "left_out"), faults)
    click.echo()
    output.rows(("check", "looked_at", "verdict"), checks)
    for check in checks:
        if check["breaches"]:
            click.echo("\n  ".join([f"\n{check['check']} ({check['promise']}):", *check["breaches"]]))
    requests = ", ".join(f"{count:,} {what}" for what, count in outcome.requests.items())
    attempts = "" if outcome.attempts is None else f", {outcome.attempts:,} attempts that ran"
    click.echo(f"\n{outcome.tasks:,} tasks{attempts}; requests: {requests}.")
    click.echo(f"Means: {outcome.means}.")
    click.echo("Every promise was kept." if outcome.held else "A PROMISE WAS BROKEN.")
    click.echo(_repeat(outcome.seed))


def _word(looked_at: int | None, breaches: list[str]) -> str:
    if breaches:
        return "BROKEN"
    return "kept" if looked_at else "nothing to look at"


def _repeat(seed: int) -> str:
    return f"--seed {seed} repeats this schedule of faults; time is real, so it is not the same run again."
