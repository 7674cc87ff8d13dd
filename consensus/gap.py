"""A peer that installed a snapshot fetches the ended tasks it never saw.

Law: until the gap is closed this peer says so, and answers nothing that depends on the whole history.
"""

from typing import Protocol

import msgspec

from quorate.consensus.frames import AskHistory, HistoryRows, Message
from quorate.consensus.machine import Machine
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.raft import Raft
from quorate.consensus.settings import PeerSettings
from quorate.scheduling.task import Task

PAGE_BYTES = 1024 * 1024
ASK_AGAIN_S = 1.0

_rows = msgspec.msgpack.Decoder(Task)
_encoder = msgspec.msgpack.Encoder()


class Surroundings(Protocol):
    settings: PeerSettings
    ports: Ports
    machine: Machine
    raft: Raft

    def now(self) -> float: ...

    def _send(self, to: PeerId, message: Message) -> bool: ...


class HistoryGap:
    def __init__(self, peer: Surroundings) -> None:
        self._peer = peer
        self._have = 0
        """Every row up to this end is here."""
        self._goal = 0
        self._ask_at = float("-inf")
        self._asked: PeerId | None = None
        self.refresh()

    def refresh(self) -> None:
        """After opening, and after each installed snapshot."""
        self._have = self._peer.ports.history.last_end()
        self._goal = self._peer.machine.end_seq
        self._ask_at = float("-inf")

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
        self._peer._send(self._asked, AskHistory(self._have, self._goal))

    def asked(self, peer: PeerId, message: AskHistory) -> None:
        """Only a peer without a gap of its own answers."""
        if not self.closed:
            return
        rows = self._peer.ports.history.rows_between(message.after_end, message.upto_end, PAGE_BYTES)
        upto = rows[-1].end_seq if rows else message.upto_end
        self._peer._send(peer, HistoryRows([_encoder.encode(row) for row in rows], upto))

    def told(self, message: HistoryRows) -> None:
        if self.closed or message.upto_end <= self._have:
            return
        try:
            rows = [_rows.decode(row) for row in message.rows]
        except msgspec.DecodeError:
            return  # asked again after ASK_AGAIN_S, of another peer
        self._peer.ports.history.fill(rows)
        self._have = message.upto_end
        self._asked = None
        self._ask_at = float("-inf")

    def wake_at(self) -> float:
        return float("inf") if self.closed else self._ask_at
