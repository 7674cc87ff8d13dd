"""A `concurrent.futures.Executor` whose workers are the peers of a cluster.

Law: what is submitted is safe on a majority of disks when `submit` returns, and goes on when this process ends; a
future tells of it, no more. Callables are handlers, by name or under `@quorate.task`: code never travels.
"""

import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Executor as BaseExecutor
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from quorate.errors import TaskCancelled
from quorate.handle import Handle, await_all
from quorate.protocol.asked import Asks, Function, TaskOptions, task_object
from quorate.protocol.told import TaskInfo

if TYPE_CHECKING:
    from quorate.client import Client

P = ParamSpec("P")
R = TypeVar("R")


class TaskFuture(Future[R]):
    """A future with the `handle` of its task. `cancel` cancels the task, unless it has ended."""

    def __init__(self, handle: Handle[R]) -> None:
        super().__init__()
        self.handle = handle

    def cancel(self) -> bool:
        """Asks the cluster. Raises as `Handle.cancel`."""
        if self.done():
            return self.cancelled()
        return self.handle.cancel() and super().cancel()

    def settle(self, awaited: "Future[TaskInfo]") -> None:
        """With the end of the task; that of a cancelled task, whoever cancelled it, is cancelled."""
        error = awaited.exception() or awaited.result().failure()
        if isinstance(error, TaskCancelled):
            super().cancel()
        if not self.set_running_or_notify_cancel():
            return
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(awaited.result().result)


class Executor(BaseExecutor):
    """options: how all its tasks are to be run, as `client.options` takes them.

    The client stays open when this is shut down.
    """

    def __init__(self, client: "Client", options: TaskOptions | None = None) -> None:
        self._client = client
        self._options: TaskOptions = options or {}
        self._lock = threading.Lock()
        self._open = True
        self._pending: set[TaskFuture[Any]] = set()

    @overload  # type: ignore[override]  # handlers have names where the base takes any callable, which could not travel
    def submit(
        self, fn: Function[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[R]: ...
    @overload
    def submit(self, fn: Function[P, R], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R]: ...
    @overload
    def submit(self, fn: Asks[P], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[Any]: ...
    @overload
    def submit(self, fn: str, /, *args: Any, **kwargs: Any) -> TaskFuture[Any]: ...
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> TaskFuture[Any]:
        """Raises as `Client.submit`, and TypeError for a function without a name in the cluster."""
        self._check(fn)
        handle = self._client.submit_task(task_object(fn, args, kwargs, self._options))
        return self._futures([handle])[0]

    def map(
        self,
        fn: Any,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,  # noqa: ARG002  # of the base class; here the client makes the batches
    ) -> Iterator[Any]:
        """As the base class says; all tasks are submitted, in batches, before this returns."""
        self._check(fn)
        tasks = [task_object(fn, args, {}, self._options) for args in zip(*iterables, strict=False)]
        futures = self._futures(self._client.submit_stream(tasks)) if tasks else []
        return _results(futures, None if timeout is None else time.monotonic() + timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is taken any more. wait: until all has ended. cancel_futures: cancel what has not."""
        with self._lock:
            self._open = False
            pending = list(self._pending)
        if cancel_futures:
            for future in pending:
                future.cancel()
        if wait:
            wait_for(pending)

    def _check(self, fn: object) -> None:
        if not isinstance(fn, str) and not hasattr(fn, "request"):
            raise TypeError(f"got {fn!r}, expected the name of a handler or a function under @quorate.task")
        if not self._open:
            raise RuntimeError("this executor was shut down; make another")

    def _futures(self, handles: list[Handle[Any]]) -> list[TaskFuture[Any]]:
        futures = [TaskFuture(handle) for handle in handles]
        with self._lock:
            self._pending.update(futures)
        await_all(handles)
        for future in futures:
            future.add_done_callback(self._forget)
            future.handle.future().add_done_callback(future.settle)
        return futures

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._pending.discard(cast("TaskFuture[Any]", future))


def _results(futures: list[TaskFuture[Any]], until: float | None) -> Iterator[Any]:
    try:
        for future in futures:
            yield future.result(None if until is None else max(0.0, until - time.monotonic()))
    finally:
        for future in futures:
            future.cancel()
