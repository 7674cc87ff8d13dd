"""Submissions and retries: what only history knows is looked up here and put into the operation.

Law: `apply` never reads history. A used key, an ended dependency or an ended task to be retried is looked up at an
index, and the operation carries that index; the state refuses it as `stale_lookup` if something it should have seen
left the stubs since, and we look again.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from quorate.consensus.attempts import Attempts
from quorate.consensus.commands import Again, Done, Outcome, Refused, Submit
from quorate.consensus.lookup import look_up_ended, look_up_submission
from quorate.consensus.machine import Machine
from quorate.consensus.ports import Ports
from quorate.consensus.proposer import Proposer, Reply
from quorate.consensus.reads import ReadReply
from quorate.scheduling.task import NewTask, Task, TaskId

PARKED = 1_000
"""Submissions that may wait for the history of this peer to be complete."""


class Surroundings(Protocol):
    machine: Machine
    proposer: Proposer
    attempts: Attempts
    ports: Ports

    @property
    def history_complete(self) -> bool: ...

    def read(self, deadline: float, reply: ReadReply) -> None: ...

    def now(self) -> float: ...

    def find(self, task: TaskId) -> Task | None: ...


class Parked(NamedTuple):
    deadline: float
    go: Callable[[], None]
    reply: Reply


class Submitter:
    def __init__(self, peer: Surroundings) -> None:
        self._peer = peer
        self._parked: list[Parked] = []

    def step(self, now: float) -> None:
        if not self._parked:
            return
        if self._peer.history_complete:
            parked, self._parked = self._parked, []
            for item in parked:
                item.go()
            return
        late = [item for item in self._parked if item.deadline <= now]
        self._parked = [item for item in self._parked if item.deadline > now]
        for item in late:
            item.reply(_INCOMPLETE, 0)

    def wake_at(self) -> float:
        return min([item.deadline for item in self._parked]) if self._parked else float("inf")

    def _with_history(self, deadline: float, reply: Reply, go: Callable[[], None]) -> None:
        if self._peer.history_complete:
            go()
        elif len(self._parked) >= PARKED:
            reply(_INCOMPLETE, 0)
        else:
            self._parked.append(Parked(deadline, go, reply))

    # --- submissions

    def submit(self, tasks: tuple[NewTask, ...], deadline: float, reply: Reply) -> None:
        if any(task.key or task.after for task in tasks):
            self._with_history(deadline, reply, lambda: self._look_up_and_submit(tasks, deadline, reply))
            return
        self._peer.proposer.offer(Submit(tasks), deadline, reply)
        self._peer.attempts.claim_with_submission(tasks)

    def _look_up_and_submit(self, tasks: tuple[NewTask, ...], deadline: float, reply: Reply) -> None:
        looked = look_up_submission(self._peer, tasks)
        if isinstance(looked, Refused):
            reply(looked, 0)
        elif looked.missing:
            self._when_current(deadline, reply, lambda: self._submit_looked_up(tasks, deadline, reply))
        else:
            self._submit_looked_up(tasks, deadline, reply)

    def _submit_looked_up(self, tasks: tuple[NewTask, ...], deadline: float, reply: Reply) -> None:
        looked = look_up_submission(self._peer, tasks)
        if isinstance(looked, Refused):
            reply(looked, 0)
            return
        if looked.missing:
            detail = f"there is no task {looked.missing} to wait for, or it ended so long ago that it is forgotten"
            reply(Refused("unknown_dependency", detail, "after"), 0)
            return
        if not looked.fresh:
            # History may know more than the state, which after a restart begins at a snapshot.
            reflects = max(self._peer.machine.index, self._peer.ports.history.readable_index())
            reply(Done([looked.repeated[task.id] for task in tasks]), reflects)
            return

        def answered(outcome: Outcome, index: int) -> None:
            if isinstance(outcome, Refused) and outcome.reason == "stale_lookup" and self._peer.now() < deadline:
                self._look_up_and_submit(tasks, deadline, reply)
                return
            if isinstance(outcome, Done):
                ids = dict(zip((task.id for task in looked.fresh), outcome.value, strict=True))
                outcome = Done([looked.repeated.get(task.id) or ids[task.id] for task in tasks])
            reply(outcome, index)

        submit = Submit(looked.fresh, self._peer.machine.index, looked.found)
        self._peer.proposer.offer(submit, deadline, answered)
        self._peer.attempts.claim_with_submission(looked.fresh)

    def _when_current(self, deadline: float, reply: Reply, go: Callable[[], None]) -> None:
        """What this replica does not know may only not have reached it yet."""

        def confirmed(index: int | None) -> None:
            if index is None:
                reply(_NOT_CURRENT, 0)
            else:
                go()

        self._peer.read(deadline, confirmed)

    # --- a fresh round for a failed task

    def retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
        self._with_history(deadline, reply, lambda: self._look_up_and_retry(task, deadline, reply))

    def _look_up_and_retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
        if self._peer.find(task) is None:
            self._when_current(deadline, reply, lambda: self._retry_looked_up(task, deadline, reply))
        else:
            self._retry_looked_up(task, deadline, reply)

    def _retry_looked_up(self, task: TaskId, deadline: float, reply: Reply) -> None:
        record = self._peer.find(task)
        if record is None:
            reply(Refused("not_found", f"there is no task {task}"), 0)
            return

        def answered(outcome: Outcome, index: int) -> None:
            if isinstance(outcome, Refused) and outcome.reason == "stale_lookup" and self._peer.now() < deadline:
                self._look_up_and_retry(task, deadline, reply)
                return
            reply(outcome, index)

        stub = self._peer.machine.ended.get(task)
        known = task in self._peer.machine.tasks or (stub is not None and stub.packed)
        data = b"" if known else msgspec.msgpack.encode(record)
        found, _missing = look_up_ended(self._peer, record.after)  # what is missing, the state refuses by name
        self._peer.proposer.offer(Again(task, data, self._peer.machine.index, found), deadline, answered)


_INCOMPLETE = Refused(
    "history_incomplete", "this peer is still fetching its history after a restart; ask another, or again shortly"
)
_NOT_CURRENT = Refused(
    "no_quorum", "what it names is not known here, and no majority told in time whether that is still so; ask again"
)
