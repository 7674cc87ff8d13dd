"""The replicated state machine: entries in, events and answers out.

Law: `apply` is total and deterministic. No data can make it raise; the same entries give the same state, events and
answers on every peer, for ever. It reads no clock and draws no chance: both times are in the entry.
"""

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import Any

import msgspec

from quorate.consensus.commands import (
    Again,
    Applied,
    Cancel,
    Claim,
    CloseSession,
    Command,
    Configure,
    Done,
    Entry,
    Finish,
    Limits,
    MakeReady,
    Op,
    OpenSession,
    Refused,
    RenewSession,
    Submit,
)
from quorate.consensus.events import Event
from quorate.consensus.machine import attempts, reads, sessions, submit
from quorate.consensus.machine.deaths import note_life
from quorate.consensus.machine.dedup import ANSWERED, Dedup
from quorate.consensus.machine.derived import next_due, work
from quorate.consensus.machine.nesting import is_shallow
from quorate.consensus.machine.reads import Filter, Selection
from quorate.consensus.machine.records import Ended, Handler, Session, Told
from quorate.consensus.machine.restore import Restoring
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.walk import Walk
from quorate.scheduling.hlc import wall_ms_of
from quorate.scheduling.task import Ms, Stamp, State, Task, TaskId

SCAN_LIMIT = 10_000


class Change(msgspec.Struct):
    """What one entry brought about."""

    events: list[Event]
    answers: list[tuple[str, int, int, Applied]]
    """(peer, incarnation, number, outcome) of each operation, repetitions included."""
    ended: list[Task]
    """The complete last records of tasks that ended, in order: rows for history."""


class _TypedEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`Entry` with its operations decoded in one go: the usual case."""

    elapsed: Ms
    stamp: Stamp
    fresh: bool
    ops: list[Op]


_decode_typed = msgspec.msgpack.Decoder(_TypedEntry).decode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_op = msgspec.msgpack.Decoder(Op).decode
_decode_command = msgspec.msgpack.Decoder(Command).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError)
"""What decoding raises on bytes that are not what they should be (invalid UTF-8: ValueError)."""
MALFORMED = Refused("malformed", "not a command of this version")
"""Without the decoder's own words: they are part of the state, and must not change with its version."""


def configure(store: Store, command: Configure) -> Applied:
    store.limits.put("", command.limits)
    store.bounds = command.limits
    return Done()


_APPLY: dict[type, Callable[[Store, Any], Applied]] = {
    Submit: submit.submit,
    Claim: attempts.claim,
    Finish: attempts.finish,
    Cancel: attempts.cancel,
    MakeReady: attempts.release,
    Again: submit.again,
    OpenSession: sessions.open_session,
    RenewSession: sessions.renew,
    CloseSession: sessions.close,
    Configure: configure,
}


