"""Telling those that wait for a task that it has ended.

Law: dependants are told one at a time, in the order of `seq`, as derived work; how far it has come stands in the
stub, so that a task with a hundred thousand dependants stalls nobody and a restored state goes on where the old one
was.
"""

from bisect import bisect_right

from quorate.consensus.machine.moves import fail, unblock
from quorate.consensus.machine.records import Ended, Telling
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.stubs import drop_if_spent
from quorate.scheduling.task import State, Task, TaskError

BLOCKED = State.BLOCKED
SUCCEEDED = State.SUCCEEDED


def tell_one(store: Store) -> bool:
    """One unit: the next dependant of the first task in line hears of its end. False: nobody is owed anything."""
    stub = _first_in_line(store) if store.telling else None
    if stub is None:
        return False
    ended = stub.id
    store.ended.touch(ended)
    waiting = store.dependants.get(ended, [])
    position = bisect_right(waiting, stub.told)
    if position == len(waiting):
        stub.telling = Telling.SETTLED
        store.telling.popleft()
        drop_if_spent(store, ended)
        return True
    stub.told = waiting[position]
    _hear(store, store.by_seq[stub.told], stub)
    return True


def _first_in_line(store: Store) -> Ended | None:
    """Passing over what is live again, at no cost: a restored state has no such places in its line."""
    while store.telling:
        ended, end_seq = store.telling[0]
        stub = store.ended.records.get(ended)
        if stub is not None and stub.end_seq == end_seq:
            return stub
        store.telling.popleft()
    return None


def _hear(store: Store, task: Task, ended: Ended) -> None:
    if not task.unmet:
        return  # it waits for nothing any more: `ended` is being told again after a second round
    store.tasks.touch(task.id)
    task.unmet -= 1
    if stands_in_the_way(task, ended):
        fail_with(store, task, ended)
    elif task.state is BLOCKED and not task.unmet:
        unblock(store, task)


def stands_in_the_way(task: Task, ended: Ended) -> bool:
    """Whether that end makes `task` fail."""
    return ended.state is not SUCCEEDED and not task.run_after_failure


def fail_with(store: Store, task: Task, ended: Ended) -> None:
    """Fail a task because of a dependency, which is named."""
    message = f"task {ended.id}, which it depends on, {_ENDINGS[ended.state]}"
    fail(store, task, TaskError("DependencyFailed", message), f"dependency_failed: {ended.id}")


_ENDINGS = {State.FAILED: "has failed", State.CANCELLED: "was cancelled"}


def recall(store: Store, ended: Ended) -> None:
    """`ended` gets another round: those that have heard of its end and wait on for others wait for it again."""
    waiting = store.dependants.get(ended.id, [])
    heard = len(waiting) if ended.telling is Telling.SETTLED else bisect_right(waiting, ended.told)
    for seq in waiting[:heard]:
        task = store.by_seq[seq]
        if task.unmet:
            store.tasks.touch(task.id)
            task.unmet += 1
