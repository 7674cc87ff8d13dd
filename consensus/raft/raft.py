"""One peer's Raft: PySyncObj as the engine, everything around it ours. Raft: Ongaro and Ousterhout, 2014; Ongaro's
thesis, 2014.

Laws:
- Stepped from outside: inputs are plain calls, outputs the given callables and the disk port; nothing blocks.
- Nothing is applied here that is not flushed here, nothing is sent that depends on an unflushed promise.
- An error while applying stops this peer for good: an entry never runs twice.
"""

from collections.abc import Callable, Mapping, Sequence

from quorate.consensus.frames import (
    Append,
    AppendReply,
    AskIndex,
    Heard,
    Hello,
    PreVote,
    PreVoteReply,
    RaftMessage,
    ReadIndex,
    RequestVote,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
    Vote,
)
from quorate.consensus.points import UNWATCHED, Points
from quorate.consensus.ports import MAX_FRAME_BYTES, Clock, Disk, DiskOp, Entropy, PeerId
from quorate.consensus.raft.compaction import Walk
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.installing import Installer
from quorate.consensus.raft.log import encode_config
from quorate.consensus.raft.parts import Parts, assemble
from quorate.consensus.raft.reading import IndexReply
from quorate.consensus.raft.recovery import Recovery
from quorate.consensus.raft.settings import RaftSettings
from quorate.consensus.raft.view import View

PROTOCOL = 1
MAX_ENTRY_BYTES = MAX_FRAME_BYTES - 64 * 1024
"""Room is left for the frame around it."""
NEVER = float("inf")


