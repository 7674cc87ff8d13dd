"""Reads of the live tasks.

Law: bounded: a selection looks at no more tasks than it was allowed to, and says where to go on.
"""

from collections.abc import Iterator

import msgspec

from quorate.consensus.machine.store import Store
from quorate.scheduling.task import ENDED, State, Task


class Filter(msgspec.Struct, frozen=True):
    """Which tasks are wanted; None: any."""

    namespace: str | None = None
    queue: str | None = None
    state: State | None = None
    handler: str | None = None

    def wants(self, task: Task) -> bool:
        return (
            (self.namespace is None or self.namespace == task.namespace)
            and (self.queue is None or self.queue == task.queue)
            and (self.state is None or self.state is task.state)
            and (self.handler is None or self.handler == task.handler)
        )


class Selection(msgspec.Struct, frozen=True):
    """`tasks` in the order asked for. `stopped_at`: the `seq` looked at last, if there may be more beyond it."""

    tasks: list[Task]
    stopped_at: int | None


def select(store: Store, wanted: Filter, seqs: Iterator[int], limit: int, scan: int) -> Selection:
    """The first `limit` wanted ones along `seqs`, after looking at `scan` of them at most."""
    chosen: list[Task] = []
    for looked_at, seq in enumerate(seqs, start=1):
        task = store.by_seq[seq]
        if wanted.wants(task):
            chosen.append(task)
        if len(chosen) == limit or looked_at == scan:
            return Selection(chosen, seq)
    return Selection(chosen, None)


def counts(store: Store) -> dict[str, dict[State, int]]:
    """Live tasks by queue and state, zeros left out."""
    by_queue: dict[str, dict[State, int]] = {}
    live = [state for state in State if state not in ENDED]
    for name in sorted(store.counts):
        state = next(state for state in live if name.startswith(state))
        by_queue.setdefault(name[len(state) :], {})[state] = store.counts[name]
    return by_queue
