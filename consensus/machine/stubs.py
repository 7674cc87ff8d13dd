"""Stubs of ended tasks: how long they stay.

Law: a stub goes when its time has passed *and* nobody live depends on it *and* its dependants have been told. With it
goes the right of submissions that looked into history before it ended (`lookup_floor`).
"""

from quorate.consensus.machine.records import Ended, Telling
from quorate.consensus.machine.store import Store
from quorate.scheduling.task import TaskId


def drop_if_spent(store: Store, task: TaskId) -> None:
    """Drop the stub of `task`, if there is one and nothing keeps it."""
    stub = store.ended.records.get(task)
    if stub is not None and is_spent(store, stub):
        drop(store, stub)


def is_spent(store: Store, stub: Ended) -> bool:
    return (
        stub.telling is Telling.SETTLED and stub.until_elapsed <= store.now.elapsed and stub.id not in store.dependants
    )


def drop(store: Store, stub: Ended) -> None:
    store.ended.drop(stub.id)
    store.detach_stub(stub)
    store.now.lookup_floor = max(store.now.lookup_floor, stub.index)