class Raft(View):
    """`open()` once, then inputs and `step()`; `wake_at()` says when the next step is due though nothing happens.

    `apply(index, term, entry)`: each committed entry once, in order. `can_apply()`: False stops applying for now.
    `begin_walk()`: a cut of the state as applied. `install_begin/feed/finish`: a snapshot takes the state's place.
    `state_hash()`: (index, hash) last taken.
    """

    def __init__(  # noqa: PLR0913 - the ports of a state machine, each by its name
        self,
        *,
        me: PeerId,
        voters: tuple[PeerId, ...],
        cluster: str,
        settings: RaftSettings,
        clock: Clock,
        entropy: Entropy,
        disk: Disk,
        send: Callable[[PeerId, RaftMessage], object],
        apply: Callable[[int, int, bytes], None],
        can_apply: Callable[[], bool],
        begin_walk: Callable[[], Walk],
        install_begin: Callable[[], None],
        install_feed: Callable[[bytes], None],
        install_finish: Callable[[int, int], None],
        state_hash: Callable[[], tuple[int, bytes]],
        on_hashes: Callable[[int, Mapping[PeerId, bytes]], None],
        found: bool,
        points: Points = UNWATCHED,
    ) -> None:
        super().__init__()
        if me not in voters or len(set(voters)) != len(voters):
            raise ValueError(f"voters must name each peer once, {me!r} among them; got {', '.join(voters)}")
        self.me = me
        self.voters = voters
        self.cluster = cluster
        self.settings = settings
        self.clock = clock
        self.entropy = entropy
        self.disk = disk
        self.send = send
        self.begin_walk = begin_walk
        self.installer = Installer(install_begin, install_feed, install_finish)
        self.state_hash = state_hash
        self.on_hashes = on_hashes
        self.found = found
        self.points = points
        self._apply = apply
        self._can_apply = can_apply
        self._awake = False
        self._founded = False
        self._leads = False
        self._stood_down = False
        self._applying: tuple[int, int] | None = None
        self._commit_seen = 0
        self._handlers: dict[type, Callable[[PeerId, RaftMessage], object]] = {}

    # --- opening ------------------------------------------------------------------------------------------------------

    def open(self) -> Recovery:
        """Read the folder. Raises ForeignFolder, ForeignJournal, DamagedJournal, MissingSnapshot, UnauditedEngine,
        OSError.
        """
        parts, recovery = assemble(self, self)
        self._p, self._core = parts, parts.core
        self._handlers = _handlers(parts)
        if len(self.voters) == 1:
            parts.core.engine.call_election()
        parts.core.gate.when_durable(self._wake)
        parts.core.gate.flush()
        return recovery

    def _wake(self) -> None:
        self._awake = True

    @property
    def can_greet(self) -> bool:
        """This life's incarnation is durable: nothing, not even a hello, may be sent before."""
        return self._awake

    # --- greetings and connections ------------------------------------------------------------------------------------

    def hello(self) -> Hello:
        identity = self._p.core.standing.identity
        return Hello(
            version=PROTOCOL,
            cluster=self.cluster,
            founding=identity.founding,
            peer=self.me,
            disk=identity.disk,
            incarnation=identity.incarnation,
            map=self._p.founding.map(),
            wall_ms=self.clock.wall_ms(),
        )

    def on_hello(self, hello: Hello) -> str | None:
        """None: talk to it. Otherwise the reason why not."""
        if hello.version != PROTOCOL:
            return f"{hello.peer} speaks protocol {hello.version}, this peer {PROTOCOL}"
        if hello.cluster != self.cluster:
            return f"{hello.peer} belongs to cluster {hello.cluster!r}, this peer to {self.cluster!r}"
        if hello.peer not in self._p.core.wire.others:
            return f"{hello.peer!r} is not among the other peers of this cluster"
        return self._p.core.standing.greeted(hello) or self._p.founding.on_hello(hello)

    def connected(self, peer: PeerId) -> None:
        """The outgoing connection to `peer` is usable; its hello has been accepted."""
        self._p.core.wire.connected.add(peer)
        self._p.replication.connected(peer)
        self._p.founding.connected(peer)

    def disconnected(self, peer: PeerId) -> None:
        self._p.core.wire.connected.discard(peer)
        self._p.replication.disconnected(peer)
        self._p.reading.disconnected(peer)
        self._p.founding.disconnected(peer)

    def connected_peers(self) -> list[PeerId]:
        return sorted(self._p.core.wire.connected)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def receive(self, frm: PeerId, message: RaftMessage) -> None:
        """A message of a peer whose hello was accepted."""
        parts = self._p
        if frm not in parts.core.wire.others:
            parts.core.counters.strangers += 1
        elif self._awake and (self._founded or parts.founding.done or type(message) is Heard):
            parts.core.engine.deliver(frm, message)

    def flushed(self, ticket: int) -> None:
        """The batch of that ticket is durable."""
        if self._p.core.gate.flushed(ticket):
            self._p.core.counters.flushes += 1
            self._p.following.settle()

    def propose(self, entry: bytes) -> bool:
        """Put an entry into the log; its index is then `last_index`. False: not leader, or handing over. Raises
        ValueError if too large.
        """
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has {len(entry)} bytes, at most {MAX_ENTRY_BYTES} are allowed")
        parts = self._p
        if not self.accepting:
            return False
        parts.core.engine.propose(entry)
        parts.core.counters.proposed += 1
        return True

    @property
    def accepting(self) -> bool:
        """It leads, and is not handing over: `propose` takes entries."""
        return self._p.core.engine.leading and not self._p.handover.under_way and not self._stood_down

    def read_index(self, reply: IndexReply) -> None:
        """`reply(index)`: a state that has applied `index` answers linearizably. `reply(None)`: not confirmed, ask
        again.
        """
        self._p.reading.read_index(reply)

    def extra_disk(self, ops: Sequence[DiskOp], done: Callable[[], None]) -> None:
        """Writes of others, in the same order of flushes."""
        self._p.core.gate.write(ops)
        self._p.core.gate.when_durable(done)

    def transfer(self, to: PeerId | None) -> bool:
        """Hand leadership on, to the follower that holds most if `to` is None. False: not leader, or nobody can take
        over.
        """
        return self._p.handover.begin(to, self.clock.monotonic())

    def stand_down(self) -> None:
        """Lead no more in this life, and do not campaign."""
        self._stood_down = True
        if self._p.core.engine.leading:
            self._p.core.engine.step_down()

    def snapshot_now(self) -> None:
        self._p.compaction.now()

    # --- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Everything that follows from the inputs since the last step, and from the time."""
        parts = self._p
        if self._applying is not None:
            raise RuntimeError(f"entry {self._applying[0]} could not be applied; this peer has stopped")
        if self._awake:
            now = self.clock.monotonic()
            if self._founded or parts.founding.done:
                self._founded = True
                self._turn(parts, now)
            else:
                parts.founding.step(now)
        self._core.gate.flush()

    def _turn(self, parts: Parts, now: float) -> None:
        core, replication, reading = self._core, parts.replication, parts.reading
        if core.engine.leading:
            replication.show_matches()
        elif not self._stood_down:
            parts.elections.step(now)
        core.engine.tick(now)
        commit_index = core.commit_index
        if commit_index != self._commit_seen:
            self.points.reach("commit.advance")
            self._commit_seen = commit_index
            core.standing.notice_commit(commit_index)
        if parts.handover.under_way:
            parts.handover.step(now)
        if core.engine.leading:
            last_index, probe = core.log.last_index, replication.probe
            self._admit(parts, commit_index)
            reading.step(now)
            if core.log.last_index != last_index or replication.probe != probe:
                replication.send(now, commit_index)  # what came since; all else has left with the tick
        elif reading.busy:
            reading.step(now)
        if parts.installing.incoming is not None:
            parts.installing.step()
        parts.compaction.step()
        parts.following.settle()

    def _admit(self, parts: Parts, commit_index: int) -> None:
        """Bind a learner's disk to its id once it holds what is committed; one configuration at a time (S5)."""
        learners = [(peer, each) for peer, each in parts.replication.progress.items() if not each.voter]
        if not learners or not self.ready_to_serve or parts.core.log.config.index > commit_index:
            return
        disks = parts.core.log.config.disks
        for peer, progress in learners:
            disk = parts.core.standing.disk_of(peer)
            caught_up = progress.connected and progress.confirmed and progress.match >= commit_index
            if disk is not None and disks.get(peer) != disk and caught_up:
                self.points.reach("member.admit")
                parts.core.engine.propose_raw(encode_config({**disks, peer: disk}))
                return

    def wake_at(self) -> float:
        parts = self._p
        if not self._awake:
            return float("inf")
        core = self._core
        if self._has_work(parts, core):
            return self.clock.monotonic()
        if core.engine.leading:
            wake = parts.replication.wake_at()
        elif self._stood_down:
            wake = NEVER
        else:
            wake = parts.elections.wake_at()
        if not self._founded:
            wake = min(wake, parts.founding.wake_at())
        if parts.reading.busy:
            wake = min(wake, parts.reading.wake_at())
        if parts.handover.under_way:
            wake = min(wake, parts.handover.wake_at())
        return wake

    def _has_work(self, parts: Parts, core: Core) -> bool:
        """The next step goes on with something though nothing more happens."""
        if core.gate.waits:
            return True
        if core.engine.applied_index < core.commit_index and self._can_apply():
            return True
        return parts.compaction.ready or (parts.installing.incoming is not None and parts.installing.ready)

    # --- what the engine calls (raft/engine.py: Host) -----------------------------------------------------------------

    def received(self, frm: PeerId, message: RaftMessage) -> None:
        self._handlers[type(message)](frm, message)

    def replicate(self) -> None:
        self._p.replication.send(self.clock.monotonic(), self._core.commit_index)

    def apply_committed(self) -> None:
        core = self._core
        engine, log = core.engine, core.log
        index, commit_index = engine.applied_index, core.commit_index
        if index >= commit_index:
            return
        reach = self.points.reach
        last = min(commit_index, index + self.settings.apply_entries)
        left_bytes = self.settings.apply_bytes
        while index < last and left_bytes > 0 and self._can_apply():
            command, index, term = log.entry(index + 1)
            left_bytes -= len(command)
            self._applying = (index, term)
            reach("apply.before")
            engine.apply(command, index)
            reach("apply.after")
            self._applying = None
            core.counters.applied += 1

    def apply_one(self, entry: bytes) -> None:
        assert self._applying is not None
        self._apply(*self._applying, entry)

    def may_campaign(self) -> bool:
        return not self._stood_down and self._p.elections.may_campaign()

    def ask_votes(self, to: PeerId, message: RequestVote) -> None:
        self.points.reach("vote.ask")
        self._p.core.gate.send(to, message)

    def role_changed(self, role: str) -> None:
        self._p.handover.cancel()
        if self._leads:
            self.points.reach("lead.end")
            self._led_until = self._p.replication.majority_heard_at(self.clock.monotonic())
        self._leads = role == "leader"
        if self._leads:
            self.points.reach("lead.begin")
            self._p.core.counters.elections += 1
            self._p.replication.begin_term()
            self._p.hashes.forget()


def _handlers(parts: Parts) -> dict[type, Callable[[PeerId, RaftMessage], object]]:
    handlers: dict[type, Callable[..., object]] = {
        PreVote: parts.elections.on_pre_vote,
        PreVoteReply: parts.elections.on_pre_vote_reply,
        RequestVote: parts.elections.on_request_vote,
        Vote: parts.elections.on_vote,
        TimeoutNow: parts.elections.on_timeout_now,
        Append: parts.following.on_append,
        AppendReply: parts.on_append_reply,
        SnapshotChunk: parts.installing.on_chunk,
        SnapshotReply: parts.replication.on_snapshot_reply,
        AskIndex: parts.reading.on_ask,
        ReadIndex: parts.reading.on_index,
        Heard: parts.founding.on_heard,
    }
    return handlers
