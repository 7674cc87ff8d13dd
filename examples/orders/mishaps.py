"""The two bad moments: the leader is killed, and another peer is frozen.

Law: a mishap that hit fewer than `WORTH_RUNNING` running attempts proves little and is repeated. Nobody tells the
cluster: the killed process is only started again, as any supervisor would, and the frozen one only let go on.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from examples.orders.api import Peers
from examples.orders.attempts import AttemptReader
from examples.orders.probe import Probe
from examples.orders.processes import Processes

WORTH_RUNNING = 5
TRIES = 3
# Longer than the session's 5 s: what the frozen peer holds is given to others, and it wakes up as a stale holder.
FROZEN_S = 7.0
DOWN_S = 1.5
LEADS_WITHIN_S = 30.0
BACK_WITHIN_S = 30.0
LOOK_EVERY_S = 0.01


class Mishap(msgspec.Struct, frozen=True):
    """What happened, as measured from outside."""

    kind: str
    peer: str
    running: int
    """Attempts that the process was in the middle of."""
    led_again_s: float | None
    """Until a write that began after it was acknowledged; None: not in time."""
    back_s: float | None
    """From its return until the peer said it was ready; None: not in time."""
    returned_ns: int
    """When it was started again, or let go on."""


class Mishaps:
    """Brings them about, one at a time."""

    def __init__(
        self,
        peers: Peers,
        processes: Processes,
        probe: Probe,
        attempts: AttemptReader,
        start_peer: Callable[[str], int],
        say: Callable[[str], None],
    ) -> None:
        self._peers = peers
        self._processes = processes
        self._probe = probe
        self._attempts = attempts
        self._start_peer = start_peer
        self._say = say
        self.all: list[Mishap] = []
        self.down: set[str] = set()
        """Peers whose process is meant to be gone at this moment."""

    async def kill_leader(self) -> None:
        for _ in range(TRIES):
            mishap = await self._kill(await self._peers.leader())
            self.all.append(mishap)
            if mishap.running >= WORTH_RUNNING:
                return
            self._say(f"only {mishap.running} attempts were running: once more")

    async def freeze_another(self) -> None:
        """Neither the peer that was killed nor, if possible, the one that leads now: a follower in the middle of its
        work.
        """
        killed = {mishap.peer for mishap in self.all}
        leader = await self._peers.leader()
        names = sorted(set(self._peers.base) - killed, key=lambda name: name == leader) or [leader]
        for _ in range(TRIES):
            mishap = await self._freeze(names[0])
            self.all.append(mishap)
            if mishap.running >= WORTH_RUNNING:
                return
            self._say(f"only {mishap.running} attempts were running: once more")

    async def _kill(self, peer: str) -> Mishap:
        pid = self._processes.pid(peer)
        await self._until_busy(pid)
        at_s = time.monotonic()
        self.down.add(peer)
        self._processes.kill(peer)
        running = self._running(pid)
        self._say(f"kill -9 of {peer}, the leader, in the middle of {running} attempts")
        led_again_s = await self._probe.led_again(at_s, LEADS_WITHIN_S)
        if led_again_s is None:
            self._say(f"no write was acknowledged for {LEADS_WITHIN_S:g} s")
        else:
            self._say(f"writes again {led_again_s:.2f} s after the kill; {await self._peers.leader()} leads now")
        await asyncio.sleep(DOWN_S)
        returned_ns = time.monotonic_ns()
        self._start_peer(peer)
        self.down.discard(peer)
        self._say(f"{peer} is started again, on the data that it left behind")
        return Mishap("killed", peer, running, led_again_s, await self._back(peer, returned_ns), returned_ns)

    async def _freeze(self, peer: str) -> Mishap:
        pid = self._processes.pid(peer)
        await self._until_busy(pid)
        at_s = time.monotonic()
        self._processes.freeze(peer)
        running = self._running(pid)
        self._say(f"{peer} frozen (SIGSTOP) in the middle of {running} attempts")
        led_again_s = await self._probe.led_again(at_s, LEADS_WITHIN_S)
        if led_again_s is not None:
            self._say(f"the others go on: a write was acknowledged {led_again_s:.2f} s later")
        await asyncio.sleep(max(0.0, at_s + FROZEN_S - time.monotonic()))
        returned_ns = time.monotonic_ns()
        self._processes.thaw(peer)
        self._say(f"{peer} let go on (SIGCONT); what it was doing has been given to others meanwhile")
        return Mishap("frozen", peer, running, led_again_s, await self._back(peer, returned_ns), returned_ns)

    async def _until_busy(self, pid: int) -> None:
        """A moment in which the process is in the middle of enough attempts, if one comes soon."""
        for _ in range(300):
            if self._running(pid) >= WORTH_RUNNING:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _running(self, pid: int) -> int:
        self._attempts.follow()
        return self._attempts.running(pid)

    async def _back(self, peer: str, since_ns: int) -> float | None:
        """Seconds until the peer is ready; None: not in time."""
        since_s = since_ns / 1e9
        while time.monotonic() < since_s + BACK_WITHIN_S:
            if await self._peers.ready(peer):
                seconds = time.monotonic() - since_s
                self._say(f"{peer} says it is ready, {seconds:.1f} s later")
                return seconds
            await asyncio.sleep(0.05)
        return None
