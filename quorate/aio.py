"""The client for programs that have an event loop.

Law: the same names as `quorate.Client`; what blocks there is awaited here. A client belongs to one event loop, and to
any number of its tasks.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, Unpack, cast, overload

from quorate.conversation import CONNECT_TIMEOUT_S, TIMEOUT_S, Conversation
from quorate.errors import Conflict, TaskCancelled, TaskFailed
from quorate.protocol import token as tokens
from quorate.protocol.access import access
from quorate.protocol.asked import Asks, Function, TaskOptions, task_object
from quorate.protocol.filters import Consistency, EventFilters, Filters, query_of
from quorate.protocol.told import Event, TaskInfo
from quorate.scheduling.task import State

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncHandle(Generic[R]):
    """A task submitted through an `AsyncClient`; what blocks in `quorate.Handle` is awaited here."""

    __slots__ = ("__weakref__", "_client", "_future", "_together", "id", "key")

    def __init__(self, client: "AsyncClient", task: str, key: str) -> None:
        self.id = task
        self.key = key
        """The idempotency key it was submitted under."""
        self._client = client
        self._future: asyncio.Future[TaskInfo] | None = None
        self._together: Sequence[weakref.ref[AsyncHandle[Any]]] = ()

    @property
    def token(self) -> str:
        """A text that survives this process: `client.handle(token)` gives this handle again."""
        return tokens.write(self.id, self.key)

    async def result(self, timeout: float | None = None) -> R:  # noqa: ASYNC109  # as in concurrent.futures
        """The result, once the task has ended.

        Raises TaskFailed, TaskCancelled, TimeoutError, or a QuorateError if no peer can say.
        """
        ended = await self._ended(timeout)
        if failure := ended.failure():
            raise failure
        return cast(R, ended.result)

    async def exception(self, timeout: float | None = None) -> TaskFailed | TaskCancelled | None:  # noqa: ASYNC109
        """What `result` would raise of the task's own; None if it succeeded. Raises as `result` otherwise."""
        return (await self._ended(timeout)).failure()

    async def done(self) -> bool:
        """Whether it has ended, as the cluster says now."""
        return (await self.info()).has_ended

    async def state(self) -> State:
        """As the cluster says now."""
        return (await self.info()).state

    async def info(self) -> TaskInfo:
        """Everything the cluster tells of it now."""
        future = self._future
        if future is not None and future.done() and future.exception() is None:
            return future.result()
        return await self._client.task(self.id)

    async def cancel(self, reason: str = "") -> bool:
        """Whether it is cancelled now; False if it ended before."""
        try:
            await self._client.cancel(self.id, reason)
        except Conflict:
            return False
        return True

    def future(self) -> "asyncio.Future[TaskInfo]":
        """Settled with the ended task. The first call begins to wait, for all that were submitted together."""
        if _unwatched(self):
            await_all([self, *(other for known in self._together if (other := known()) is not None)])
            self._together = ()
        assert self._future is not None
        return self._future

    async def _ended(self, timeout: float | None) -> TaskInfo:  # noqa: ASYNC109
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                # Several may await the same end, and one who gives up must not end it for the others.
                return await asyncio.shield(self.future())
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"task {self.id} has not ended within {timeout} s") from None

    def __repr__(self) -> str:
        return f"<handle of task {self.id}>"


def submitted_together(client: "AsyncClient", tasks: Iterable[str], keys: Iterable[str]) -> list[AsyncHandle[Any]]:
    handles = [AsyncHandle[Any](client, task, key) for task, key in zip(tasks, keys, strict=True)]
    together = [weakref.ref(handle) for handle in handles]
    for handle in handles:
        handle._together = together
    return handles


def await_all(handles: Iterable[AsyncHandle[Any]]) -> None:
    """Begin to wait for those that nobody awaits yet, one request for all of a client."""
    loop = asyncio.get_running_loop()
    for handle in handles:
        if _unwatched(handle):
            handle._future = loop.create_future()
            handle._client.watch([(handle.id, handle._future)])


def _unwatched(handle: AsyncHandle[Any]) -> bool:
    """Nobody waits yet, or the wait broke off: what no peer could say then, one may say now."""
    future = handle._future
    return future is None or (future.done() and (future.cancelled() or future.exception() is not None))


