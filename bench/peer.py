"""One peer as `quorate peer` runs it, with a finer watch on its loop and, on request, operations proposed inside it.

    python -m bench.peer FILE ID

Lines on standard input are wishes, each answered with one JSON line on standard output:
- `lag`: how late the loop was since last asked (count, p50, p99, max in ms), the most CPU time between two looks, the
  longest garbage collection and the sum of all;
- `propose COUNT IN_FLIGHT`;
- `snapshot`;
- `state`: leader, term, snapshots taken.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from quorate.consensus.commands import Cancel, Outcome, Refused
from quorate.node.boot import Node
from quorate.node.config import load
from quorate.scheduling.task import TaskId

PROBE_S = 0.005
OP_BYTES = 100
OP_REASON = "x" * 24
"""Fills an operation up to `OP_BYTES`: peer, numbers, the id of a task and this."""
OP_DEADLINE_S = 60.0


class FineLag:
    """How late a timer was, 200 times a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._late_ms: list[float] = []
        self._busy_ms = 0.0
        """The most CPU time that the loop's thread spent between two looks: what of a stall is our own doing."""
        self._cpu_s = time.thread_time()
        self._plan()

    def _plan(self) -> None:
        due = self._loop.time() + PROBE_S

        def ring() -> None:
            self._late_ms.append((self._loop.time() - due) * 1000)
            before_s, self._cpu_s = self._cpu_s, time.thread_time()
            self._busy_ms = max(self._busy_ms, (self._cpu_s - before_s) * 1000)
            self._plan()

        self._loop.call_at(due, ring)

    def take(self) -> dict[str, float]:
        late, self._late_ms = sorted(self._late_ms) or [0.0], []
        busy_ms, self._busy_ms = self._busy_ms, 0.0
        last = len(late) - 1
        return {
            "busy_max": busy_ms,
            "count": len(late),
            "p50": late[last // 2],
            "p99": late[last * 99 // 100],
            "max": late[-1],
        }


class Proposing:
    """Operations of this peer, so many unanswered at once: commands that are decided, committed and refused, since the
    task they speak of never was. What is measured is the way through the log, not what a command does."""

    def __init__(self, node: Node, count: int, in_flight: int) -> None:
        self._node = node
        self._left = count
        self._unanswered = 0
        self._in_flight = in_flight
        self._odd = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._filling = False

    async def run(self) -> dict[str, float]:
        count, began, cpu = self._left, time.perf_counter(), time.process_time()
        self._fill()
        await self._done
        wall_s = time.perf_counter() - began
        return {"per_s": count / wall_s, "cpu_us": (time.process_time() - cpu) / count * 1e6, "odd": self._odd}

    def _fill(self) -> None:
        self._filling = False
        peer = self._node.peer
        deadline = peer.now() + OP_DEADLINE_S
        while self._unanswered < self._in_flight and self._left:
            self._left -= 1
            self._unanswered += 1
            peer.call(Cancel(TaskId("0" * 26), OP_REASON), deadline, self._answered)
        self._node.shell.wake()

    def _answered(self, outcome: Outcome, index: int) -> None:
        self._unanswered -= 1
        if not (isinstance(outcome, Refused) and outcome.reason == "not_found" and index):
            self._odd += 1
        if not self._filling:
            self._filling = True
            asyncio.get_running_loop().call_soon(self._fill)
        if not self._left and not self._unanswered and not self._done.done():
            self._done.set_result(None)


class Wishes:
    def __init__(self, node: Node, loop: asyncio.AbstractEventLoop) -> None:
        self._node = node
        self._lag = FineLag(loop)
        self._gc_ms = self._gc_sum_ms = 0.0
        self._gc_began = 0.0
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._gc_began = now
        else:
            took_ms = (now - self._gc_began) * 1000
            self._gc_ms = max(self._gc_ms, took_ms)
            self._gc_sum_ms += took_ms

    async def answer(self, wish: str, words: list[str]) -> object:
        raft = self._node.peer.raft
        if wish == "lag":
            told = {**self._lag.take(), "gc_max": self._gc_ms, "gc_sum": self._gc_sum_ms}
            self._gc_ms = self._gc_sum_ms = 0.0
            return told
        if wish == "propose":
            return await Proposing(self._node, int(words[0]), int(words[1])).run()
        if wish == "snapshot":
            raft.snapshot_now()
            self._node.shell.wake()
            return {"asked": True}
        return {"leader": raft.leader, "term": raft.term, "snapshots": raft.counters["snapshots_taken"]}


async def serve(file: Path, peer_id: str) -> None:
    loop = asyncio.get_running_loop()
    node = Node(load(file, peer_id), peer_id)
    await node.start()
    wishes = Wishes(node, loop)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tell: Callable[[str], object] = sys.stdout.write
    while line := await reader.readline():
        wish, *words = line.decode().split()
        tell(msgspec.json.encode(await wishes.answer(wish, words)).decode() + "\n")
        sys.stdout.flush()
    await node.stop()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for answers
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
