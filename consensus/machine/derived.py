"""Work that nobody asked for in this entry: what time and the ends of other tasks bring about.

Law: at most `BUDGET` units in one entry, in a fixed order; what is left is found again in the next entry, because it
follows from the state.
"""

from quorate.consensus.machine.attempts import time_out
from quorate.consensus.machine.dependants import tell_one
from quorate.consensus.machine.moves import make_ready
from quorate.consensus.machine.sessions import expire_one, first_to_expire
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.stubs import drop, is_spent
from quorate.consensus.machine.timers import due_seq, first_due

BUDGET = 1_000


def work(store: Store) -> int:
    """Do what is due; the units it took. First what gives work back, then what releases it, last the tidying."""
    left = BUDGET
    while left and (cost := expire_one(store, left)):
        left -= cost
    for step in _STEPS:
        while left and step(store):
            left -= 1
    return BUDGET - left


def _time_out_one(store: Store) -> bool:
    seq = due_seq(store.timers.attempts, store.now.elapsed)
    if seq is None:
        return False
    time_out(store, store.by_seq[seq])
    return True


def _retry_one(store: Store) -> bool:
    seq = due_seq(store.timers.retries, store.now.elapsed)
    if seq is None:
        return False
    make_ready(store, store.by_seq[seq])
    return True


def _start_one(store: Store) -> bool:
    seq = due_seq(store.timers.starts, store.wall_ms)
    if seq is None:
        return False
    make_ready(store, store.by_seq[seq])
    return True


def _age_one(store: Store) -> bool:
    """The next stub whose time has passed and that nothing keeps. Those that are kept go when the last reason does."""
    ageing, elapsed = store.ageing, store.now.elapsed
    while ageing and ageing[0][0] <= elapsed:
        _, ended, end_seq = ageing.popleft()
        stub = store.ended.records.get(ended)
        if stub is not None and stub.end_seq == end_seq and is_spent(store, stub):
            drop(store, stub)
            return True
    return False


_STEPS = (_time_out_one, tell_one, _retry_one, _start_one, _age_one)


def next_due(store: Store) -> tuple[int | None, int | None]:
    """The earliest elapsed ms, and the earliest wall ms, at which there is work; elapsed 0 when it waits already."""
    if store.telling:
        return 0, first_due(store.timers.starts)
    session = first_to_expire(store)
    times = [
        session.expires_elapsed if session else None,
        first_due(store.timers.attempts),
        first_due(store.timers.retries),
        store.ageing[0][0] if store.ageing else None,
    ]
    return min([time for time in times if time is not None], default=None), first_due(store.timers.starts)