async def as_completed(
    handles: Iterable[AsyncHandle[R]],
    timeout: float | None = None,  # noqa: ASYNC109  # as in concurrent.futures
) -> AsyncIterator[AsyncHandle[R]]:
    """The handles in the order in which their tasks end, however they end.

    Raises TimeoutError when `timeout` seconds after the first step some have not, CannotConnect or NoQuorum when no
    peer can say.
    """
    named = list(handles)
    await_all(named)
    done: asyncio.Queue[AsyncHandle[R]] = asyncio.Queue(maxsize=len(named) or 1)
    for handle in named:
        handle.future().add_done_callback(lambda _, handle=handle: done.put_nowait(handle))  # type: ignore[misc]
    loop = asyncio.get_running_loop()
    until = None if timeout is None else loop.time() + timeout
    for seen in range(len(named)):
        try:
            async with asyncio.timeout_at(until):
                handle = await done.get()
        except TimeoutError:
            raise TimeoutError(f"{len(named) - seen} of {len(named)} tasks have not ended within {timeout} s") from None
        handle.future().result()
        yield handle


async def gather(handles: Iterable[AsyncHandle[R]], timeout: float | None = None) -> list[R]:  # noqa: ASYNC109
    """The results in the order of the handles.

    Raises as `AsyncHandle.result` for the first in that order that has none.
    """
    named = list(handles)
    await_all(named)
    loop = asyncio.get_running_loop()
    until = None if timeout is None else loop.time() + timeout
    return [await handle.result(None if until is None else max(0.0, until - loop.time())) for handle in named]


