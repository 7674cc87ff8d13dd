"""Sorted numbers, and the order of the ready tasks.

Law: derived, never stored. A ready task's key does not change while it is ready.
"""

from collections.abc import Collection, Iterator
from heapq import merge
from itertools import islice
from typing import Protocol

from sortedcontainers import SortedList

from quorate.scheduling.hlc import wall_ms_of
from quorate.scheduling.priority import virtual_start_ms
from quorate.scheduling.task import Task

SEQ_BITS = 48
SEQ_MASK = (1 << SEQ_BITS) - 1


class SortedInts(Protocol):
    """What we use of `sortedcontainers.SortedList`, which has no types of its own. All but iteration in O(log n)."""

    def add(self, value: int, /) -> None: ...
    def remove(self, value: int, /) -> None: ...
    def irange(self, minimum: int | None, maximum: int | None, /, *, reverse: bool = False) -> Iterator[int]: ...
    def __getitem__(self, position: int, /) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...


def sorted_ints() -> SortedInts:
    """An empty one."""
    empty: SortedInts = SortedList()
    return empty


def with_seq(value: int, seq: int) -> int:
    """One number that sorts by `value`, then by `seq`; cheaper to compare and to keep than a pair."""
    return value << SEQ_BITS | seq


def seq_in(number: int) -> int:
    return number & SEQ_MASK


def order_key(task: Task) -> int:
    """Where a ready task stands: the total order over all handlers."""
    return with_seq(virtual_start_ms(wall_ms_of(task.ready_stamp), task.priority), task.seq)


class ReadyOrder:
    """The ready tasks of each handler, first come first."""

    def __init__(self) -> None:
        self._by_handler: dict[str, SortedInts] = {}
        self.count = 0

    def add(self, task: Task) -> None:
        queue = self._by_handler.get(task.handler)
        if queue is None:
            self._by_handler[task.handler] = queue = sorted_ints()
        queue.add(order_key(task))
        self.count += 1

    def remove(self, task: Task, known_handlers: Collection[str]) -> None:
        """An empty queue stays for a handler that is known, which will need it again; any other name is forgotten."""
        queue = self._by_handler[task.handler]
        queue.remove(order_key(task))
        self.count -= 1
        if not queue and task.handler not in known_handlers:
            del self._by_handler[task.handler]

    def head(self, handlers: Collection[str], limit: int) -> list[int]:
        """The `seq` of the first `limit` ready tasks among these handlers."""
        queues = [queue for name in dict.fromkeys(handlers) if (queue := self._by_handler.get(name))]
        first = iter(queues[0]) if len(queues) == 1 else merge(*queues)
        return [key & SEQ_MASK for key in islice(first, limit)]
