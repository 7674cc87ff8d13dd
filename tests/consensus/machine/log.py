"""A log with one machine at its end, for tests: commands in, outcomes out, and what must hold after every entry."""

from typing import Any

import msgspec

from quorate.consensus.commands import (
    Applied,
    Cancel,
    Claim,
    Command,
    Done,
    Entry,
    Finish,
    Op,
    OpenSession,
    Refused,
    SessionInfo,
    SetError,
    SetResult,
    Submit,
)
from quorate.consensus.events import TaskEvent
from quorate.consensus.machine import Change, Machine, Restore
from quorate.scheduling import ulid
from quorate.scheduling.task import NewTask, Task, TaskError, TaskId

encode = msgspec.msgpack.encode

START_MS = 1_700_000_000_000
TTL_MS = 5_000


def id_of(number: int) -> TaskId:
    """A task id for a small number."""
    return ulid.make(START_MS, number)


def new(number: int, **more: Any) -> NewTask:
    """A plain submission: `new(3, after=(1, 2))`."""
    after = tuple(id_of(one) for one in more.pop("after", ()))
    return NewTask(id_of(number), more.pop("handler", "h"), more.pop("args", b"{}"), after=after, **more)


class Log:
    """Every `apply` is one entry, a millisecond after the last."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.elapsed = 0
        self.wall_ms = START_MS
        self.entries: list[bytes] = []
        self.changes: list[Change] = []
        self.numbers: dict[tuple[str, int], int] = {}

    def op(self, command: Command, peer: str = "client", incarnation: int = 1) -> msgspec.Raw:
        """Encoded, under the client's next number; every earlier one counts as answered."""
        number = self.numbers[peer, incarnation] = self.numbers.get((peer, incarnation), 0) + 1
        return msgspec.Raw(encode(Op(peer, incarnation, number, number, encode(command))))

    def entry(self, ops: list[msgspec.Raw], fresh: bool = False) -> Change:
        self.elapsed += 1
        self.wall_ms += 1
        return self.raw(encode(Entry(self.elapsed, self.wall_ms << 16, fresh, ops)))

    def raw(self, entry: bytes) -> Change:
        self.entries.append(entry)
        change = self.machine.apply(len(self.entries), 1, entry)
        self.changes.append(change)
        return change

    def do(self, command: Command, peer: str = "client", incarnation: int = 1) -> Applied:
        """One command in an entry of its own."""
        change = self.entry([self.op(command, peer, incarnation)])
        return change.answers[0][3]

    def done(self, command: Command, peer: str = "client", incarnation: int = 1) -> list[str]:
        """The value of a command that must be done."""
        outcome = self.do(command, peer, incarnation)
        assert isinstance(outcome, Done), outcome
        return outcome.value

    def refused(self, command: Command, reason: str, field: str = "") -> Refused:
        """A command that must be refused, and so change nothing."""
        before = content(self.machine)
        outcome = self.do(command)
        assert isinstance(outcome, Refused), outcome
        assert (outcome.reason, outcome.field) == (reason, field), outcome
        assert content(self.machine) == before
        assert not self.changes[-1].events
        return outcome

    def wait(self, ms: int) -> Change:
        """Time passes, on both clocks; then an empty entry."""
        self.elapsed += ms
        self.wall_ms += ms
        return self.entry([])

    # --- the usual commands ---------------------------------------------------------------------------------------
    def open(self, peer: str = "a", incarnation: int = 1, slots: int = 10) -> None:
        info = SessionInfo("", slots, ("h",))
        self.done(OpenSession(peer, incarnation, TTL_MS, info), peer, incarnation)

    def submit(self, *tasks: NewTask) -> list[str]:
        return self.done(Submit(tasks, self.machine.index))

    def task(self, number: int) -> Task:
        return self.machine.tasks[id_of(number)]

    def claim(self, number: int, peer: str = "a", incarnation: int = 1) -> int:
        """The fence of a granted attempt."""
        wanted = ((id_of(number), self.task(number).attempt),)
        (fence,) = self.done(Claim(peer, incarnation, wanted), peer, incarnation)
        assert fence, f"task {number} was not granted: {self.task(number)}"
        return int(fence)

    def succeed(self, number: int, result: bytes = b"1") -> None:
        self.done(Finish(id_of(number), self.task(number).fence, (SetResult(result),)))

    def fail(self, number: int, retry_ms: int | None = None) -> None:
        ending = SetError(TaskError("Broken", "it broke"), retry_ms)
        self.done(Finish(id_of(number), self.task(number).fence, (ending,)))

    def run(self, number: int) -> None:
        """Claim and succeed."""
        self.claim(number)
        self.succeed(number)

    def cancel(self, number: int) -> None:
        self.done(Cancel(id_of(number), "enough"))

    def state(self, number: int) -> str:
        task = self.machine.tasks.get(id_of(number))
        return str(task.state if task is not None else self.machine.ended[id_of(number)].state)

    def tasks_of(self, kind: str) -> list[TaskId]:
        """Of the last entry's events of that kind."""
        return [event.task for event in self.changes[-1].events if isinstance(event, TaskEvent) and event.kind == kind]

    def kinds(self) -> list[str]:
        """Of the last entry's events."""
        return [event.kind for event in self.changes[-1].events]


