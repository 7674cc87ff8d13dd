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
from quorate.consensus.dependencies import ended_dependencies, look_up
from quorate.consensus.machine import Machine
from quorate.consensus.ports import Ports
from quorate.consensus.proposer import Proposer, Reply
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
        return min((item.deadline for item in self._parked), default=float("inf"))

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
        repeated: dict[TaskId, TaskId] = {}
        for task in tasks:
            first = self._used_before(task)
            if first is None:
                continue
            if first.digest != task.digest:
                reply(key_reused(task, first), 0)
                return
            repeated[task.id] = first.id
        fresh = tuple(_renamed(task, repeated) for task in tasks if task.id not in repeated)
        if not fresh:
            reply(Done([repeated[task.id] for task in tasks]), self._peer.machine.index)
            return
        found, missing = ended_dependencies(self._peer, fresh)
        if missing:
            detail = f"there is no task {missing} to wait for, or it ended so long ago that it is forgotten"
            reply(Refused("unknown_dependency", detail, "after"), 0)
            return

        def answered(outcome: Outcome, index: int) -> None:
            if isinstance(outcome, Refused) and outcome.reason == "stale_lookup" and self._peer.now() < deadline:
                self._look_up_and_submit(tasks, deadline, reply)
                return
            if isinstance(outcome, Done):
                ids = dict(zip((task.id for task in fresh), outcome.value, strict=True))
                outcome = Done([repeated.get(task.id) or ids[task.id] for task in tasks])
            reply(outcome, index)

        self._peer.proposer.offer(Submit(fresh, self._peer.machine.index, found), deadline, answered)
        self._peer.attempts.claim_with_submission(fresh)

    def _used_before(self, task: NewTask) -> Task | None:
        """The ended task of that key, if only history still knows it; while the state knows the key it decides
        itself.
        """
        if not task.key or self._peer.machine.by_key(task.namespace, task.key) is not None:
            return None
        found = self._peer.ports.history.find_key(task.namespace, task.key)
        return None if found is None else self._peer.find(found.id)

    # --- a fresh round for a failed task

    def retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
        self._with_history(deadline, reply, lambda: self._look_up_and_retry(task, deadline, reply))

    def _look_up_and_retry(self, task: TaskId, deadline: float, reply: Reply) -> None:
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
        found, _missing = look_up(self._peer, record.after)  # what is missing, the state refuses by name
        self._peer.proposer.offer(Again(task, data, self._peer.machine.index, found), deadline, answered)


def key_reused(task: NewTask, first: Task) -> Refused:
    return Refused("key_reused", f"the key {task.key!r} was used for task {first.id} with other contents", "key")


def _renamed(task: NewTask, repeated: dict[TaskId, TaskId]) -> NewTask:
    """What names a task of the same request that turned out to be a repetition names the first one instead: in `after`,
    and where `$result` stands for it in `args`. Ids are equally long, and found nowhere by chance.
    """
    args, named = task.args, [dependency for dependency in task.after if dependency in repeated]
    if not named:
        return task
    for dependency in named:
        args = args.replace(dependency.encode(), repeated[dependency].encode())
    return msgspec.structs.replace(task, args=args, after=tuple(repeated.get(d, d) for d in task.after))


_INCOMPLETE = Refused(
    "history_incomplete", "this peer is still fetching its history after a restart; ask another, or again shortly"
)
