"""Handles: a submitted task as something to wait for.

Law: a handle holds an id and a key, no connection: it works through whichever peer answers, and its `token` works in
another process. What the cluster once said of an ended task is kept; what it could not say is asked again.
"""

import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import as_completed as futures_as_completed
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from quorate.errors import Conflict, TaskCancelled, TaskFailed
from quorate.protocol import token
from quorate.protocol.told import TaskInfo
from quorate.scheduling.task import State

if TYPE_CHECKING:
    from quorate.client import Client

R = TypeVar("R")


class Handle(Generic[R]):
    """A task submitted through a `Client`. Safe from any thread."""

    __slots__ = ("__weakref__", "_client", "_future", "_together", "id", "key")

    def __init__(self, client: "Client", task: str, key: str) -> None:
        self.id = task
        self.key = key
        """The idempotency key it was submitted under."""
        self._client = client
        self._future: Future[TaskInfo] | None = None
        self._together: Sequence[weakref.ref[Handle[Any]]] = ()

    @property
    def token(self) -> str:
        """A text that survives this process: `client.handle(token)` gives this handle again."""
        return token.write(self.id, self.key)

    def result(self, timeout: float | None = None) -> R:
        """The result, once the task has ended.

        Raises TaskFailed, TaskCancelled, TimeoutError, or a QuorateError if no peer can say.
        """
        ended = self._ended(timeout)
        if failure := ended.failure():
            raise failure
        return cast(R, ended.result)

    def exception(self, timeout: float | None = None) -> TaskFailed | TaskCancelled | None:
        """What `result` would raise of the task's own; None if it succeeded. Raises as `result` otherwise."""
        return self._ended(timeout).failure()

    def done(self) -> bool:
        """Whether it has ended, as the cluster says now."""
        return self.info().has_ended

    @property
    def state(self) -> State:
        """As the cluster says now."""
        return self.info().state

    def info(self) -> TaskInfo:
        """Everything the cluster tells of it now."""
        known = self._known()
        return known if known is not None else self._client.task(self.id)

    def cancel(self, reason: str = "") -> bool:
        """Whether it is cancelled now; False if it ended before."""
        try:
            self._client.cancel(self.id, reason)
        except Conflict:
            return False
        return True

    def future(self) -> "Future[TaskInfo]":
        """Settled with the ended task. The first call begins to wait, for all that were submitted together."""
        if _unwatched(self):
            await_all([self, *(other for known in self._together if (other := known()) is not None)])
            self._together = ()
        assert self._future is not None
        return self._future

    def _ended(self, timeout: float | None) -> TaskInfo:
        try:
            return self.future().result(timeout)
        except TimeoutError:
            raise TimeoutError(f"task {self.id} has not ended within {timeout} s") from None

    def _known(self) -> TaskInfo | None:
        future = self._future
        return future.result() if future is not None and future.done() and future.exception() is None else None

    def __repr__(self) -> str:
        return f"<handle of task {self.id}>"


def submitted_together(client: "Client", tasks: Iterable[str], keys: Iterable[str]) -> list[Handle[Any]]:
    """Handles that begin to wait together: whoever awaits one of many will await the others."""
    handles = [Handle[Any](client, task, key) for task, key in zip(tasks, keys, strict=True)]
    together = [weakref.ref(handle) for handle in handles]
    for handle in handles:
        handle._together = together
    return handles


def await_all(handles: Iterable[Handle[Any]]) -> None:
    """Begin to wait for those that nobody awaits yet, one request for all of a client."""
    begun: dict[Client, list[tuple[str, Future[TaskInfo]]]] = {}
    for handle in handles:
        if _unwatched(handle):
            handle._future = Future()
            begun.setdefault(handle._client, []).append((handle.id, handle._future))
    for client, futures in begun.items():
        client.watch(futures)


def _unwatched(handle: Handle[Any]) -> bool:
    """Nobody waits yet, or the wait broke off: what no peer could say then, one may say now."""
    future = handle._future
    return future is None or (future.done() and future.exception() is not None)


def as_completed(handles: Iterable[Handle[R]], timeout: float | None = None) -> Iterator[Handle[R]]:
    """The handles in the order in which their tasks end, however they end.

    Raises TimeoutError when `timeout` seconds after the call some have not, CannotConnect or NoQuorum when no peer can
    say.
    """
    named = list(handles)
    await_all(named)
    of = {handle.future(): handle for handle in named}
    for future in futures_as_completed(of, timeout):
        future.result()
        yield of[future]


def gather(handles: Iterable[Handle[R]], timeout: float | None = None) -> list[R]:
    """The results in the order of the handles. Raises as `Handle.result` for the first in that order that has none."""
    named = list(handles)
    await_all(named)
    until = None if timeout is None else time.monotonic() + timeout
    return [handle.result(None if until is None else max(0.0, until - time.monotonic())) for handle in named]