class AsyncSubmitter:
    """Ways to submit, under the same options."""

    def __init__(self, client: "AsyncClient", options: TaskOptions) -> None:
        self._client = client
        self._options = options

    @overload
    async def submit(
        self, handler: Function[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncHandle[R]: ...
    @overload
    async def submit(self, handler: Function[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]: ...
    @overload
    async def submit(self, handler: Asks[P], /, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[Any]: ...
    @overload
    async def submit(self, handler: str, /, *args: Any, **kwargs: Any) -> AsyncHandle[Any]: ...
    async def submit(self, handler: Any, /, *args: Any, **kwargs: Any) -> AsyncHandle[Any]:
        """A task for a handler, by name or by the function under `@quorate.task`; a majority has it on disk then.

        Raises Refused (with the field), NoQuorum, CannotConnect, or Unknown; TypeError if the arguments do not fit.
        """
        return await self._client.submit_task(task_object(handler, args, kwargs, self._options))

    @overload
    async def run(self, handler: Function[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def run(self, handler: Function[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def run(self, handler: Asks[P], /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    async def run(self, handler: str, /, *args: Any, **kwargs: Any) -> Any: ...
    async def run(self, handler: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Submit and wait for the result, in one request where it comes soon.

        Raises as `submit`, and TaskFailed, TaskCancelled.
        """
        return await self._client.run_task(task_object(handler, args, kwargs, self._options))

    @overload
    def map(self, handler: Function[[T], Coroutine[Any, Any, R]], items: Iterable[T], /) -> AsyncIterator[R]: ...
    @overload
    def map(self, handler: Function[[T], R], items: Iterable[T], /) -> AsyncIterator[R]: ...
    @overload
    def map(self, handler: Asks[[T]], items: Iterable[T], /) -> AsyncIterator[Any]: ...
    @overload
    def map(self, handler: str, items: Iterable[Any], /) -> AsyncIterator[Any]: ...
    async def map(self, handler: Any, items: Iterable[Any], /) -> AsyncIterator[Any]:
        """One task per item, each with the item as its one argument; the results in the order of the items.

        All are submitted by the first step, in batches of which each task stands for itself. Raises as `submit`; and
        TaskFailed or TaskCancelled where the result of such a task would come.
        """
        handles = await self._client.submit_stream(task_object(handler, (item,), {}, self._options) for item in items)
        for handle in handles:
            yield await handle.result()


class AsyncClient(AsyncSubmitter):
    """endpoints: `host:port` or URLs, the first is asked first (else QUORATE_ENDPOINTS, else the example's).

    token, ca, cert, key: who asks, and PEM files (else QUORATE_TOKEN, QUORATE_CA, QUORATE_CERT, QUORATE_KEY). timeout:
    seconds for each call, over all peers it is tried on. connect_timeout: the same as long as no peer was reached at
    all. Raises ValueError.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str] | None = None,
        *,
        token: str | None = None,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        timeout: float = TIMEOUT_S,
        connect_timeout: float = CONNECT_TIMEOUT_S,
    ) -> None:
        super().__init__(self, {})
        self._access = access(endpoints, token=token, ca=ca, cert=cert, key=key)
        self._talk = Conversation(self._access, timeout, connect_timeout)

    @property
    def endpoints(self) -> tuple[str, ...]:
        return self._access.endpoints

    # --- submitting ---------------------------------------------------------------------------------------------------

    def options(self, **options: Unpack[TaskOptions]) -> AsyncSubmitter:
        """`await client.options(priority=5, after=[first]).submit(...)`: how the tasks submitted through it are to be
        run.
        """
        return AsyncSubmitter(self, options)

    async def submit_task(self, task: Mapping[str, Any]) -> AsyncHandle[Any]:
        """One task object, as `POST /v1/tasks` takes it. Raises as `submit`."""
        return (await self.submit_many([task]))[0]

    async def submit_many(self, tasks: Iterable[Mapping[str, Any]]) -> list[AsyncHandle[Any]]:
        """Up to 10,000 task objects (`charge.request("o-1", 999)` makes one), all or none. Raises as `submit`."""
        prepared = self._talk.prepare(tasks)
        return submitted_together(self, await self._talk.submit(prepared), prepared.keys)

    async def submit_stream(self, tasks: Iterable[Mapping[str, Any]]) -> list[AsyncHandle[Any]]:
        """Any number of task objects, each for itself. The first refusal is raised; those before it are accepted."""
        prepared = self._talk.prepare(tasks)
        return submitted_together(self, await self._talk.submit_stream(prepared), prepared.keys)

    async def run_task(self, task: Mapping[str, Any]) -> Any:
        """Submit one task object and wait for its result. Raises as `run`."""
        ended = await self._talk.run(self._talk.prepare([task]))
        if failure := ended.failure():
            raise failure
        return ended.result

    # --- tasks --------------------------------------------------------------------------------------------------------

    def handle(self, token: str) -> AsyncHandle[Any]:
        """The handle whose `token` this is, made by whichever process. Raises ValueError if it is none."""
        return AsyncHandle(self, *tokens.read(token))

    async def task(self, task: str, consistency: Consistency = "linearizable") -> TaskInfo:
        """Raises NotFound for an id that never was, or that history no longer keeps."""
        return await self._talk.calls.task(task, query={"consistency": consistency})

    async def tasks(self, **filters: Unpack[Filters]) -> AsyncIterator[TaskInfo]:
        """Live ones and history, newest first, fetched page by page."""
        query = query_of(filters)
        while True:
            page = await self._talk.calls.page(query)
            for task in page.tasks:
                yield task
            if not page.cursor:
                return
            query = {**query, "cursor": page.cursor}

    async def timeline(self, task: str) -> list[dict[str, Any]]:
        """What happened to it, oldest first: `kind`, `at`, `attempt`, `peer`, `detail`."""
        return await self._talk.calls.timeline(task)

    async def why(self, task: str) -> dict[str, Any]:
        """Why it is where it is: `why` in words, `waits_for`."""
        return await self._talk.calls.why(task)

    async def ready(self, task: str) -> TaskInfo:
        """Let a held task go. Raises Conflict if it is not held."""
        return await self._talk.calls.ready(task)

    async def cancel(self, task: str, reason: str = "") -> TaskInfo:
        """Raises Conflict if it has ended otherwise; cancelled again it is as before."""
        return await self._talk.calls.cancel(task, reason)

    async def retry(self, task: str) -> TaskInfo:
        """A fresh round of attempts for a failed task. Raises Conflict if it has not failed."""
        return await self._talk.calls.retry(task)

    # --- the cluster --------------------------------------------------------------------------------------------------

    async def cluster(self) -> dict[str, Any]:
        """Peers, leader, term, commit index, as one peer sees them."""
        return await self._talk.calls.cluster()

    async def openapi(self) -> dict[str, Any]:
        """What the peers accept and answer (OpenAPI)."""
        return await self._talk.calls.openapi()

    async def events(self, after: str = "", **filters: Unpack[EventFilters]) -> AsyncIterator[Event]:
        """What happens from now on, or from behind the event with the id `after`; endless, across peers that fail.

        Raises CannotConnect or NoQuorum when for `timeout` seconds no peer would send any.
        """
        stream = self._talk.calls.events(after, query_of(filters))
        try:
            async for events in stream:
                for event in events:
                    yield event
        finally:
            await stream.aclose()

    # --- the connections behind ---------------------------------------------------------------------------------------

    def watch(self, futures: Sequence[tuple[str, "asyncio.Future[TaskInfo]"]]) -> None:
        """For handles: settle each future with the end of its task."""
        self._talk.watch(futures)

    async def close(self) -> None:
        """Ends the waits that are under way; the tasks go on."""
        await self._talk.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<client of {', '.join(self.endpoints)}>"
