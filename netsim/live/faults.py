"""What strikes a cluster of this run's own: one method per kind of fault in `plan.FAMILIES`.

Laws
- A fault ends what it began, or leaves it to `heal`, which ends everything there is.
- At most one disk is lost at any moment, and only while all other peers are ready: promise 1 speaks of a majority of
  the disks.
- What cannot be half done (a kill, a folder that goes) is done without a pause, so that the end of the run comes before
  or after it.
- What a peer does by itself (it ends, it starts from damaged files) is an incident, never taken for the fault.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from quorate.consensus.journal_format import SECTOR
from quorate.netsim.live import log_files
from quorate.netsim.live.asking import Asking
from quorate.netsim.live.evidence import Incident
from quorate.netsim.live.links import Laid, Pair, both_ways
from quorate.netsim.live.own import OwnCluster, PeerWillNotStart
from quorate.netsim.live.plan import FAMILIES, OF_LINKS
from quorate.netsim.live.proxy import Delay, Hold, Narrow, Reset
from quorate.netsim.live.tally import Facts, Tally
from quorate.netsim.live.watch import Watch
from quorate.netsim.scenario import Fault

EXIT_REFUSED = 1
EXIT_FATAL = 70
"""EX_SOFTWARE: how a peer ends that can no longer trust its disk."""
ALL_READY_WITHIN_S = 15.0
BACK_WITHIN_S = 60.0
REFUSES_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
MAX_RESTARTS = 3
SMALL_ROOM_BYTES = 64 * 1024

LINK_KINDS = frozenset(kind for family in OF_LINKS for kind in FAMILIES[family])


class Skipped(Exception):
    """The fault did not strike, and why."""


class Faults:
    def __init__(self, cluster: OwnCluster, asking: Asking, watch: Watch, tally: Tally) -> None:
        self._cluster = cluster
        self._asking = asking
        self._watch = watch
        self._tally = tally
        self._laid: list[Laid] = []
        self._limited: set[str] = set()
        self._down: set[str] = set()
        """Peers that are meant not to run."""
        self._kinds: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "partition": self._partition,
            "one_way": self._one_way,
            "partial": self._partition,
            "slow_link": self._slow_link,
            "narrow": self._narrow,
            "drop": self._drop,
            "disk_full": self._disk_full,
            "wipe": self._wipe,
            "damage": self._damage,
        }

    async def run(self, plan: Sequence[Fault]) -> None:
        """Until cancelled."""
        of_links = [fault for fault in plan if fault.do in LINK_KINDS]
        of_peers = [fault for fault in plan if fault.do not in LINK_KINDS]
        async with asyncio.TaskGroup() as group:
            for lane in (of_links, of_peers):
                group.create_task(self._lane(lane))
            group.create_task(self._guard())

    async def heal(self) -> None:
        """Every link open, every peer running, every limit lifted."""
        await self._cluster.net.ways.lift(self._laid)
        self._laid.clear()
        for peer in self._cluster.peers:
            if peer in self._cluster.processes.frozen:
                self._cluster.processes.thaw(peer)
            if peer in self._limited:  # it may be ending at this very moment: in any case it begins anew
                self._cluster.processes.kill(peer)
            self._note_if_ended(peer)
            if self._cluster.processes.exit_code(peer) is not None:
                self._start(peer)
        self._limited.clear()
        self._down.clear()

    # --- lanes -------------------------------------------------------------------------------------------------------

    async def _lane(self, plan: Sequence[Fault]) -> None:
        for fault in plan:
            await asyncio.sleep(max(0.0, fault.at - self._tally.now()))
            try:
                await self._kinds[fault.do](fault)
            except Skipped as why:
                self._tally.skipped(fault.do, str(why))

    async def _guard(self) -> None:
        """A peer that ended by itself is told and started again, as any supervisor would, and not for ever."""
        restarts: Counter[str] = Counter()
        while True:
            for peer in self._cluster.peers:
                if peer not in self._down and self._note_if_ended(peer):
                    restarts[peer] += 1
                    if restarts[peer] > MAX_RESTARTS:
                        self._down.add(peer)
                    else:
                        self._start(peer)
            await asyncio.sleep(LOOK_EVERY_S)

    def _note_if_ended(self, peer: str) -> bool:
        code = self._cluster.processes.exit_code(peer)
        if code is None or peer in self._down:
            return False
        words = f"it ended with exit code {code}: {self._cluster.last_words(peer)}"
        self._tally.incident(Incident(self._tally.now(), peer, "peers_stay_up", words))
        return True

    def _start(self, peer: str) -> None:
        self._cluster.start(peer)
        self._down.discard(peer)
        self._tally.note("start", peer)

    # --- processes ---------------------------------------------------------------------------------------------------

    async def _kill(self, fault: Fault) -> None:
        struck = self._resolved(fault.on, ())
        self._down.update(struck)
        words = f"kill -9 of {self._named(struck)}"
        self._cluster.processes.kill(*struck)
        facts = self._tally.struck(fault, words, struck)
        for peer in struck:
            self._tally.note("kill", peer)
        await asyncio.sleep(fault.for_s or 0.0)
        for peer in struck:
            self._start(peer)
        self._tally.over(facts)

    async def _freeze(self, fault: Fault) -> None:
        (peer, *_) = self._resolved(fault.on, ())
        struck = self._tally.struck(fault, f"{self._named([peer])} frozen for {fault.for_s:.1f} s", [peer])
        self._cluster.processes.freeze(peer)
        self._tally.note("freeze", peer)
        await asyncio.sleep(fault.for_s or 0.0)
        self._cluster.processes.thaw(peer)
        self._tally.note("thaw", peer)
        self._tally.over(struck)

    # --- links -------------------------------------------------------------------------------------------------------

    async def _partition(self, fault: Fault) -> None:
        refused = fault.amount == "reset" and self._cluster.net.refuses
        rule, how = (Reset(), "connections refused") if refused else (Hold(), "in silence")
        ones, others = self._sides(fault)
        words = f"{self._named(ones)} | {self._named(others)} cut for {fault.for_s:.1f} s, {how}"
        struck = self._tally.struck(fault, words, ones, others)
        await self._for_a_while(fault, struck, await self._cluster.net.ways.lay(both_ways(ones, others), rule))

    async def _one_way(self, fault: Fault) -> None:
        sources, targets = self._sides(fault)
        pairs: list[Pair] = [(source, target) for source in sources for target in targets]
        words = f"nothing arrives from {self._named(sources)} at {self._named(targets)} for {fault.for_s:.1f} s"
        struck = self._tally.struck(fault, words, sources, targets)
        await self._for_a_while(fault, struck, await self._cluster.net.ways.hold_one_way(pairs))

    async def _slow_link(self, fault: Fault) -> None:
        ones, others = self._sides(fault)
        delay_s = float(fault.amount or 0.0)
        words = f"{self._named(ones)} <-> {self._named(others)} {delay_s * 1000:.0f} ms late for {fault.for_s:.1f} s"
        struck = self._tally.struck(fault, words, ones, others)
        await self._for_a_while(
            fault, struck, await self._cluster.net.ways.lay(both_ways(ones, others), Delay(delay_s))
        )

    async def _narrow(self, fault: Fault) -> None:
        ones, others = self._sides(fault)
        rate = float(fault.amount or 0.0)
        words = f"{self._named(ones)} <-> {self._named(others)} {rate / 1000:.0f} kB/s for {fault.for_s:.1f} s"
        struck = self._tally.struck(fault, words, ones, others)
        await self._for_a_while(fault, struck, await self._cluster.net.ways.lay(both_ways(ones, others), Narrow(rate)))

    async def _drop(self, fault: Fault) -> None:
        ones, others = self._sides(fault)
        self._cluster.net.ways.drop(both_ways(ones, others))
        self._tally.over(self._tally.struck(fault, f"all connections of {self._named(ones)} broken once", ones, others))

    async def _for_a_while(self, fault: Fault, struck: Facts, laid: list[Laid]) -> None:
        self._laid += laid
        await asyncio.sleep(fault.for_s or 0.0)
        await self._cluster.net.ways.lift(laid)
        self._laid = self._laid[len(laid) :]  # one at a time in this lane
        self._tally.over(struck)

    # --- disks -------------------------------------------------------------------------------------------------------

    async def _disk_full(self, fault: Fault) -> None:
        (peer, *_) = await self._alone(fault)
        written = log_files.written_bytes(self._cluster.data(peer))
        room = (written + int(fault.amount or 0) % SMALL_ROOM_BYTES) // SECTOR * SECTOR  # disks fill up by sectors
        struck = self._tally.struck(fault, f"no file of {self._named([peer])} may grow beyond {room:,} bytes", [peer])
        self._down.add(peer)
        self._limited.add(peer)
        self._cluster.processes.limit_file_size(peer, room)
        code = await self._ended(peer, fault.for_s or 0.0)
        if code is None:
            self._cluster.processes.limit_file_size(peer, None)
            self._down.discard(peer)
        else:
            if code != EXIT_FATAL:
                words = f"on a full disk it ended with {code}, not {EXIT_FATAL}: {self._cluster.last_words(peer)}"
                self._tally.incident(Incident(self._tally.now(), peer, "peers_stay_up", words))
            self._tally.note("kill", peer, why="disk full")
            self._start(peer)
        self._limited.discard(peer)
        self._tally.over(struck)

    async def _wipe(self, fault: Fault) -> None:
        (peer, *_) = await self._alone(fault)
        self._stopped(peer)
        shutil.rmtree(self._cluster.data(peer))
        self._tally.note("wipe", peer)
        struck = self._tally.struck(fault, f"the folder of {self._named([peer])} is gone", [peer])
        await asyncio.sleep(fault.for_s or 0.0)
        self._start(peer)
        await self._back(peer)
        self._tally.over(struck)

    async def _damage(self, fault: Fault) -> None:
        (peer, *_) = await self._alone(fault)
        self._stopped(peer)
        try:
            flipped = log_files.flip(self._cluster.data(peer), int(fault.amount or 0))
        except log_files.NothingToDamage as why:
            self._start(peer)
            raise Skipped(str(why)) from why
        where = f"{flipped.path.name} at offset {flipped.offset}"
        struck = self._tally.struck(fault, f"one byte of {self._named([peer])} changed: {where}", [peer])
        try:
            self._cluster.start(peer)
            code = await self._ended(peer, REFUSES_WITHIN_S)
            if code != EXIT_REFUSED or "damaged" not in self._cluster.last_words(peer):
                words = f"with {where} changed it ended with {code}: {self._cluster.last_words(peer)}"
                self._tally.incident(Incident(self._tally.now(), peer, "damage_is_refused", words))
        finally:
            self._cluster.processes.kill(peer)
            log_files.put_back(flipped)
        self._start(peer)
        self._tally.over(struck)

    def _stopped(self, peer: str) -> None:
        self._down.add(peer)
        self._cluster.processes.kill(peer)
        self._tally.note("kill", peer)

    async def _alone(self, fault: Fault) -> list[str]:
        """The peers it strikes, when all are ready. Raises Skipped where that takes too long."""
        try:
            waiting = await self._cluster.ready(self._asking, self._cluster.peers, ALL_READY_WITHIN_S)
        except PeerWillNotStart as ended:
            raise Skipped("a peer had just ended") from ended
        if waiting:
            raise Skipped(f"{', '.join(waiting)} not ready within {ALL_READY_WITHIN_S:g} s")
        return self._resolved(fault.on, ())

    async def _back(self, peer: str) -> None:
        try:
            waiting = await self._cluster.ready(self._asking, (peer,), BACK_WITHIN_S)
        except PeerWillNotStart:
            return  # the guard tells it
        if waiting:
            words = f"not ready {BACK_WITHIN_S:g} s after it was started"
            self._tally.incident(Incident(self._tally.now(), peer, "peers_stay_up", words))

    async def _ended(self, peer: str, within_s: float) -> int | None:
        """The exit code; None: it still runs."""
        deadline = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < deadline:
            if (code := self._cluster.processes.exit_code(peer)) is not None:
                return code
            await asyncio.sleep(LOOK_EVERY_S)
        return self._cluster.processes.exit_code(peer)

    # --- whom --------------------------------------------------------------------------------------------------------

    def _sides(self, fault: Fault) -> tuple[list[str], list[str]]:
        if fault.on == ("others",):
            others = self._resolved(fault.to, ())
            return self._resolved(("others",), others), others
        ones = self._resolved(fault.on, ())
        return ones, self._resolved(fault.to, ones)

    def _resolved(self, names: Sequence[str], not_these: Sequence[str]) -> list[str]:
        peers = self._cluster.peers
        found: list[str] = []
        for name in names:
            if name == "all":
                found += peers
            elif name == "others":
                found += [peer for peer in peers if peer not in not_these]
            elif name == "leader":
                found.append(self._watch.leader() or peers[0])
            else:
                found.append(name)
        return sorted(set(found))

    def _named(self, peers: Sequence[str]) -> str:
        leader = self._watch.leader()
        return ", ".join(f"{peer} (leader)" if peer == leader else peer for peer in peers)
