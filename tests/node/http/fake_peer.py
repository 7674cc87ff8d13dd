"""A peer in memory: the real state machine, reactor and history rule, without a cluster under them.

Law: whatever reaches `submitted` or `called` has passed HTTP, so a test of a refusal asserts that both are empty.
Answers come in a later turn of
the loop, as those of a real peer do.
"""

import asyncio
from collections.abc import Callable, Sequence

from quorate.consensus import codec
from quorate.consensus.commands import (
    Again,
    Claim,
    Command,
    Finish,
    OpenSession,
    Outcome,
    Refused,
    SessionInfo,
    SetError,
    SetResult,
    Submit,
    Unknown,
)
from quorate.consensus.machine import Filter, Machine
from quorate.consensus.reactor import Reactor, Sink, Subscription
from quorate.consensus.status import Check, MemberStatus, Status
from quorate.scheduling import ulid
from quorate.scheduling.task import ENDED, NewTask, Task, TaskError, TaskId

ME = "a"
START_MS = 1_780_000_000_000
SESSION_MS = 3_600_000
HANDLERS = ("shop.charge", "shop.ship", "builtin.noop", "builtin.echo")

Reply = Callable[[Outcome, int], None]


class FakePeer:
    """`quorum`: whether anything is answered before its deadline. `lossy`: operations leave, no answer comes back."""

    id = ME
    cluster = "test"

    def __init__(self, *, events_kept: int = 1_000) -> None:
        self.machine = Machine()
        self.reactor = Reactor(events_kept)
        self.history: dict[TaskId, Task] = {}
        self.submitted: list[tuple[NewTask, ...]] = []
        self.called: list[Command] = []
        self.quorum = True
        self.lossy = False
        self.refusal: Refused | None = None
        self.silent = False
        """Never answers anything, not even at the deadline."""
        self.reads = 0
        self.woken = 0
        self._index = 0
        self._number = 0
        self._ids = 0
        self._loop = asyncio.get_running_loop()
        info = SessionInfo("http://127.0.0.1:1", 4, HANDLERS, version="1")
        self._apply(OpenSession(ME, 1, SESSION_MS, info))

    # --- what a peer offers -----------------------------------------------------------------------

    def now(self) -> float:
        return self._loop.time()

    def wake(self) -> None:
        self.woken += 1

    def new_id(self) -> TaskId:
        self._ids += 1
        return ulid.make(START_MS, self._ids)

    def submit(self, tasks: Sequence[NewTask], deadline: float, reply: Reply) -> None:
        self.submitted.append(tuple(tasks))
        self._later(Submit(tuple(tasks), self.machine.index), deadline, reply)

    def call(self, command: Command, deadline: float, reply: Reply) -> None:
        self.called.append(command)
        self._later(command, deadline, reply)

    def retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
        self.call(Again(task, b"", self.machine.index), deadline, reply)

    def read(self, deadline: float, reply: Callable[[int | None], None]) -> None:
        self.reads += 1
        if self.silent:
            return
        if self.quorum:
            self._loop.call_soon(lambda: reply(self.machine.index))
        else:
            self._loop.call_later(deadline - self.now(), reply, None)

    def find(self, task: TaskId) -> Task | None:
        live = self.machine.tasks.get(task)
        if live is not None:
            return live
        stub = self.machine.ended.get(task)
        if stub is not None and stub.record is not None:
            return stub.record
        return self.history.get(task)

    def wait(self, task: TaskId, woken: Callable[[Task], None]) -> Callable[[], None]:
        found = self.find(task)
        if found is not None and found.state in ENDED:
            woken(found)
            return lambda: None
        return self.reactor.wait(task, woken)

    def subscribe(self, after: tuple[int, int] | None, sink: Sink) -> Subscription:
        return self.reactor.subscribe(after, sink)

    def status(self) -> Status:
        member = MemberStatus(ME, True, True, "open", 1, "http://127.0.0.1:1", "", 4, 0, "1")
        away = MemberStatus("b", False, True, "", 0, "", "", 0, 0, "")
        quorum = Check(self.quorum, "leader a, heard 0.0 s ago" if self.quorum else "leader unknown, heard 9.0 s ago")
        return Status(
            peer=ME,
            cluster=self.cluster,
            role="leader" if self.quorum else "follower",
            leader=ME if self.quorum else None,
            term=3,
            commit_index=self._index,
            applied_index=self._index,
            incarnation=1,
            disk_id="d1",
            voters=("a", "b"),
            members=(member, away),
            skew_ms=4,
            stale_s=0.0 if self.quorum else 9.0,
            quarantined="",
            history_complete=True,
            state_hash=self.machine.state_hash.hex(),
            live_tasks=len(self.machine.tasks),
            checks={"quorum": quorum, "applied": Check(True, "0 committed entries to apply")},
        )

    async def list_history(self, wanted: Filter, before_seq: int, limit: int, floor: tuple[int, int]) -> list[Task]:
        await asyncio.sleep(0)
        rows = [
            row
            for row in self.history.values()
            if row.seq < before_seq and row.end_seq > floor[0] and wanted.wants(row)
        ]
        return sorted(rows, key=lambda row: row.seq, reverse=True)[:limit]

    # --- what a test makes happen -----------------------------------------------------------------

    def start(self, task: TaskId) -> int:
        """An attempt of a ready task; its fence."""
        record = self.machine.tasks[task]
        self._apply(Claim(ME, 1, ((task, record.attempt),)))
        return self.machine.tasks[task].fence

    def succeed(self, task: TaskId, result: bytes = b"null") -> None:
        self._apply(Finish(task, self.start(task), (SetResult(result),)))

    def fail(self, task: TaskId) -> None:
        error = TaskError("GatewayDown", "no answer", "503", "line 1")
        self._apply(Finish(task, self.start(task), (SetError(error, None),)))

    def forget_stubs(self) -> None:
        """What a minute does: the stubs of ended tasks go, history stays."""
        self._apply(Claim(ME, 1, ()), elapsed_ms=60_000)
        self._apply(Claim(ME, 1, ()), elapsed_ms=0)

    def put(self, *, handler: str = "shop.charge", **fields: object) -> TaskId:
        """A task that is there, by whatever way it came."""
        task = NewTask(self.new_id(), handler, b"{}", **fields)  # type: ignore[arg-type]  # a test names fields of NewTask
        self._apply(Submit((task,), self.machine.index))
        return task.id

    # --- inside -----------------------------------------------------------------------------------

    def _later(self, command: Command, deadline: float, reply: Reply) -> None:
        if self.silent:
            return
        if self.refusal is not None:
            reply(self.refusal, 0)
        elif self.lossy:
            self._loop.call_later(deadline - self.now(), reply, Unknown(), 0)
        elif not self.quorum:
            self._loop.call_later(deadline - self.now(), reply, Refused("no_quorum", "no leader"), 0)
        else:
            self._loop.call_soon(lambda: reply(self._apply(command), self._index))

    def _apply(self, command: Command, elapsed_ms: int = 1) -> Outcome:
        self._index += 1
        self._number += 1
        operation = codec.encode_op(ME, 1, self._number, self._number, command)
        elapsed = self.machine.elapsed + elapsed_ms
        change = self.machine.apply(
            self._index, 1, codec.encode_entry(elapsed, (START_MS + elapsed) << 16, False, [operation])
        )
        self.history.update((row.id, row) for row in change.ended)
        self.reactor.publish(self._index, change.events)
        ((_, _, _, outcome),) = change.answers
        return outcome
