"""The client for programs without an event loop.

Law: every call ends within its timeout and says which it is: done, `Refused` (surely not), or `Unknown`. A client may
be used from any number of threads; it talks to one peer and goes to the next when that one fails.
"""

import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, Unpack, overload

from quorate.conversation import CONNECT_TIMEOUT_S, TIMEOUT_S, Conversation
from quorate.handle import Handle, submitted_together
from quorate.loop_thread import LoopThread
from quorate.protocol import token as tokens
from quorate.protocol.access import access
from quorate.protocol.asked import Asks, Function, TaskOptions, task_object
from quorate.protocol.filters import Consistency, EventFilters, Filters, query_of
from quorate.protocol.told import Event, TaskInfo

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Submitter:
    """Ways to submit, under the same options."""

    def __init__(self, client: "Client", options: TaskOptions) -> None:
        self._client = client
        self._options = options

    @overload
    def submit(
        self, handler: Function[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[R]: ...
    @overload
    def submit(self, handler: Function[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]: ...
    @overload
    def submit(self, handler: Asks[P], /, *args: P.args, **kwargs: P.kwargs) -> Handle[Any]: ...
    @overload
    def submit(self, handler: str, /, *args: Any, **kwargs: Any) -> Handle[Any]: ...
    def submit(self, handler: Any, /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """A task for a handler, by name or by the function under `@quorate.task`; a majority has it on disk then.

        Raises Refused (with the field), NoQuorum, CannotConnect, or Unknown; TypeError if the arguments do not fit.
        """
        return self._client.submit_task(task_object(handler, args, kwargs, self._options))

    @overload
    def run(self, handler: Function[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def run(self, handler: Function[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def run(self, handler: Asks[P], /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    def run(self, handler: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def run(self, handler: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Submit and wait for the result, in one request where it comes soon.

        Raises as `submit`, and TaskFailed, TaskCancelled.
        """
        return self._client.run_task(task_object(handler, args, kwargs, self._options))

    @overload
    def map(self, handler: Function[[T], Coroutine[Any, Any, R]], items: Iterable[T], /) -> Iterator[R]: ...
    @overload
    def map(self, handler: Function[[T], R], items: Iterable[T], /) -> Iterator[R]: ...
    @overload
    def map(self, handler: Asks[[T]], items: Iterable[T], /) -> Iterator[Any]: ...
    @overload
    def map(self, handler: str, items: Iterable[Any], /) -> Iterator[Any]: ...
    def map(self, handler: Any, items: Iterable[Any], /) -> Iterator[Any]:
        """One task per item, each with the item as its one argument; the results in the order of the items.

        All are submitted before this returns, in batches of which each task stands for itself. Raises as `submit`; the
        iterator raises TaskFailed or TaskCancelled where the result of such a task would come.
        """
        handles = self._client.submit_stream(task_object(handler, (item,), {}, self._options) for item in items)
        return (handle.result() for handle in handles)


class Client(Submitter):
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
        self._access.ssl_context()  # an unreadable file is told now, not at the first call
        self._timeouts = timeout, connect_timeout
        self._starting = threading.Lock()
        self._running: _Running | None = None
        self._closed = False

    @property
    def endpoints(self) -> tuple[str, ...]:
        return self._access.endpoints

    # --- submitting ---------------------------------------------------------------------------------------------------

    def options(self, **options: Unpack[TaskOptions]) -> Submitter:
        """`client.options(priority=5, after=[first]).submit(...)`: how the tasks submitted through it are to be run."""
        return Submitter(self, options)

    def submit_task(self, task: Mapping[str, Any]) -> Handle[Any]:
        """One task object, as `POST /v1/tasks` takes it. Raises as `submit`."""
        return self.submit_many([task])[0]

    def submit_many(self, tasks: Iterable[Mapping[str, Any]]) -> list[Handle[Any]]:
        """Up to 10,000 task objects (`charge.request("o-1", 999)` makes one), all or none. Raises as `submit`."""
        running = self._start()
        prepared = running.talk.prepare(tasks)
        return submitted_together(self, running.run(running.talk.submit(prepared)), prepared.keys)

    def submit_stream(self, tasks: Iterable[Mapping[str, Any]]) -> list[Handle[Any]]:
        """Any number of task objects, each for itself. The first refusal is raised; those before it are accepted."""
        running = self._start()
        prepared = running.talk.prepare(tasks)
        return submitted_together(self, running.run(running.talk.submit_stream(prepared)), prepared.keys)

    def run_task(self, task: Mapping[str, Any]) -> Any:
        """Submit one task object and wait for its result. Raises as `run`."""
        running = self._start()
        ended = running.run(running.talk.run(running.talk.prepare([task])))
        if failure := ended.failure():
            raise failure
        return ended.result

    # --- tasks --------------------------------------------------------------------------------------------------------

    def handle(self, token: str) -> Handle[Any]:
        """The handle whose `token` this is, made by whichever process. Raises ValueError if it is none."""
        return Handle(self, *tokens.read(token))

    def task(self, task: str, consistency: Consistency = "linearizable") -> TaskInfo:
        """Raises NotFound for an id that never was, or that history no longer keeps."""
        return self._run(lambda talk: talk.calls.task(task, query={"consistency": consistency}))

    def tasks(self, **filters: Unpack[Filters]) -> Iterator[TaskInfo]:
        """Live ones and history, newest first, fetched page by page."""
        query = query_of(filters)
        while True:
            page = self._run(lambda talk, query=query: talk.calls.page(query))  # type: ignore[misc]  # mypy: default of a lambda
            yield from page.tasks
            if not page.cursor:
                return
            query = {**query, "cursor": page.cursor}

    def timeline(self, task: str) -> list[dict[str, Any]]:
        """What happened to it, oldest first: `kind`, `at`, `attempt`, `peer`, `detail`."""
        return self._run(lambda talk: talk.calls.timeline(task))

    def why(self, task: str) -> dict[str, Any]:
        """Why it is where it is: `why` in words, `waits_for`."""
        return self._run(lambda talk: talk.calls.why(task))

    def ready(self, task: str) -> TaskInfo:
        """Let a held task go. Raises Conflict if it is not held."""
        return self._run(lambda talk: talk.calls.ready(task))

    def cancel(self, task: str, reason: str = "") -> TaskInfo:
        """Raises Conflict if it has ended otherwise; cancelled again it is as before."""
        return self._run(lambda talk: talk.calls.cancel(task, reason))

    def retry(self, task: str) -> TaskInfo:
        """A fresh round of attempts for a failed task. Raises Conflict if it has not failed."""
        return self._run(lambda talk: talk.calls.retry(task))

    # --- the cluster --------------------------------------------------------------------------------------------------

    def cluster(self) -> dict[str, Any]:
        """Peers, leader, term, commit index, as one peer sees them."""
        return self._run(lambda talk: talk.calls.cluster())

    def openapi(self) -> dict[str, Any]:
        """What the peers accept and answer (OpenAPI)."""
        return self._run(lambda talk: talk.calls.openapi())

    def events(self, after: str = "", **filters: Unpack[EventFilters]) -> Iterator[Event]:
        """What happens from now on, or from behind the event with the id `after`; endless, across peers that fail.

        Raises CannotConnect or NoQuorum when for `timeout` seconds no peer would send any.
        """
        running = self._start()
        stream = running.talk.calls.events(after, query_of(filters))
        try:
            while True:
                yield from running.run(anext(stream))
        finally:
            if not self._closed:
                running.run(stream.aclose())

    # --- the loop behind ----------------------------------------------------------------------------------------------

    def watch(self, futures: Sequence[tuple[str, Future[TaskInfo]]]) -> None:
        """For handles: settle each future with the end of its task."""
        running = self._start()
        running.thread.call(lambda: running.talk.watch(futures))

    def close(self) -> None:
        """Ends the waits that are under way; the tasks go on."""
        with self._starting:
            running, self._running, self._closed = self._running, None, True
        if running is not None:
            running.finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<client of {', '.join(self.endpoints)}>"

    def _run(self, call: Callable[[Conversation], Coroutine[Any, Any, T]]) -> T:
        running = self._start()
        return running.run(call(running.talk))

    def _start(self) -> "_Running":
        running = self._running
        if running is not None and running.process == os.getpid():
            return running
        with self._starting:
            if self._closed:
                raise RuntimeError("this client was closed; make another")
            if self._running is None or self._running.process != os.getpid():
                self._running = _Running(self, Conversation(self._access, *self._timeouts))
            return self._running


class _Running:
    """What a client has once it was used: a loop in a thread, and the talk in it."""

    def __init__(self, owner: Client, talk: Conversation) -> None:
        self.process = os.getpid()
        self.talk = talk
        self.thread = LoopThread("quorate-client")
        self.run = self.thread.run
        self.finalizer = weakref.finalize(owner, self.thread.stop, talk.close)
