"""A drill: load and a few careful faults on a running cluster that somebody else keeps, if its file allows it.

Laws
- Nothing is started, nothing is written but tasks of the namespace `drill`, no file and no address is touched.
- One peer at a time, only while all are ready, and the next only when all are ready again; else the drill ends there.
- Only peers whose process is on this machine and may be signalled: frozen, and killed only if the file says that
  whatever runs them starts them again.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.netsim.live import found, settle
from quorate.netsim.live.asking import Access, Asking
from quorate.netsim.live.clients import DEADLINE_S, Clients
from quorate.netsim.live.evidence import Evidence, Incident
from quorate.netsim.live.running import Outcome, Say, outcome_of, run_to_the_end, strike
from quorate.netsim.live.tally import Tally
from quorate.netsim.live.watch import Watch
from quorate.netsim.scenario import Fault

FAMILIES = ("freeze", "kill")
NAMESPACE = "drill"
CLIENTS = 4
PRIORITY = -100
"""Whatever else the cluster has to do goes first."""
CALM_S = (2.0, 5.0)
FROZEN_S = (0.5, 6.0)
BACK_WITHIN_S = 60.0
LOOK_EVERY_S = 0.25
LEAST_PEERS = 3
"""With fewer, one peer that is away stops the cluster."""


class DrillPeer(msgspec.Struct, frozen=True):
    id: str
    url: str
    data: Path


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """families: of `FAMILIES`. The cluster's file has been looked at: it allows drills, and `kill` is only among the
    families if it says that ended peers are started again."""

    cluster: str
    peers: tuple[DrillPeer, ...]
    access: Access
    seconds: float
    families: tuple[str, ...]
    seed: int
    rate: float


class CannotDrill(Exception):
    """The cluster is not in a state, or not the one, to be drilled. Nothing was done to it."""


def drill(settings: Settings, say: Say) -> Outcome:
    """Raises CannotDrill, settle.CannotTell, KeyboardInterrupt."""
    if len(settings.peers) < LEAST_PEERS:
        count = len(settings.peers)
        raise CannotDrill(f"the cluster has {count} peers; with fewer than {LEAST_PEERS}, any fault stops it")
    return run_to_the_end(_drill(settings, Tally(say)))


async def _drill(settings: Settings, tally: Tally) -> Outcome:
    peers = tuple(peer.id for peer in settings.peers)
    async with Asking({peer.id: peer.url for peer in settings.peers}, settings.access) as asking:
        await _is_the_one_and_well(asking, settings)
        here = _found(settings.peers, tally)
        tally.begin()
        for peer in peers:
            tally.note("start", peer)
        tally.say(f"drilling {settings.cluster} for {settings.seconds:g} s, seed {settings.seed}")
        watch = Watch(asking, tally.trace, tally.now)
        prefix = f"drill-{time.time_ns():x}-"
        clients = Clients(asking, settings.seed, CLIENTS, settings.rate, prefix, task_of)
        faults = _Faults(asking, watch, tally, here)
        watching = asyncio.ensure_future(watch.run())
        try:
            drawn = plan(settings.seed, sorted(here), settings.seconds, settings.families)
            asked = await strike(settings.seconds, clients, faults.run(drawn))
            tally.note("heal", "")
            evidence = await _settled(asking, watch, tally, asked, prefix)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return outcome_of(settings.seed, peers, _means(here), settings.families, evidence, tally)


async def _is_the_one_and_well(asking: Asking, settings: Settings) -> None:
    for peer in asking.peers:
        answer = await asking.ask(peer, "GET", "/v1/cluster", within_s=5.0)
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise CannotDrill(f"peer {peer} was asked how it stands and answered {answer.words}")
        said = (answer.body.get("cluster"), answer.body.get("peer"))
        if said != (settings.cluster, peer):
            raise CannotDrill(f"at the address of peer {peer} answers peer {said[1]} of cluster {said[0]}")
        if not answer.body.get("ready"):
            raise CannotDrill(f"peer {peer} is not ready; a drill begins with a cluster that is well")


def _found(peers: Sequence[DrillPeer], tally: Tally) -> dict[str, Path]:
    here: dict[str, Path] = {}
    for peer in peers:
        try:
            found.process_of(peer.data)
        except found.NotHere as why:
            tally.say(f"nothing will be done to {peer.id}: {why}")
        else:
            here[peer.id] = peer.data
    return here


def _means(here: Mapping[str, Path]) -> str:
    return f"signals to {', '.join(here)}" if here else "load only: no peer of this cluster runs on this machine"


def plan(seed: int, peers: Sequence[str], seconds: float, families: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of a drill in order of time; none without a peer to do something to."""
    chance = random.Random(f"drill {seed}")
    drawn: list[Fault] = []
    at = 0.0
    while peers and families:
        at += chance.uniform(*CALM_S)
        for_s = round(chance.uniform(*FROZEN_S), 3)
        if at + for_s > seconds:
            break
        do = chance.choice(list(families))
        drawn.append(Fault(at=round(at, 3), do=do, on=(chance.choice([*peers, "leader"]),), for_s=for_s))
        at += for_s
    return tuple(drawn)


