"""Telling a task that kills peers from a calamity that befalls several of them.

Law: only the death of a single peer counts towards `poison_limit`. A death counts when it is noted; it is taken back
if another peer dies that has shown no life since, for then both may have died together (power, a rack, all processes
killed at once). Shown life: any operation of that peer's session applied after the death was noted. The second death
of such a group, and any further one, does not count at all. This is decided by order in the log alone: no span of
time can be right both for peers that restart within a second and for sessions that expire after five.

A poison task that is picked up again and kills the next peer is still counted twice, because a peer has to show life to
pick it up.
"""

from quorate.consensus.machine.moves import mark, put_back, quarantine
from quorate.consensus.machine.records import Death, Session
from quorate.consensus.machine.store import Store
from quorate.scheduling.task import State, Task, TaskId

HELD = State.HELD
READY = State.READY


def note_death(store: Store, session: Session, lost: list[Task]) -> None:
    """A session has ended without a word while it held `lost`."""
    detail = f"peer {session.peer} was lost"
    if _is_one_of_several(store, session.peer):
        for task in lost:
            put_back(store, task, "requeued", f"{detail}, and others with it")
        return
    for task in lost:
        store.tasks.touch(task.id)
        task.deaths += 1
        if task.deaths >= store.bounds.poison_limit:
            quarantine(store, task, f"{detail}; {task.deaths} peers were lost with it")
        else:
            put_back(store, task, "requeued", detail)
    awaited = sorted([peer for peer in store.sessions.records if peer != session.peer])
    if awaited:
        death = Death(session.peer, session.incarnation, [task.id for task in lost], awaited)
        store.deaths.put(session.peer, death)


def note_life(store: Store, peer: str) -> None:
    """An operation of `peer`'s session: it outlived whatever has died so far."""
    for name in sorted(store.deaths.records):
        _no_longer_await(store, store.deaths.records[name], peer)


def _is_one_of_several(store: Store, peer: str) -> bool:
    """Whether an earlier death awaits a sign of `peer`; if so that death is taken back."""
    shared = [name for name in sorted(store.deaths.records) if peer in store.deaths.records[name].awaited]
    for name in shared:
        death = store.deaths.records[name]
        store.deaths.touch(name)
        counted, death.counted = death.counted, []
        for task in counted:
            _take_back(store, task)
        _no_longer_await(store, death, peer)
    return bool(shared)


def _no_longer_await(store: Store, death: Death, peer: str) -> None:
    if peer not in death.awaited:
        return
    store.deaths.touch(death.peer)
    death.awaited.remove(peer)
    if not death.awaited:
        store.deaths.drop(death.peer)


def _take_back(store: Store, task_id: TaskId) -> None:
    task = store.tasks.records.get(task_id)
    if task is None or not task.deaths:
        return
    store.tasks.touch(task_id)
    task.deaths -= 1
    if task.state is HELD and task.reason == "quarantined" and task.deaths < store.bounds.poison_limit:
        store.leave(task)
        task.state, task.reason = READY, ""
        store.enter(task)
        mark(store, task, "absolved", "several peers were lost together")
