"""Logs, snapshots and acknowledgements that come late, twice, or from another term (holes S1, S2, S8, S14)."""

from msgspec.structs import replace

from quorate.consensus.frames import Append, AppendReply, Message, SnapshotChunk
from quorate.consensus.ports import PeerId
from quorate.consensus.snapshot import snapshot_index
from quorate.netsim.directed.stage import Stage, demand
from quorate.netsim.directed.tap import Kept, Tap, let_pass

MANY = 60


def a_snapshot_for_a_dead_tail() -> None:
    """A leader is cut off with entries that nobody else has. When it is back it lags so far that it is sent a snapshot:
    its own tail must not be taken for committed (S1).
    """
    stage = Stage(31, snapshot_entries=20, keep_entries=5)
    lost = stage.leader()
    with stage.partition(lost):
        dead = stage.pour(lost, 5, deadline_s=2.0)
        stage.run(3.0)
        stage.write(stage.leader(), MANY)
    stage.run(3.0)
    demand(not any(asked.done for asked in dead), "acknowledged never lost", "what only one disk had was acknowledged")
    stage.finish()


def a_snapshot_into_a_dead_tail() -> None:
    """The tail is longer than what the snapshot covers: at its last index another entry stands, which has to go."""
    stage = Stage(35, snapshot_entries=20, keep_entries=5)
    lost = stage.leader()
    with stage.partition(lost):
        stage.give_up(stage.pour(lost, MANY + 40, deadline_s=1.0))
        stage.run(3.0)
        stage.write(stage.leader(), MANY)
    own, covered = stage.peer(lost).raft, stage.peer(stage.leader()).raft.commit_index
    demand(own.last_index > covered, "directed", f"its tail ends at {own.last_index}, before {covered}")
    leads = stage.peer(stage.leader()).raft
    stage.until(lambda: own.last_index <= leads.last_index, 3.0, "what contradicts the snapshot is gone")
    stage.finish()


def a_heartbeat_over_a_dead_tail() -> None:
    """A follower holds entries of a leader that is gone, beyond what the next leader's message speaks of: the commit
    index of that message says nothing about them.
    """
    stage = Stage(32, peers=5)
    tap = Tap(stage.world)
    lost = stage.leader()
    holder = stage.others(lost)[0]
    common = stage.peer(holder).raft.last_index
    with stage.partition(lost, holder):
        stage.give_up(stage.pour(lost, 5, deadline_s=1.0))
        stage.run(0.05)
        demand(stage.peer(holder).raft.last_index > common, "directed", "the follower holds no dead entries")
        stage.world.kill(lost)
        stage.run(3.0)
        stage.write(stage.leader(), 20)
    tap.rule = lambda _source, target, message: _bare(message) if target == holder else message
    stage.run(3.0)
    tap.rule = let_pass
    stage.finish()


def _bare(message: Message) -> Message:
    """As a leader whose window is full sends it."""
    return replace(message, entries=[]) if isinstance(message, Append) else message


def a_leftover_of_entries_that_match() -> None:
    """A message of an old connection brings entries again that the follower has acknowledged, and no more than some of
    them: what it has beyond them stays (S2). Its leader dies at that moment.
    """
    stage = Stage(33)
    tap = Tap(stage.world)
    leader = stage.leader()
    holder, other = stage.others(leader)
    links = stage.isolate(other)
    stage.run(0.5)
    seen: list[Kept] = []
    commit = stage.peer(holder).raft.commit_index

    def rule(source: PeerId, target: PeerId, message: Message) -> Message:
        if not isinstance(message, Append) or target != holder:
            return message
        if message.entries:
            seen.append(Kept(source, target, message))
        return replace(message, commit=min(message.commit, commit))

    tap.rule = rule
    stage.write(leader, 8)
    tap.deliver(seen[0])
    stage.world.kill(leader)
    stage.run(0.05)
    stage.world.heal(links)
    stage.write(stage.leader())
    stage.finish()