class Machine:
    """The state of the cluster and the one way it changes."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()
        self._store.rehash()
        self._dedup = Dedup(self._store)
        self._walk: Walk | None = None
        self.tasks: dict[TaskId, Task] = self._store.tasks.records
        self.ended: dict[TaskId, Ended] = self._store.ended.records
        self.sessions: dict[str, Session] = self._store.sessions.records
        self.handlers: dict[str, Handler] = self._store.handlers.records
        """By the name of every handler ever offered."""

    # --- the one way it changes -----------------------------------------------------------------------------------
    def apply(self, index: int, term: int, entry: bytes) -> Change:
        """Apply the entry at `index`. Indexes rise (ValueError otherwise: the caller's mistake, not the data's)."""
        store = self._store
        now = store.now
        if index <= now.index:
            raise ValueError(f"entry {index} after {now.index}: every entry is applied once, in order")
        store.counters.touch("")
        store.events, store.rows = [], []
        now.index, now.term = index, term
        answers: list[tuple[str, int, int, Applied]] = []
        batch = _read(entry)
        if batch is not None:
            elapsed, stamp, fresh, ops = batch
            now.elapsed, now.stamp = max(now.elapsed, elapsed), max(now.stamp, stamp)
            if fresh:
                sessions.renew_all(store)
            self._apply_all(ops, answers)
        work(store)
        store.rehash_if_much()
        return Change(store.events, answers, store.rows)

    def _apply_all(self, ops: list[Op], answers: list[tuple[str, int, int, Applied]]) -> None:
        told: dict[str, Told] = {}
        dedup = self._dedup
        for op in ops:
            outcome = dedup.admit(op, told)
            if outcome is None:
                outcome = self._apply_one(op)
                dedup.record(told, op, outcome)
            if outcome is not ANSWERED:
                answers.append((op.peer, op.incarnation, op.number, outcome))
        dedup.keep(told)

    def _apply_one(self, op: Op) -> Applied:
        store = self._store
        if store.deaths.records:
            session = store.sessions.records.get(op.peer)
            if session is not None and session.incarnation == op.incarnation:
                note_life(store, op.peer)
        try:
            command = _decode_command(op.command)
        except _UNREADABLE:
            return MALFORMED
        return _APPLY[type(command)](store, command)

    # --- time -----------------------------------------------------------------------------------------------------
    def due(self, elapsed: int, wall_ms: int) -> bool:
        """Whether there is derived work at these times: the leader then proposes an entry."""
        by_elapsed, by_wall = next_due(self._store)
        return (by_elapsed is not None and by_elapsed <= elapsed) or (by_wall is not None and by_wall <= wall_ms)

    def next_due(self) -> tuple[int | None, int | None]:
        """(elapsed ms, wall ms) of the earliest derived work; 0: it waits already."""
        return next_due(self._store)

    # --- reads ----------------------------------------------------------------------------------------------------
    @property
    def index(self) -> int:
        """Of the last entry applied."""
        return self._store.now.index

    @property
    def term(self) -> int:
        return self._store.now.term

    @property
    def elapsed(self) -> int:
        return self._store.now.elapsed

    @property
    def stamp(self) -> int:
        return self._store.now.stamp

    @property
    def end_seq(self) -> int:
        """Tasks ended so far."""
        return self._store.now.end_seq

    @property
    def last_seq(self) -> int:
        """Tasks accepted so far."""
        return self._store.now.seq

    @property
    def lookup_floor(self) -> int:
        """A submission that looked into history no further than below this is refused as stale."""
        return self._store.now.lookup_floor

    @property
    def limits(self) -> Limits:
        return self._store.bounds

    @property
    def live_bytes(self) -> int:
        return self._store.live_bytes

    @property
    def state_hash(self) -> bytes:
        """16 bytes; equal on peers that have applied the same entries."""
        return self._store.state_hash

    @property
    def ready_count(self) -> int:
        return self._store.ready.count

    def history_floor(self) -> tuple[int, int]:
        """(end_seq, wall ms): an ended task with a lower or equal `end_seq`, or ended at or before that time, counts
        as pruned."""
        now, bounds = self._store.now, self._store.bounds
        return max(0, now.end_seq - bounds.history_rows), max(0, wall_ms_of(now.stamp) - bounds.history_ms)

    def ready_head(self, handlers: Collection[str], limit: int) -> list[Task]:
        """The first ready tasks among these handlers, in total order."""
        by_seq = self._store.by_seq
        return [by_seq[seq] for seq in self._store.ready.head(handlers, limit)]

    def running_on(self, peer: str) -> Collection[Task]:
        """Attempts the peer's session holds."""
        return self._store.running.get(peer, {}).values()

    def by_key(self, namespace: str, key: str) -> TaskId | None:
        """The live task, or stub, with that idempotency key."""
        return self._store.keys.get((namespace, key))

    def dependants_of(self, task: TaskId) -> Iterator[Task]:
        """Live tasks that name it in `after`, in order."""
        by_seq = self._store.by_seq
        return (by_seq[seq] for seq in self._store.dependants.get(task, ()))

    def results_for(self, task: Task) -> dict[TaskId, bytes]:
        """Results (JSON) of the tasks it names in `after` that have succeeded."""
        stubs = [self.ended.get(dependency) for dependency in task.after]
        return {stub.id: stub.result for stub in stubs if stub is not None and stub.result is not None}

    def select(self, wanted: Filter, above: int, limit: int, scan: int = SCAN_LIMIT) -> Selection:
        """Live tasks with `seq > above`, oldest first."""
        return reads.select(self._store, wanted, self._store.seqs.irange(above + 1, None), limit, scan)

    def select_newest(self, wanted: Filter, below: int, limit: int, scan: int = SCAN_LIMIT) -> Selection:
        """Live tasks with `seq < below`, newest first."""
        return reads.select(self._store, wanted, self._store.seqs.irange(None, below - 1, reverse=True), limit, scan)

    def counts(self) -> dict[str, dict[State, int]]:
        """Live tasks by queue and state."""
        return reads.counts(self._store)

    def recorded(self, peer: str, incarnation: int, number: int) -> Applied | None:
        """What was told of that operation, if it was applied and its client has not moved on."""
        return self._dedup.recorded(peer, incarnation, number)

    # --- snapshots ------------------------------------------------------------------------------------------------
    def begin_walk(self) -> Walk:
        """A consistent cut of the state as it is now. One at a time: RuntimeError if another is still open."""
        if self._walk is not None and self._walk.is_open:
            raise RuntimeError("a walk is under way: finish or close it first")
        self._walk = Walk(self._store)
        return self._walk

    def dump(self) -> bytes:
        """All of the state in canonical form, for comparing machines."""
        return self._store.dump()


class Restore:
    """A machine from the chunks of a walk, slice by slice."""

    def __init__(self) -> None:
        self._restoring = Restoring()

    def feed(self, chunk: bytes) -> None:
        """The next chunk, in order. Raises DamagedSnapshot."""
        self._restoring.feed(chunk)

    def finish(self) -> Machine:
        """Raises DamagedSnapshot if the whole is not what was walked."""
        return Machine(self._restoring.finish())


def _read(entry: bytes) -> tuple[int, int, bool, list[Op]] | None:
    """(elapsed, stamp, fresh, operations) without those that are no operations; None: no entry at all."""
    try:
        typed = _decode_typed(entry)
        return typed.elapsed, typed.stamp, typed.fresh, typed.ops
    except _UNREADABLE:
        return _read_piecemeal(entry)


def _read_piecemeal(entry: bytes) -> tuple[int, int, bool, list[Op]] | None:
    if not is_shallow(entry):
        return None
    try:
        loose = _decode_entry(entry)
    except _UNREADABLE:
        return None
    return loose.elapsed, loose.stamp, loose.fresh, list(chain.from_iterable(map(_read_op, loose.ops)))


def _read_op(raw: msgspec.Raw) -> list[Op]:
    try:
        return [_decode_op(raw)]
    except _UNREADABLE:
        return []
