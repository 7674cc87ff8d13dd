"""One member of the cluster: every decision it takes, stepped from outside.

Laws:
- Inputs are plain calls (`on_*`, `submit`, `call`, `read` ...), outputs go to the ports; nothing here blocks, waits
  or reads a clock of its own.
- After any inputs the shell calls `step()` once; `wake_at()` says when the next step is due though nothing happens.
- Replies are called from within `step()` or an input, exactly once each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast, get_args

import msgspec

from quorate.consensus import codec
from quorate.consensus.attempts import Attempts
from quorate.consensus.commands import Command, Refused, SessionInfo
from quorate.consensus.divergence import Divergence
from quorate.consensus.frames import (
    AskHistory,
    Beat,
    BeatReply,
    Forward,
    HashVerdict,
    Hello,
    HistoryRows,
    Message,
    NotTaken,
    RaftMessage,
)
from quorate.consensus.gap import HistoryGap
from quorate.consensus.leading import Leading
from quorate.consensus.machine import Machine, Restore, Walk
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.proctor import Proctor
from quorate.consensus.proposer import Proposer, Reply
from quorate.consensus.raft import Raft, RaftSettings, Recovery
from quorate.consensus.reactor import Reactor, Sink, Subscription, Woken
from quorate.consensus.reads import ReadReply, Reads
from quorate.consensus.settings import PeerSettings
from quorate.consensus.status import Status, status_of
from quorate.consensus.submitter import Submitter
from quorate.scheduling import ulid
from quorate.scheduling.task import ENDED, Ending, NewTask, Task, TaskId

FORWARD_BYTES = 512 * 1024
"""Operations of one forward frame: large enough to be cheap, small enough not to hold up a heartbeat."""
BEAT_S = 1.0
ROUNDS = 4
"""Engine ticks in one step: what a tick applied may give us something to propose at once."""
RAFT_MESSAGES = frozenset(get_args(RaftMessage))
"""Most messages are of these: looked up by type, instead of compared with one after the other."""


class Peer:
    """`settings` say who it is; `ports` are all it can touch. `open()` once, then inputs and steps."""

    def __init__(self, settings: PeerSettings, ports: Ports, *, found: bool = False) -> None:
        self.settings = settings
        self.ports = ports
        self.machine = Machine()
        self.reactor = Reactor(settings.events_kept)
        self.refused_frames = 0
        self.stopping = False
        self._restore: Restore | None = None
        self._beat_at = float("-inf")
        self._beats_to: PeerId | None = None
        self.raft = Raft(
            me=settings.me,
            voters=settings.voters,
            cluster=settings.cluster,
            settings=RaftSettings(
                heartbeat_s=settings.heartbeat_s,
                election_min_s=settings.election_min_s,
                election_max_s=settings.election_max_s,
                snapshot_entries=settings.snapshot_entries,
                snapshot_bytes=settings.snapshot_bytes,
                keep_entries=settings.keep_entries,
                segment_bytes=settings.segment_bytes,
            ),
            clock=ports.clock,
            entropy=ports.entropy,
            disk=ports.disk,
            send=self.send,
            apply=self._apply,
            can_apply=self._can_apply,
            begin_walk=self._begin_walk,
            install_begin=self._install_begin,
            install_feed=self._install_feed,
            install_finish=lambda index, _term: self._install_finish(index),
            state_hash=lambda: self.divergence.latest,
            on_hashes=self._compare_hashes,
            found=found,
            points=ports.points,
        )
        self._reach = ports.points.reach
        self.divergence = Divergence(settings, self.raft, self.send, ports.points)
        self.reads = Reads(self.raft.read_index, settings.waiting_reads)

    def open(self) -> Recovery:
        """Read the data folder and become what it says. Raises what `Raft.open` raises when the folder cannot be
        trusted.
        """
        recovery = self.raft.open()
        if recovery.snapshot_index:
            self._restore_from(recovery)
        self.proposer = Proposer(self.settings.me, recovery.incarnation, self.settings.pending_ops)
        self.proctor = Proctor(self.settings, recovery.incarnation, self._offer_reserved, self._session_lost)
        self.attempts = Attempts(self.settings, self.ports, recovery.incarnation, self)
        self.submitter = Submitter(self)
        self.gap = HistoryGap(self)
        self._leading = Leading(self)
        return recovery

    def _restore_from(self, recovery: Recovery) -> None:
        self._reach("recover.restore")
        restore = Restore()
        for chunk in recovery.snapshot_chunks:
            restore.feed(chunk)
        self.machine = restore.finish()
        self.reactor.restart(recovery.snapshot_index)

    # --- inputs from the shell

    def now(self) -> float:
        return self.ports.clock.monotonic()

    @property
    def can_greet(self) -> bool:
        """Nothing may be sent, not even a hello, before this life's number is durable."""
        return self.raft.can_greet

    def hello(self) -> Hello:
        return self.raft.hello()

    def on_hello(self, hello: Hello) -> str | None:
        """None: talk to it. Otherwise the reason why not."""
        return self.raft.on_hello(hello)

    def on_connected(self, peer: PeerId) -> None:
        self.raft.connected(peer)

    def on_disconnected(self, peer: PeerId) -> None:
        self.raft.disconnected(peer)
        if peer == self.raft.leader:
            self.proposer.resend_all()

    def on_frame(self, peer: PeerId, frame: bytes) -> None:
        try:
            message = codec.decode_message(frame)
        except codec.Malformed:
            self.refused_frames += 1
            return
        self._receive(peer, message)

    def on_flushed(self, ticket: int) -> None:
        self.raft.flushed(ticket)

    def on_work_done(self, task: TaskId, fence: int, ending: Ending) -> None:
        self.attempts.ended(task, fence, ending)

    def describe(self, info: SessionInfo) -> None:
        """What this peer says of itself (address, threads, handlers ...); may change while it runs."""
        self.proctor.describe(info)

    def hold(self, places: int) -> None:
        """How many attempts this peer wants to hold now: threads and what it claims ahead of them."""
        self.attempts.places = places
        self.proctor.resize(places, self.now())

    # --- inputs from users

    def new_id(self) -> TaskId:
        return ulid.make(self.ports.clock.wall_ms(), self.ports.entropy.getrandbits(80))

    def submit(self, tasks: Sequence[NewTask], deadline: float, reply: Reply) -> None:
        """All or none. `Done.value`: the ids in order (of the first task where a key was used before). What only
        history knows is looked up here.
        """
        if self._refuses_writes(reply):
            return
        if self.ports.disk.free_bytes() < self.settings.free_space_floor_bytes:
            reply(Refused("disk_full", "this peer's data disk is nearly full; submissions are refused first"), 0)
            return
        self.submitter.submit(tuple(tasks), deadline, reply)

    def call(self, command: Command, deadline: float, reply: Reply) -> None:
        """Any other command, in this peer's name."""
        if not self._refuses_writes(reply):
            self.proposer.offer(command, deadline, reply)

    def retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
        """A fresh round of attempts for a failed task."""
        if not self._refuses_writes(reply):
            self.submitter.retry(task, deadline, reply)

    def read(self, deadline: float, reply: ReadReply) -> None:
        """The moment from which the own replica answers linearizably."""
        if self.divergence.quarantined:
            reply(None)
            return
        self.reads.add(deadline, reply)

    def find(self, task: TaskId) -> Task | None:
        """Live, just ended, or in history."""
        live = self.machine.tasks.get(task)
        if live is not None:
            return live
        stub = self.machine.ended.get(task)
        if stub is not None and stub.record is not None:
            return stub.record
        old = self.ports.history.find(task)
        if old is None:
            return None
        floor_end, floor_ms = self.machine.history_floor()
        return old if old.end_seq > floor_end and old.ended_stamp >> 16 > floor_ms else None

    def wait(self, task: TaskId, woken: Woken) -> Callable[[], None]:
        """`woken` is called once when the task has ended, at once if it has. Returns how to stop waiting."""
        found = self.find(task)
        if found is not None and found.state in ENDED:
            woken(found)
            return _nothing
        return self.reactor.wait(task, woken)

    def subscribe(self, after: tuple[int, int] | None, sink: Sink) -> Subscription:
        return self.reactor.subscribe(after, sink)

    def status(self) -> Status:
        return status_of(self)

    @property
    def skew_ms(self) -> int:
        """This peer's wall clock minus the voters' median."""
        return self._leading.skew_ms

    @property
    def id(self) -> PeerId:
        return self.settings.me

    @property
    def cluster(self) -> str:
        return self.settings.cluster

    @property
    def history_complete(self) -> bool:
        return self.gap.closed

    @property
    def serving(self) -> bool:
        """Whether this peer may take on tasks."""
        return not (self.stopping or self.divergence.quarantined)

    def stop(self, deadline: float, reply: Reply) -> None:
        """Leave in peace: nothing more is claimed, what is held goes back. The shell then stops stepping."""
        self.stopping = True
        self.raft.transfer(None)
        self.proctor.close(deadline, reply)

    # --- the step

    def step(self) -> None:
        """Everything that follows from the inputs since the last step, and from the time."""
        raft, gap, reads, proposer = self.raft, self.gap, self.reads, self.proposer
        monotonic = self.ports.clock.monotonic
        for _ in range(ROUNDS):
            raft.step()
            now = monotonic()
            self._leading.follow(now)
            self.proctor.step(now)
            self.attempts.step(now)
            self.submitter.step(now)
            gap.step(now)
            if reads.busy:
                # What a read may show includes what has ended: it waits until the history is whole.
                reads.step(now, raft.applied_index if gap.closed else 0)
            self._pump(now)
            if not self._leading.propose(now):
                break
        now = monotonic()
        proposer.expire(now)
        self._beat(now)

    def wake_at(self) -> float:
        return min(
            self.raft.wake_at(),
            self.reads.wake_at(),
            self.proposer.wake_at(),
            self.proctor.wake_at(),
            self.attempts.wake_at(),
            self.submitter.wake_at(),
            self.gap.wake_at(),
            self._leading.wake_at(),
            self._beat_at,
        )

    def _pump(self, now: float) -> None:
        """Send what waits to the leader: ourselves, or in frames."""
        due = self.proposer.due(now)
        if not due:
            return
        leader = self.raft.leader
        if leader is None:
            return
        if leader == self.settings.me:
            self._leading.take_own(due, now)
            return
        for reserved in (True, False):
            frame: list[msgspec.Raw] = []
            size = 0
            members = [pending for pending in due if pending.reserved is reserved]
            for place, pending in enumerate(members):
                frame.append(msgspec.Raw(pending.data))
                size += len(pending.data)
                last = place == len(members) - 1
                if not last and size < FORWARD_BYTES:
                    continue
                self._reach("op.send")
                if not self.send(leader, Forward(frame, reserved)):
                    self.proposer.pause(now)
                    return
                for sent in members[place + 1 - len(frame) : place + 1]:
                    self.proposer.sent(sent, now)
                frame, size = [], 0

    def _beat(self, now: float) -> None:
        """To the leader, and at once to a new one: it stamps nothing before it has heard what time it is."""
        leader = self.raft.leader
        if now < self._beat_at and leader == self._beats_to:
            return
        self._beats_to, self._beat_at = leader, now + BEAT_S
        if leader is None or leader == self.settings.me:
            return
        if not self.send(leader, Beat(self.ports.clock.wall_ms())):
            self._beat_at = now + self.settings.heartbeat_s

    # --- messages

    def send(self, to: PeerId, message: Message) -> bool:
        """False: it surely does not leave."""
        return self.ports.network.send(to, codec.encode_message(message))

    def _receive(self, peer: PeerId, message: Message) -> None:
        if type(message) in RAFT_MESSAGES:
            self.raft.receive(peer, cast(RaftMessage, message))
        elif isinstance(message, Forward):
            self._leading.take_forward(peer, message)
        elif isinstance(message, NotTaken):
            self.proposer.not_taken(message.numbers, message.why, self.now())
        elif isinstance(message, AskHistory):
            self.gap.asked(peer, message)
        elif isinstance(message, HistoryRows):
            self.gap.told(peer, message)
        elif isinstance(message, Beat):
            self._leading.heard_beat(peer, message)
        elif isinstance(message, BeatReply):
            self._leading.heard_reply(message)
        elif isinstance(message, HashVerdict):
            self.divergence.verdict(message)

    # --- what Raft calls

    def _apply(self, index: int, term: int, entry: bytes) -> None:
        before = self.machine.index
        change = self.machine.apply(index, term, entry)
        me, incarnation = self.settings.me, self.proposer.incarnation
        if change.ended:
            self._reach("apply.history")
            self.ports.history.append(index, change.ended)
            self.gap.applied(index, self.machine.elapsed)
        self.attempts.follow(change.events)
        for peer, life, number, outcome in change.answers:
            if peer == me and life == incarnation:
                self._reach("batch.answer")
                self.proposer.applied(number, outcome, index)
        self.reactor.publish(index, change.events)
        self.ports.history.advance(index)
        self.divergence.applied(before, index, self.machine)

    def _can_apply(self) -> bool:
        return self.gap.may_apply()

    def _compare_hashes(self, index: int, hashes: Mapping[PeerId, bytes]) -> None:
        self.divergence.compare(index, hashes)

    def _begin_walk(self) -> Walk:
        return self.machine.begin_walk()

    def _install_begin(self) -> None:
        self._restore = Restore()

    def _install_feed(self, chunk: bytes) -> None:
        assert self._restore is not None
        self._restore.feed(chunk)

    def _install_finish(self, index: int) -> None:
        """The tables of a snapshot take the place of ours. Everything that waited is looked up in them."""
        assert self._restore is not None
        self.machine = self._restore.finish()
        self._restore = None
        self.reactor.restart(index)
        for number in self.proposer.numbers():
            outcome = self.machine.recorded(self.settings.me, self.proposer.incarnation, number)
            if outcome is not None:
                self.proposer.applied(number, outcome, index)
        for task in self.reactor.waited_for():
            found = self.find(task)
            if found is not None and found.state in ENDED:
                self.reactor.wake(found)
        self.attempts.compare(self.machine)
        self.gap.refresh()

    # --- inside

    def _offer_reserved(self, command: Command, deadline: float, reply: Reply) -> None:
        self._reach("session.renew")
        self.proposer.offer_reserved(command, deadline, reply)

    def _session_lost(self) -> None:
        self._reach("session.lost")
        self.attempts.lost()

    def _refuses_writes(self, reply: Reply) -> bool:
        if self.divergence.quarantined:
            reply(Refused("quarantined", self.divergence.quarantined), 0)
            return True
        if self.stopping:
            reply(Refused("stopping", "this peer is stopping; ask another"), 0)
            return True
        return False


def _nothing() -> None:
    """What there is to do to stop waiting for something that has ended."""
