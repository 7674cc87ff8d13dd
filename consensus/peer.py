"""One member of the cluster: every decision it takes, stepped from outside.

Laws:
- Inputs are plain calls (`on_*`, `submit`, `call`, `read` ...), outputs go to the ports; nothing here blocks, waits
or reads a clock of its own. - After any inputs the shell calls `step()` once; `wake_at()` says when the next step is
due though nothing happens. - Replies are called from within `step()` or an input, exactly once each.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from quorate.consensus import codec
from quorate.consensus.attempts import Attempts
from quorate.consensus.batch import Batch, Waiting
from quorate.consensus.commands import Command, Configure, Outcome, Refused, SessionInfo
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
)
from quorate.consensus.gap import HistoryGap
from quorate.consensus.lead import LeaderClock, Skew
from quorate.consensus.machine import Machine, Restore, Walk
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.proctor import Proctor
from quorate.consensus.proposer import Pending, Proposer, Reply
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
        self._batch = Batch()
        self._lead: LeaderClock | None = None
        self._skew = Skew()
        self.skew_ms = 0
        self._beat_at = float("-inf")
        self._configured: tuple[int, int] = (0, 0)
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
            ),
            clock=ports.clock,
            entropy=ports.entropy,
            disk=ports.disk,
            send=self._send,
            apply=self._apply,
            can_apply=self._can_apply,
            begin_walk=self._begin_walk,
            install_begin=self._install_begin,
            install_feed=self._install_feed,
            install_finish=lambda index, _term: self._install_finish(index),
            state_hash=lambda: self.divergence.latest,
            on_hashes=self._compare_hashes,
            found=found,
        )
        self.divergence = Divergence(settings, self.raft, self._send)
        self.reads = Reads(self.raft.read_index, settings.waiting_reads)

    def open(self) -> Recovery:
        """Read the data folder and become what it says. Raises what `Raft.open` raises when the folder cannot be
        trusted.
        """
        recovery = self.raft.open()
        if recovery.snapshot_index:
            self._install_begin()
            for chunk in recovery.snapshot_chunks:
                self._install_feed(chunk)
            self._install_finish(recovery.snapshot_index)
        self.proposer = Proposer(self.settings.me, recovery.incarnation, self.settings.pending_ops)
        self.proctor = Proctor(self.settings, recovery.incarnation, self._offer_reserved, self._session_lost)
        self.attempts = Attempts(self.settings, self.ports, recovery.incarnation, self)
        self.submitter = Submitter(self)
        self.gap = HistoryGap(self)
        return recovery

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
        for _ in range(ROUNDS):
            self.raft.step()
            now = self.now()
            self._follow_leadership(now)
            self.proctor.step(now)
            self.attempts.step(now)
            self.submitter.step(now)
            self.gap.step(now)
            self.reads.step(now, self.raft.applied_index)
            self._pump(now)
            if not self._propose(now):
                break
        self.proposer.expire(self.now())
        self._beat(self.now())

    def wake_at(self) -> float:
        wake = min(
            self.raft.wake_at(),
            self.proposer.wake_at(),
            self.reads.wake_at(),
            self.proctor.wake_at(),
            self.attempts.wake_at(),
            self.submitter.wake_at(),
            self.gap.wake_at(),
            self._beat_at,
        )
        return min(wake, self._timers_wake_at())

    def _timers_wake_at(self) -> float:
        if self._lead is None or self.raft.applied_index < self.raft.last_index:
            return float("inf")  # the entry on its way will step us when it is applied
        elapsed_due, wall_due = self.machine.next_due()
        now = self.now()
        waits = [float("inf")]
        if elapsed_due is not None:
            waits.append(max(0, elapsed_due - self._lead.elapsed()) / 1000)
        if wall_due is not None:
            waits.append(max(0, wall_due - self.ports.clock.wall_ms()) / 1000)
        return now + min(waits)

    def _follow_leadership(self, now: float) -> None:
        raft = self.raft
        self.proposer.aim(raft.leader, raft.term)
        if raft.role != "leader":
            if self._lead is not None or len(self._batch):
                self._lead = None
                self._give_back(self._batch.drain(), "not_leader")
            return
        if self._lead is None and raft.ready_to_serve and raft.applied_index >= raft.last_index:
            # Everything of earlier leaders is applied, hence the state's times are those of the last entry in our log.
            self._lead = LeaderClock(self.ports.clock, self.machine.elapsed, self.machine.stamp)
            raft.propose(codec.encode_entry(self._lead.elapsed(), self._lead.stamp(), True, []))
        self._configure(now)

    def _configure(self, now: float) -> None:
        wanted = (self.raft.term, self.machine.index)
        if self._lead is None or self.machine.limits == self.settings.limits or self._configured[0] == wanted[0]:
            return
        self._configured = wanted
        self.proposer.offer_reserved(Configure(self.settings.limits), now + 60.0, _ignore)

    def _pump(self, now: float) -> None:
        """Send what waits to the leader: ourselves, or in frames."""
        due = self.proposer.due(now)
        if not due:
            return
        leader = self.raft.leader
        if leader is None:
            return
        if leader == self.settings.me:
            self._take_own(due, now)
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
                if not self._send(leader, Forward(frame, reserved)):
                    self.proposer.pause(now)
                    return
                for sent in members[place + 1 - len(frame) : place + 1]:
                    self.proposer.sent(sent, now)
                frame, size = [], 0

    def _take_own(self, due: Sequence[Pending], now: float) -> None:
        if self._lead is None:
            self.proposer.pause(now)  # not yet confirmed as leader: they stay unsent, surely in no log
            return
        refused = []
        for pending in due:
            waiting = Waiting(self.settings.me, pending.number, pending.data)
            taken = self._batch.add_reserved(waiting) if pending.reserved else self._batch.add(waiting)
            self.proposer.sent(pending, now)
            if not taken:
                refused.append(pending.number)
        if refused:
            self.proposer.not_taken(refused, "full", now)

    def _propose(self, now: float) -> bool:
        """One entry, if there is something for it and the last one is on its way out of the flusher."""
        lead = self._lead
        if lead is None or self.raft.flushing or self._hands_on(now):
            return False
        ops = self._batch.take()
        if not ops and not self._due(lead):
            return False
        return self.raft.propose(codec.encode_entry(lead.elapsed(), lead.stamp(), False, ops))

    def _due(self, lead: LeaderClock) -> bool:
        caught_up = self.raft.applied_index == self.raft.last_index
        return caught_up and self.machine.due(lead.elapsed(), self.ports.clock.wall_ms())

    def _hands_on(self, now: float) -> bool:
        self.skew_ms = self._skew.own_from_median_ms(now, len(self.settings.voters))
        return abs(self.skew_ms) > self.settings.max_skew_ms and self.raft.transfer(None)

    def _beat(self, now: float) -> None:
        if now < self._beat_at:
            return
        self._beat_at = now + BEAT_S
        leader = self.raft.leader
        if leader is not None and leader != self.settings.me:
            self._send(leader, Beat(self.ports.clock.wall_ms()))

    # --- messages

    def _send(self, to: PeerId, message: Message) -> bool:
        return self.ports.network.send(to, codec.encode_message(message))

    def _receive(self, peer: PeerId, message: Message) -> None:
        if isinstance(message, Forward):
            self._take_forward(peer, message)
        elif isinstance(message, NotTaken):
            self.proposer.not_taken(message.numbers, message.why, self.now())
        elif isinstance(message, AskHistory):
            self.gap.asked(peer, message)
        elif isinstance(message, HistoryRows):
            self.gap.told(message)
        elif isinstance(message, Beat):
            own = self.ports.clock.wall_ms()
            self._skew.heard(peer, message.wall_ms, own, self.now())
            self._send(peer, BeatReply(message.wall_ms - own + self.skew_ms))
        elif isinstance(message, BeatReply):
            self.skew_ms = message.median_skew_ms
        elif isinstance(message, HashVerdict):
            self.divergence.verdict(message)
        else:
            self.raft.receive(peer, message)

    def _take_forward(self, peer: PeerId, message: Forward) -> None:
        if self._lead is None:
            self._give_back(self._decoded(peer, message), "not_leader")
            return
        refused: list[Waiting] = []
        for waiting in self._decoded(peer, message):
            taken = self._batch.add_reserved(waiting) if message.reserved else self._batch.add(waiting)
            if not taken:
                refused.append(waiting)
        self._give_back(refused, "full")

    def _decoded(self, peer: PeerId, message: Forward) -> list[Waiting]:
        """A peer speaks in its own name only; the rest is counted and dropped."""
        ops: list[Waiting] = []
        for raw in message.ops:
            try:
                op = codec.decode_op(raw)
            except codec.Malformed:
                self.refused_frames += 1
                continue
            if op.peer != peer:
                self.refused_frames += 1
                continue
            ops.append(Waiting(peer, op.number, bytes(raw)))
        return ops

    def _give_back(self, ops: Sequence[Waiting], why: str) -> None:
        numbers: dict[PeerId, list[int]] = {}
        for waiting in ops:
            numbers.setdefault(waiting.origin, []).append(waiting.number)
        for origin, given_back in numbers.items():
            if origin == self.settings.me:
                self.proposer.not_taken(given_back, why, self.now())
            else:
                self._send(origin, NotTaken(given_back, why))

    # --- what Raft calls

    def _apply(self, index: int, term: int, entry: bytes) -> None:
        before = self.machine.index
        change = self.machine.apply(index, term, entry)
        me, incarnation = self.settings.me, self.proposer.incarnation
        if change.ended:
            self.ports.history.append(index, change.ended)
            self.gap.applied(index, self.machine.elapsed)
        self.attempts.follow(change.events)
        for peer, life, number, outcome in change.answers:
            if peer == me and life == incarnation:
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
        if hasattr(self, "proposer"):
            self._catch_up_waiters(index)

    def _catch_up_waiters(self, index: int) -> None:
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
        self.proposer.offer_reserved(command, deadline, reply)

    def _session_lost(self) -> None:
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


def _ignore(_outcome: Outcome, _index: int) -> None:
    """For operations that are proposed again if they are still needed."""