def content(machine: Machine) -> Any:
    """The state without what every entry moves on: index, times, and what clients were told."""
    tables = dict(msgspec.msgpack.decode(machine.dump()))
    counters = tables.pop("counters")[0][4:]
    return counters, {name: rows for name, rows in tables.items() if name not in ("clients", "told")}


def copy_of(machine: Machine, limit_bytes: int = 500) -> Machine:
    """Through a snapshot."""
    restore = Restore()
    walk = machine.begin_walk()
    while (chunk := walk.chunk(limit_bytes)) is not None:
        restore.feed(chunk)
    return restore.finish()


def due_stubs(machine: Machine, line: str) -> list[TaskId]:
    """Stubs that still stand in a line: not those that live again, nor those past their time that something keeps."""
    now = machine.elapsed if line == "ageing" else 0
    places = [(machine.ended.get(place[-2]), place[-1]) for place in getattr(machine._store, line)]
    return [stub.id for stub, end_seq in places if stub and stub.end_seq == end_seq and stub.until_elapsed > now]


def check(machine: Machine) -> None:
    """What must hold after every entry: stored hash, derived tables, sums."""
    store = machine._store
    hashes = [table.hash_of(record) for table in store.all() for record in table.records.values()]
    assert int.from_bytes(machine.state_hash, "big") == sum(hashes) % (1 << 128), "a record changed without touch"
    rebuilt = copy_of(machine)
    assert rebuilt.dump() == machine.dump()
    again = rebuilt._store
    assert again.by_seq.keys() == store.by_seq.keys()
    for derived in ("keys", "dependants", "counts", "live_bytes"):
        assert getattr(again, derived) == getattr(store, derived), derived
    for line in ("ageing", "telling"):
        assert due_stubs(rebuilt, line) == due_stubs(machine, line), line
    assert {peer: set(held) for peer, held in again.running.items()} == {
        peer: set(held) for peer, held in store.running.items()
    }
    for timers in ("attempts", "retries", "starts"):
        assert list(getattr(again.timers, timers)) == list(getattr(store.timers, timers)), timers
    handlers = sorted({task.handler for task in machine.tasks.values()})
    heads = [one.ready_head(handlers, 1 << 20) for one in (machine, rebuilt)]
    assert [task.id for task in heads[0]] == [task.id for task in heads[1]]
    assert len(heads[0]) == machine.ready_count
    for session in machine.sessions.values():
        assert session.running == len(machine.running_on(session.peer)) <= 999
