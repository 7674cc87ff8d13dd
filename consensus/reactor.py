"""Turns applied events into woken waiters and the event stream.

Laws: an event's address (log index, n) is the same on every peer; a waiter is called once, on whichever peer it
waits; the stream keeps a bounded tail, and who asks for more is told that there is a gap.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from quorate.consensus.events import Event, TaskEvent
from quorate.scheduling.task import ENDED, Task, TaskId

Woken = Callable[[Task], None]


class Stamped(NamedTuple):
    """An event with its address (log index, n-th of the entry)."""

    at: int
    n: int
    event: Event


Sink = Callable[[Sequence[Stamped]], None]

KEPT_RECORD_BYTES = 4_096
"""A record larger than this is not kept with its event: the tail is bounded in bytes as well as in number."""


class Subscription:
    """`gap`: events between the asked resume point and the first delivered one are no longer kept."""

    def __init__(self, reactor: "Reactor", sink: Sink, gap: bool) -> None:
        self.gap = gap
        self.sink = sink
        self._reactor = reactor

    def close(self) -> None:
        self._reactor.unsubscribe(self)


class Reactor:
    def __init__(self, kept: int) -> None:
        self._tail: deque[Stamped] = deque(maxlen=kept)
        self._subscriptions: list[Subscription] = []
        self._waiters: dict[TaskId, list[Woken]] = {}
        self._waiting = 0
        self._complete_since = (0, 0)
        """The tail holds every event after this address."""

    @property
    def waiting(self) -> int:
        return self._waiting

    def publish(self, index: int, events: Sequence[Event]) -> None:
        if not events:
            return
        stamped = [Stamped(index, n, _light(event)) for n, event in enumerate(events)]
        overflow = len(self._tail) + len(stamped) - (self._tail.maxlen or 0)
        if overflow > 0:
            old = len(self._tail)
            last_lost = self._tail[overflow - 1] if overflow <= old else stamped[overflow - old - 1]
            self._complete_since = (last_lost.at, last_lost.n)
        self._tail.extend(stamped)
        for subscription in list(self._subscriptions):
            subscription.sink(stamped)
        if self._waiters:
            self._wake(events)

    def _wake(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TaskEvent) and event.state in ENDED:
                woken = self._waiters.pop(event.task, None)
                if woken is None:
                    continue
                self._waiting -= len(woken)
                for call in woken:
                    call(event.record)

    def wait(self, task: TaskId, woken: Woken) -> Callable[[], None]:
        """Call `woken` when the task ends. Returns how to stop waiting."""
        self._waiters.setdefault(task, []).append(woken)
        self._waiting += 1

        def stop() -> None:
            waiters = self._waiters.get(task)
            if waiters is None or woken not in waiters:
                return
            waiters.remove(woken)
            self._waiting -= 1
            if not waiters:
                del self._waiters[task]

        return stop

    def waited_for(self) -> list[TaskId]:
        return list(self._waiters)

    def wake(self, task: Task) -> None:
        """A task that ended without an event here (its entry came inside an installed snapshot)."""
        woken = self._waiters.pop(task.id, [])
        self._waiting -= len(woken)
        for call in woken:
            call(task)

    def restart(self, index: int) -> None:
        """A snapshot was installed: events up to `index` never came by."""
        self._tail.clear()
        self._complete_since = (index, 1 << 30)

    def subscribe(self, after: tuple[int, int] | None, sink: Sink) -> Subscription:
        """`after`: the address of the last event seen (None: only what comes)."""
        gap = after is not None and after < self._complete_since
        subscription = Subscription(self, sink, gap)
        self._subscriptions.append(subscription)
        if after is not None:
            missed = [s for s in self._tail if (s.at, s.n) > after]
            if missed:
                sink(missed)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)


def _light(event: Event) -> Event:
    if not isinstance(event, TaskEvent):
        return event
    record = event.record
    if len(record.args) + len(record.result or b"") + len(record.timeline) <= KEPT_RECORD_BYTES:
        return event
    return msgspec.structs.replace(
        event, record=msgspec.structs.replace(record, args=b"null", result=None, timeline=b"")
    )
