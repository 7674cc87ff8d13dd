"""`@quorate.task`: makes a function known by a name that tasks can use.

Law: the decorated function stays what it was, callable with the same types. Nothing is registered anywhere by
decorating: a peer finds what its modules hold, and a client asks by the same object. Importing this costs no engine.
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from quorate.protocol.asked import TaskOptions
from quorate.scheduling.handler import BadArguments, Declared, Handler, Isolation
from quorate.scheduling.task import Retry

if TYPE_CHECKING:
    from quorate.node.context import StagedHandle

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

OWN_PREFIX = "builtin."


class Request(Generic[P]):
    """A handler with options for the tasks that will name it: `charge.options(priority=5)`."""

    def __init__(self, handler: Handler, options: TaskOptions) -> None:
        self._handler = handler
        self._options = options

    def request(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The task object that asks for this call. Raises BadArguments (a TypeError) if the arguments do not fit."""
        return (
            _declared_fields(self._handler) | dict(self._options) | {"args": _args_field(self._handler, args, kwargs)}
        )


class TaskFunction(Declared, Generic[P, R_co]):
    """What `@quorate.task` leaves: the function, with a name and ways to ask for it."""

    __name__: str

    def __init__(self, function: Callable[P, R_co], handler: Handler) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.handler = handler

    @property
    def name(self) -> str:
        return self.handler.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function here and now, without any cluster."""
        return self._function(*args, **kwargs)

    def request(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The task object that asks for this call, as `POST /v1/tasks` takes it. Raises BadArguments (a TypeError)."""
        return Request[P](self.handler, {}).request(*args, **kwargs)

    def options(self, **options: Unpack[TaskOptions]) -> Request[P]:
        """The same handler asked for with other fields than declared."""
        return Request(self.handler, options)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> "StagedHandle":
        """Inside a handler: submit together with the success of the running attempt.

        Elsewhere it raises NoContext: programs outside say `client.submit(charge, ...)`.
        """
        from quorate.context import current

        return current().submit(self, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name} of {self.handler.place}>"


def task(
    name: str,
    *,
    retry: Retry | None = None,
    timeout: float | None = None,
    isolation: Isolation = "thread",
    queue: str | None = None,
    priority: int | None = None,
) -> Callable[[Callable[P, R_co]], TaskFunction[P, R_co]]:
    """Name a function so that tasks can ask for it.

    name: by convention `area.verb`. retry, queue, priority: defaults of the tasks asked for through this object.
    timeout: seconds per attempt (0: none; left out: the cluster's default). isolation: "thread", or "process" for code
    that hogs the interpreter or must be killed when out of time. `async def` functions run in a worker thread with an
    event loop of their own. Raises ValueError naming what is wrong; two handlers under one name are refused when a peer
    loads them.
    """
    if name.startswith(OWN_PREFIX):
        raise ValueError(f"handler name {name!r}: names beginning with {OWN_PREFIX!r} are Quorate's own")

    def declare(function: Callable[P, R_co]) -> TaskFunction[P, R_co]:
        return TaskFunction(function, Handler(name, function, _as_tuples(retry), timeout, isolation, queue, priority))

    return declare


def _as_tuples(retry: Retry | None) -> Retry | None:
    """People write lists; the value must not change after it was declared."""
    return None if retry is None else Retry(max=retry.max, schedule=tuple(retry.schedule), on=tuple(retry.on))


def _declared_fields(handler: Handler) -> dict[str, Any]:
    fields: dict[str, Any] = {"handler": handler.name}
    if handler.queue is not None:
        fields["queue"] = handler.queue
    if handler.priority is not None:
        fields["priority"] = handler.priority
    if handler.timeout_s is not None:
        fields["timeout"] = handler.timeout_s
    if handler.retry is not None:
        retry = handler.retry
        told = {"max": retry.max, "schedule": list(retry.schedule), "on": list(retry.on)}
        fields["retry"] = {name: value for name, value in told.items() if value}
    return fields


def _args_field(handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """By name where the function has names, so that a task reads well and survives reordered parameters."""
    try:
        bound = handler.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise BadArguments(f"{handler.name}{handler.signature}: {error}") from None
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = handler.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif kind in {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}:
            return _positions(handler, bound)
        else:
            named[name] = value
    return named


def _positions(handler: Handler, bound: inspect.BoundArguments) -> list[Any]:
    if bound.kwargs:
        names = ", ".join(bound.kwargs)
        raise BadArguments(
            f"{handler.name}{handler.signature}: a task carries positions or keywords, this call needs both ({names})"
        )
    return list(bound.args)