def a_leftover_of_an_old_snapshot() -> None:
    """The slices of a snapshot that was installed long ago arrive once more: nothing goes back (S8)."""
    stage = Stage(34, snapshot_entries=20, keep_entries=5)
    tap = Tap(stage.world)
    leader = stage.leader()
    behind = stage.others(leader)[0]
    slices: list[Kept] = []

    def rule(source: PeerId, target: PeerId, message: Message) -> Message:
        if isinstance(message, SnapshotChunk) and target == behind and message.data:
            slices.append(Kept(source, target, message))
        return message

    tap.rule = rule
    with stage.partition(behind):
        stage.run(2.5)
        stage.write(leader, MANY)
    stage.until(lambda: stage.peer(behind).raft.counters["snapshots_installed"] > 0, 10.0, "a snapshot is installed")
    sent = list(slices)
    stage.write(leader, MANY)
    for one in sent:
        tap.deliver(one)
    stage.run(1.0)
    stage.finish()


def a_snapshot_behind_a_longer_log() -> None:
    """A follower holds, and has acknowledged, more than the snapshot covers that reaches it: the rest of its log is
    needed still (S8). Its leader dies at that moment.
    """
    stage = Stage(35, snapshot_entries=20, keep_entries=15)
    tap = Tap(stage.world)
    leader = stage.leader()
    holder, other = stage.others(leader)
    links = stage.isolate(other)
    stage.run(0.5)
    commit = stage.peer(holder).raft.commit_index
    tap.rule = lambda _source, target, message: (
        replace(message, commit=min(message.commit, commit))
        if isinstance(message, Append) and target == holder
        else message
    )
    stage.write(leader, 30)
    stage.run(0.2)
    disk = stage.machine(leader).disk
    name = max(name for name in disk.names() if snapshot_index(name) is not None)
    index, data = snapshot_index(name), disk.read(name)
    raft = stage.peer(holder).raft
    assert index is not None
    demand(raft.commit_index < index < raft.last_index, "directed", "the snapshot is not in the middle of the log")
    term = stage.peer(leader).raft.term
    chunk = SnapshotChunk(term, index, _term_of(stage, holder, index), 0, len(data), data, 0, 0)
    tap.deliver(Kept(leader, holder, chunk))
    stage.run(0.02)
    stage.world.kill(leader)
    stage.until(lambda: stage.peer(holder).raft.counters["snapshots_installed"] > 0, 5.0, "the snapshot is installed")
    stage.world.heal(links)
    stage.write(stage.leader())
    stage.finish()


def _term_of(stage: Stage, peer_id: PeerId, index: int) -> int:
    return stage.peer(peer_id).raft._p.core.log.term_at(index)


def an_acknowledgement_of_another_term() -> None:
    """Of five, a leader hears late what a follower acknowledged in an earlier term of its: those entries are void, and
    the new ones at their places are on two disks only (S14).
    """
    stage = Stage(36, peers=5)
    tap = Tap(stage.world)
    first = stage.leader()
    holder, fresh, *rest = stage.others(first)
    tap.rule = lambda source, target, message: (
        None if isinstance(message, AppendReply) and message.match and (source, target) == (holder, first) else message
    )
    with stage.partition(first, holder):
        stage.pour(first, 60, deadline_s=1.5)
        stage.run(4.0)
        stale = tap.take(AppendReply, holder, first)
        stage.write(stage.leader())
    tap.rule = let_pass
    stage.run(3.0)
    _lead(stage, first)
    with stage.partition(first, fresh):
        asked = stage.pour(first, 90, deadline_s=1.0)
        for one in stale:
            tap.deliver(one)
        stage.run(0.1)
        stage.world.kill(first)
        stage.world.kill(fresh)
        stage.run(1.0)
        stage.write(stage.leader())
    del asked, rest
    stage.finish()


def _lead(stage: Stage, wanted: PeerId) -> None:
    """Leadership is handed on until it has got there."""
    for _ in range(20):
        leader = stage.world.leader()
        if leader is not None and leader.id == wanted and leader.raft.ready_to_serve:
            return
        if leader is not None and leader.id != wanted:
            leader.raft.transfer(wanted)
            stage.world.touch(leader.id)
        stage.run(1.0)
    demand(False, "progress", f"{wanted} does not get to lead")
