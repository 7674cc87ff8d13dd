"""Waiting for the ends of many tasks at once.

Law: one request awaits thousands. Whatever is awaited in the same turn of the loop shares a stream; beyond
`MAX_STREAMS` of them the smallest is merged into the next, as long as both fit into one request. A peer that dies while
we wait costs a repeated request and nothing else.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from quorate.calls import Calls
from quorate.errors import CannotConnect, QuorateError
from quorate.protocol.told import TaskInfo

MAX_STREAMS = 8
MAX_IDS = 10_000
"""Of one request, as for everything a peer takes at once."""
UNPRODUCTIVE_PAUSE_S = 0.1

Ended = TaskInfo | QuorateError


class Listener(Protocol):
    """Called once, in the event loop: with the ended task, or with why its end cannot be learned.

    Quick, and raises nothing.
    """

    @property
    def wanted(self) -> bool:
        """False: it need not be called any more."""
        ...

    def __call__(self, ended: Ended) -> None: ...


class Awaiter:
    """Used from one event loop."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._listeners: dict[str, list[Listener]] = {}
        self._fresh: list[str] = []
        self._streams: dict[asyncio.Task[None], dict[str, None]] = {}
        self._beginning = False

    def watch(self, task: str, listener: Listener) -> None:
        listeners = self._listeners.setdefault(task, [])
        listeners.append(listener)
        if len(listeners) > 1:
            return
        self._fresh.append(task)
        if not self._beginning:
            self._beginning = True
            asyncio.get_running_loop().call_soon(self._begin)

    async def close(self) -> None:
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        self._fail(list(self._listeners), CannotConnect("the client was closed while this task was awaited"))

    def _begin(self) -> None:
        self._beginning = False
        ids, self._fresh = dict.fromkeys(self._fresh), []
        for begun in range(0, len(ids), MAX_IDS):
            self._stream(dict.fromkeys(list(ids)[begun : begun + MAX_IDS]))

    def _stream(self, ids: dict[str, None]) -> None:
        if len(self._streams) >= MAX_STREAMS:
            smallest = min(self._streams, key=lambda stream: len(self._streams[stream]))
            if len(self._streams[smallest]) + len(ids) <= MAX_IDS:
                ids = self._streams.pop(smallest) | ids
                smallest.cancel()
        stream = asyncio.get_running_loop().create_task(self._run(ids))
        self._streams[stream] = ids
        stream.add_done_callback(lambda done: self._streams.pop(done, None))

    async def _run(self, ids: dict[str, None]) -> None:
        def ended(task: str, end: Ended) -> None:
            ids.pop(task, None)
            self._tell(task, end)

        while True:
            self._drop_unwanted(ids)
            if not ids:
                return
            before = len(ids)
            try:
                await self._calls.wait(ids, ended)
            except QuorateError as error:
                self._fail(ids, error)
                return
            if len(ids) == before:
                await asyncio.sleep(UNPRODUCTIVE_PAUSE_S)

    def _drop_unwanted(self, ids: dict[str, None]) -> None:
        for task in list(ids):
            listeners = [listener for listener in self._listeners.get(task, ()) if listener.wanted]
            if listeners:
                self._listeners[task] = listeners
            else:
                self._listeners.pop(task, None)
                del ids[task]

    def _fail(self, ids: Iterable[str], error: QuorateError) -> None:
        for task in list(ids):
            self._tell(task, error)

    def _tell(self, task: str, ended: Ended) -> None:
        for listener in self._listeners.pop(task, ()):
            listener(ended)