def task_of(chance: random.Random, key: str) -> dict[str, Any]:
    """A task that every peer can run and that does nothing to anybody."""
    return {
        "handler": "builtin.sleep",
        "args": {"seconds": round(chance.uniform(0.0, 0.5), 3)},
        "namespace": NAMESPACE,
        "priority": PRIORITY,
        "labels": {"of": key},
    }


class _Faults:
    def __init__(self, asking: Asking, watch: Watch, tally: Tally, here: Mapping[str, Path]) -> None:
        self._asking = asking
        self._watch = watch
        self._tally = tally
        self._here = here

    async def run(self, plan: Sequence[Fault]) -> None:
        for fault in plan:
            await asyncio.sleep(max(0.0, fault.at - self._tally.now()))
            peer = self._watch.leader() if fault.on == ("leader",) else fault.on[0]
            if peer not in self._here:
                self._tally.skipped(fault.do, "the leader is not on this machine")
                continue
            if away := await self._not_ready():
                self._tally.skipped(fault.do, f"{', '.join(away)} not ready")
                continue
            try:
                await (self._freeze if fault.do == "freeze" else self._kill)(fault, str(peer))
            except found.NotHere as why:
                self._tally.skipped(fault.do, str(why))
                continue
            if not await self._all_back():
                return

    async def _freeze(self, fault: Fault, peer: str) -> None:
        for_s = fault.for_s or 0.0
        frozen = found.Frozen(self._here[peer], for_s)
        with frozen:
            struck = self._tally.struck(fault, f"{peer} frozen for {for_s:.1f} s", [peer])
            self._tally.note("freeze", peer)
            await asyncio.sleep(for_s)
        self._tally.note("thaw", peer)
        self._tally.over(struck)

    async def _kill(self, fault: Fault, peer: str) -> None:
        pid = found.kill(self._here[peer])
        self._tally.note("kill", peer)
        struck = self._tally.struck(fault, f"kill -9 of {peer} (process {pid})", [peer])
        await asyncio.sleep(1.0)
        if await self._all_back():
            self._tally.note("start", peer)
        self._tally.over(struck)

    async def _all_back(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BACK_WITHIN_S
        away = await self._not_ready()
        while away and loop.time() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
            away = await self._not_ready()
        for peer in away:
            words = f"not ready {BACK_WITHIN_S:g} s after its fault was over; no more faults"
            self._tally.incident(Incident(self._tally.now(), peer, "peers_stay_up", words))
        return not away

    async def _not_ready(self) -> list[str]:
        peers = self._asking.peers
        answers = await asyncio.gather(*(self._asking.ask(peer, "GET", "/readyz", within_s=2.0) for peer in peers))
        return [peer for peer, answer in zip(peers, answers, strict=True) if answer.status != 200]


async def _settled(asking: Asking, watch: Watch, tally: Tally, asked: list[Any], prefix: str) -> Evidence:
    ours = {"namespace": NAMESPACE}
    await asyncio.sleep(DEADLINE_S)  # what was asked last may come about until its deadline
    await settle.until_idle(asking, prefix, ours)
    await watch.all()
    tasks = {peer: await settle.tasks_of(asking, peer, prefix, ours) for peer in asking.peers}
    tally.note("settled", "")
    return Evidence(asked=asked, tasks=tasks, views=watch.views, incidents=tally.incidents, struck=tally.struck_times)
