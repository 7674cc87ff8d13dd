"""The ended tasks a peer must have on its own disk, and how it comes to those it never saw.

Laws:
- A row that is not durable here is still a stub in the replicated state, hence in the log or a snapshot: entries are
  not applied further while the oldest row not yet durable is older than half the life of a stub.
- After a start or an installed snapshot, rows that the state still holds as stubs are written again; what is older is
  fetched from another peer. Until then this peer says so, and answers nothing that depends on the whole history.
"""

from collections import deque
from typing import Protocol

import msgspec

from quorate.consensus.frames import AskHistory, HistoryRows, Message
from quorate.consensus.machine import Machine
from quorate.consensus.machine.moves import STUB_MS
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.raft import Raft
from quorate.consensus.reactor import Reactor
from quorate.consensus.settings import PeerSettings
from quorate.scheduling.task import ENDED, Task, TaskId

PAGE_BYTES = 1024 * 1024
UNWRITTEN_MS = STUB_MS // 2
"""Of cluster life: how long rows may wait for the disk before this peer stops applying."""
ASK_AGAIN_S = 1.0
LACKING_S = 30.0
"""How long the word of a peer that has a gap of its own counts: all must lack the rows at about the same time."""

_rows = msgspec.msgpack.Decoder(Task)
_encoder = msgspec.msgpack.Encoder()


class Surroundings(Protocol):
    settings: PeerSettings
    ports: Ports
    machine: Machine
    raft: Raft
    reactor: Reactor

    def find(self, task: TaskId) -> Task | None: ...

    def now(self) -> float: ...

    def send(self, to: PeerId, message: Message) -> bool: ...


class HistoryGap:
    def __init__(self, peer: Surroundings) -> None:
        self._peer = peer
        self._have = 0
        """Every row up to this end is here."""
        self._goal = 0
        self._ask_at = float("-inf")
        self._asked: PeerId | None = None
        self._lacking: dict[PeerId, float] = {}
        """When a peer last said that it has a gap of its own."""
        self._unwritten: deque[tuple[int, int]] = deque()
        """(log index, elapsed ms) of entries whose rows are not yet durable, oldest first."""
        self.refresh()

    def refresh(self) -> None:
        """After opening, and after each installed snapshot."""
        history, machine = self._peer.ports.history, self._peer.machine
        self._goal = machine.end_seq
        self._ask_at = float("-inf")
        self._lacking.clear()
        stubs = sorted((stub for stub in machine.ended.values() if stub.packed), key=lambda stub: stub.end_seq)
        self._have = history.last_end()
        rows: list[Task] = []
        for stub in stubs:
            # Behind a hole nothing is taken: a stub that dependants keep says nothing of the ends after it.
            if stub.end_seq == self._have + 1 and (record := stub.record) is not None:
                rows.append(record)
                self._have = stub.end_seq
        if rows:
            self._peer.ports.points.reach("gap.rewrite")
            history.fill(rows)
        self._give_up_if_nobody_has_them()

    def _give_up_if_nobody_has_them(self) -> None:
        """Rows that every peer lacks are gone (all history files were deleted); waiting for them would be for ever."""
        others = set(self._peer.settings.voters) - {self._peer.settings.me}
        now = self._peer.now()
        if all(now - self._lacking.get(peer, float("-inf")) < LACKING_S for peer in others):
            self._have = max(self._have, self._goal)

    # --- rows on their way to the disk ------------------------------------------------------------------------------

    def applied(self, index: int, elapsed: int) -> None:
        """An entry brought rows."""
        self._unwritten.append((index, elapsed))

    def may_apply(self) -> bool:
        unwritten = self._unwritten
        if not unwritten:
            return True
        history = self._peer.ports.history
        durable = history.readable_index()
        while unwritten and unwritten[0][0] <= durable:
            unwritten.popleft()
        if not unwritten:
            return True
        waiting_ms = self._peer.machine.elapsed - unwritten[0][1]
        return waiting_ms < UNWRITTEN_MS and history.backlog() < self._peer.settings.history_backlog_rows

    # --- rows of others ---------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._have >= self._goal

    def step(self, now: float) -> None:
        if self.closed or now < self._ask_at:
            return
        self._ask_at = now + ASK_AGAIN_S
        others = [
            peer for peer in self._peer.raft.connected_peers() if peer != self._asked
        ] or self._peer.raft.connected_peers()
        if not others:
            return
        leader = self._peer.raft.leader
        self._asked = leader if leader in others else others[0]
        self._peer.ports.points.reach("gap.ask")
        self._peer.send(self._asked, AskHistory(self._have, self._goal))

    def asked(self, peer: PeerId, message: AskHistory) -> None:
        """Only a peer without a gap of its own has an answer, and only for what it has seen end."""
        if not self.closed:
            self._peer.send(peer, HistoryRows([], 0))
            return
        upto = min(message.upto_end, self._peer.machine.end_seq)
        if upto <= message.after_end:
            return
        rows = self._peer.ports.history.rows_between(message.after_end, upto, PAGE_BYTES)
        upto = rows[-1].end_seq if rows else upto
        self._peer.send(peer, HistoryRows([_encoder.encode(row) for row in rows], upto))

    def told(self, peer: PeerId, message: HistoryRows) -> None:
        if self.closed:
            return
        if not message.upto_end:
            self._lacking[peer] = self._peer.now()
            self._give_up_if_nobody_has_them()
            return
        if message.upto_end <= self._have:
            return
        try:
            rows = [_rows.decode(row) for row in message.rows]
        except (msgspec.MsgspecError, ValueError):
            return  # asked again after ASK_AGAIN_S, of another peer
        self._peer.ports.points.reach("gap.fill")
        self._peer.ports.history.fill(rows)
        awaited = set(self._peer.reactor.waited_for())
        for row in rows:
            if row.id in awaited and (found := self._peer.find(row.id)) is not None and found.state in ENDED:
                self._peer.reactor.wake(found)
        self._have = message.upto_end
        self._asked = None
        self._ask_at = float("-inf")

    def wake_at(self) -> float:
        return float("inf") if self.closed else self._ask_at
