"""One run: start, load and faults, heal, settle, judge.

Law: bounded in time; every process is gone when it is over, whatever ended it.
"""

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.netsim.live import settle
from quorate.netsim.live.asking import Access, Asking
from quorate.netsim.live.clients import DEADLINE_S, Clients
from quorate.netsim.live.evidence import Asked, Evidence, Incident, TaskFact, history_lines, read_effects
from quorate.netsim.live.faults import Faults
from quorate.netsim.live.namespaces import NamespaceNet
from quorate.netsim.live.net import LoopbackNet, Net
from quorate.netsim.live.own import OwnCluster, PeerWillNotStart
from quorate.netsim.live.plan import FAMILIES, plan
from quorate.netsim.live.processes import Processes
from quorate.netsim.live.running import Outcome, Say, outcome_of, run_to_the_end, strike
from quorate.netsim.live.tally import Tally
from quorate.netsim.live.watch import Watch
from quorate.netsim.scenario import Fault, peer_names

CLIENTS = 8
UP_WITHIN_S = 90.0
"""Several interpreters starting at once on a busy machine."""
KEY_PREFIX = "live-"
RUN_S = (0.0, 0.6)
SHARE_THAT_FAILS = 0.15


MEANS: dict[str, type[LoopbackNet] | type[NamespaceNet]] = {"proxies": LoopbackNet, "namespaces": NamespaceNet}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """means: of `MEANS`. families: of those it has. rate: requests a second. application: the module the peers serve.
    keep: where the run's folder stays (must not exist yet); None: it goes with the run."""

    peers: int
    means: str
    seconds: float
    families: tuple[str, ...]
    seed: int
    rate: float
    application: str
    keep: Path | None


def run(settings: Settings, say: Say) -> Outcome:
    """Raises own.PeerWillNotStart, namespaces.NoNamespaces, OSError, KeyboardInterrupt."""
    peers = peer_names(settings.peers)
    with _net(settings.means, peers) as net, _folder(settings.keep) as folder, Processes(folder) as processes:
        cluster = OwnCluster(folder, peers, settings.application, processes, net)
        tally = Tally(say)
        return run_to_the_end(_run(settings, cluster, tally))


@contextlib.contextmanager
def _net(means: str, peers: tuple[str, ...]) -> Iterator[Net]:
    """What it makes of the machine is gone afterwards, even if the loop was torn down half way."""
    net = MEANS[means](peers)
    try:
        yield net
    finally:
        if isinstance(net, NamespaceNet):
            net.remove()


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep = keep.absolute()
        keep.mkdir(parents=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="quorate-live-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(settings: Settings, cluster: OwnCluster, tally: Tally) -> Outcome:
    async with _opened(cluster), Asking(cluster.urls, Access()) as asking:
        for peer in cluster.peers:
            cluster.start(peer)
        if waiting := await cluster.ready(asking, cluster.peers, UP_WITHIN_S):
            raise OSError(f"peers {', '.join(waiting)} were not ready within {UP_WITHIN_S:g} s")
        tally.begin()
        for peer in cluster.peers:
            tally.note("start", peer)
        tally.say(f"{len(cluster.peers)} peers are up; faults for {settings.seconds:g} s, seed {settings.seed}")
        watch = Watch(asking, tally.trace, tally.now)
        clients = Clients(asking, settings.seed, CLIENTS, settings.rate, KEY_PREFIX, task_of)
        faults = Faults(cluster, asking, watch, tally)
        drawn = plan(settings.seed, cluster.peers, settings.seconds, settings.families)
        watching = asyncio.ensure_future(watch.run())
        try:
            asked = await strike(settings.seconds, clients, faults.run(drawn))
            tally.say("everything heals")
            await faults.heal()
            tally.note("heal", "")
            evidence = await _settled(cluster, asking, watch, tally, asked)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        _keep(cluster.folder, evidence, settings, drawn)
        kinds = [kind for family in FAMILIES if family in settings.families for kind in FAMILIES[family]]
        return outcome_of(settings.seed, cluster.peers, cluster.net.means, kinds, evidence, tally)


@contextlib.asynccontextmanager
async def _opened(cluster: OwnCluster) -> AsyncIterator[None]:
    try:
        await cluster.open()
        yield
    finally:
        await cluster.close()


async def _settled(cluster: OwnCluster, asking: Asking, watch: Watch, tally: Tally, asked: list[Asked]) -> Evidence:
    await asyncio.gather(*(_back(cluster, asking, peer, tally) for peer in cluster.peers))
    await asyncio.sleep(DEADLINE_S)  # what was asked last may come about until its deadline
    await settle.until_idle(asking, KEY_PREFIX, {})
    final = await settle.at_rest(watch, len(cluster.peers))
    for peer in cluster.peers:
        if "Traceback" in (log := cluster.processes.log(peer)):
            words = f"its log has a fault of ours: {log[log.index('Traceback') :][:1500]}"
            tally.incident(Incident(tally.now(), peer, "peers_stay_up", words))
    told = {peer: await _told(asking, peer, tally) for peer in cluster.peers}
    tally.note("settled", "")
    return Evidence(
        asked=asked,
        tasks={peer: tasks for peer, tasks in told.items() if tasks is not None},
        effects=read_effects(cluster.effects),
        views=watch.views,
        final=final,
        incidents=tally.incidents,
        struck=tally.struck_times,
    )


async def _back(cluster: OwnCluster, asking: Asking, peer: str, tally: Tally) -> None:
    try:
        if not await cluster.ready(asking, (peer,), UP_WITHIN_S):
            return
        words = f"not ready {UP_WITHIN_S:g} s after everything had healed: {cluster.last_words(peer)}"
    except PeerWillNotStart as ended:
        words = f"after everything had healed, {ended}"
    tally.incident(Incident(tally.now(), peer, "peers_stay_up", words))


async def _told(asking: Asking, peer: str, tally: Tally) -> dict[str, TaskFact] | None:
    """Its tasks; None where it does not tell, which is an incident."""
    try:
        return await settle.tasks_of(asking, peer, KEY_PREFIX, {})
    except settle.CannotTell as silent:
        tally.incident(Incident(tally.now(), peer, "peers_stay_up", str(silent)))
        return None


def task_of(chance: random.Random, key: str) -> dict[str, Any]:
    """A task of the application: most take a moment, some fail once or twice before they succeed."""
    failures = chance.randint(1, 2) if chance.random() < SHARE_THAT_FAILS else 0
    seconds = round(chance.uniform(*RUN_S), 3)
    return {
        "handler": "chaos.record",
        "args": {"seconds": seconds, "failures": failures},
        "retry": {"max": 50, "schedule": [0.1, 0.2, 0.5, 1.0]},
        "labels": {"of": key},
    }


def _keep(folder: Path, evidence: Evidence, settings: Settings, drawn: Sequence[Fault]) -> None:
    """Beside the peers' logs, data and effects: what clients asked, twice, and what was judged."""
    lines = msgspec.json.Encoder().encode_lines
    (folder / "history.jsonl").write_bytes(lines(history_lines(evidence)))
    (folder / "requests.jsonl").write_bytes(lines(evidence.asked))
    (folder / "evidence.json").write_bytes(msgspec.json.encode(evidence))
    (folder / "schedule.json").write_bytes(msgspec.json.encode({"seed": settings.seed, "faults": drawn}))
