"""What a peer does while it leads: gathers everybody's operations, stamps them, proposes one entry after the other.

Laws:
- Nothing is taken before leadership is confirmed (an entry of this term committed and applied here), so what was not
  taken is surely in no log, and is given back at once.
- One entry is proposed while none is on its way to the disk: what comes meanwhile becomes the next one.
- A leader whose wall clock is off does not stamp but hands leadership on.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from quorate.consensus import codec
from quorate.consensus.batch import Batch, Waiting
from quorate.consensus.commands import Configure, Outcome
from quorate.consensus.frames import Beat, BeatReply, Forward, Message, NotTaken
from quorate.consensus.lead import LeaderClock, Skew
from quorate.consensus.machine import Machine
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.proposer import Pending, Proposer
from quorate.consensus.raft import Raft
from quorate.consensus.settings import PeerSettings

CONFIGURE_S = 60.0


class Surroundings(Protocol):
    """What leading needs of its peer."""

    settings: PeerSettings
    ports: Ports
    machine: Machine
    raft: Raft
    proposer: Proposer
    refused_frames: int

    def now(self) -> float: ...

    def send(self, to: PeerId, message: Message) -> bool: ...


class Leading:
    def __init__(self, peer: Surroundings) -> None:
        self._peer = peer
        self._me = peer.settings.me
        self._reach = peer.ports.points.reach
        self._batch = Batch()
        self._clock: LeaderClock | None = None
        """None: not leading, or not yet confirmed."""
        self._skew = Skew()
        self.skew_ms = 0
        """This peer's wall clock minus the voters' median: as we measure it while leading, else as we were told."""
        self._configured_in = 0

    def follow(self, now: float) -> None:
        """Take note of who leads now."""
        raft, machine = self._peer.raft, self._peer.machine
        self._peer.proposer.aim(raft.leader, raft.term)
        if not raft.leading:
            if self._clock is not None or len(self._batch):
                self._clock = None
                self._give_back(self._batch.drain(), "not_leader")
            return
        if (
            self._clock is None
            and raft.ready_to_serve
            and raft.applied_index >= raft.last_index
            and self._may_stamp(now)
        ):
            # Everything of earlier leaders is applied, hence the state's times are those of the last entry in our log.
            clock = LeaderClock(self._peer.ports.clock, machine.elapsed, machine.stamp)
            self._reach("lead.stamp")
            if raft.propose(codec.encode_entry(clock.elapsed(), clock.stamp(), True, [])):
                self._clock = clock
        self._configure(now)

    def _configure(self, now: float) -> None:
        """Limits are data in the log: the leader's cluster file is what counts, once a term."""
        limits, term = self._peer.settings.limits, self._peer.raft.term
        if self._configured_in == term or self._clock is None or self._peer.machine.limits == limits:
            return
        self._configured_in = term
        self._peer.proposer.offer_reserved(Configure(limits), now + CONFIGURE_S, _ignore)

    # --- taking in ---------------------------------------------------------------------------------------------------

    def take_own(self, due: Sequence[Pending], now: float) -> None:
        if self._clock is None:
            self._peer.proposer.pause(now)
            return
        self._reach("batch.take")
        refused = []
        for pending in due:
            waiting = Waiting(self._me, pending.number, pending.data)
            taken = self._batch.add_reserved(waiting) if pending.reserved else self._batch.add(waiting)
            self._peer.proposer.sent(pending, now)
            if not taken:
                refused.append(pending.number)
        if refused:
            self._peer.proposer.not_taken(refused, "full", now)

    def take_forward(self, peer: PeerId, message: Forward) -> None:
        ops = self._decoded(peer, message)
        if self._clock is None:
            self._give_back(ops, "not_leader")
            return
        self._reach("batch.take")
        add = self._batch.add_reserved if message.reserved else self._batch.add
        self._give_back([waiting for waiting in ops if not add(waiting)], "full")

    def _decoded(self, peer: PeerId, message: Forward) -> list[Waiting]:
        """A peer speaks in its own name only; the rest is counted and dropped."""
        ops: list[Waiting] = []
        for raw in message.ops:
            try:
                op = codec.decode_op(raw)
            except codec.Malformed:
                self._peer.refused_frames += 1
                continue
            if op.peer != peer:
                self._peer.refused_frames += 1
                continue
            ops.append(Waiting(peer, op.number, bytes(raw)))
        return ops

    def _give_back(self, ops: Iterable[Waiting], why: str) -> None:
        numbers: dict[PeerId, list[int]] = {}
        for waiting in ops:
            numbers.setdefault(waiting.origin, []).append(waiting.number)
        for origin, given_back in numbers.items():
            self._reach("batch.give_back")
            if origin == self._me:
                self._peer.proposer.not_taken(given_back, why, self._peer.now())
            else:
                self._peer.send(origin, NotTaken(given_back, why))

    # --- proposing ---------------------------------------------------------------------------------------------------

    def propose(self, now: float) -> bool:
        """The next entry, if there is something for it. True: it is in the log."""
        clock, raft = self._clock, self._peer.raft
        if clock is None or not self._may_propose() or self._hands_on(now):
            return False
        ops = self._batch.take()
        if not ops and not self._is_due(clock):
            return False
        self._reach("batch.propose")
        return raft.propose(codec.encode_entry(clock.elapsed(), clock.stamp(), False, ops))

    def _may_propose(self) -> bool:
        """Not while an entry is on its way to the disk; a slice of a snapshot that is holds nothing up."""
        raft = self._peer.raft
        return raft.accepting and raft.flushed_index == raft.last_index

    def _is_due(self, clock: LeaderClock) -> bool:
        caught_up = self._peer.raft.applied_index == self._peer.raft.last_index
        return caught_up and self._peer.machine.due(clock.elapsed(), self._peer.ports.clock.wall_ms())

    def wake_at(self) -> float:
        """When a timer of the state is due."""
        raft = self._peer.raft
        if self._clock is None or not self._may_propose() or raft.applied_index < raft.last_index:
            return float("inf")  # what is on its way (an entry, a handover) will step us when it is over
        elapsed_due, wall_due = self._peer.machine.next_due()
        waits_ms = []
        if elapsed_due is not None:
            waits_ms.append(elapsed_due - self._clock.elapsed())
        if wall_due is not None:
            waits_ms.append(wall_due - self._peer.ports.clock.wall_ms())
        return self._peer.now() + max(0, min(waits_ms)) / 1000 if waits_ms else float("inf")

    # --- wall clocks -------------------------------------------------------------------------------------------------

    def _hands_on(self, now: float) -> bool:
        settings = self._peer.settings
        self.skew_ms = self._skew.own_from_median_ms(now, len(settings.voters))
        return abs(self.skew_ms) > settings.max_skew_ms and self._peer.raft.transfer(None)

    def _may_stamp(self, now: float) -> bool:
        """Not before a majority has said what time it is: a stamp is for ever."""
        return self._skew.is_known(now, len(self._peer.settings.voters)) and not self._hands_on(now)

    def heard_beat(self, peer: PeerId, message: Beat) -> None:
        own = self._peer.ports.clock.wall_ms()
        self._skew.heard(peer, message.wall_ms, own, self._peer.now())
        self._peer.send(peer, BeatReply(message.wall_ms - own + self.skew_ms))

    def heard_reply(self, message: BeatReply) -> None:
        self.skew_ms = message.median_skew_ms


def _ignore(_outcome: Outcome, _index: int) -> None:
    """It is proposed again in the next term if it is still needed."""
