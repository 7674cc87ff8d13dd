"""What a program asks for, as task objects of the HTTP interface.

Law: what leaves here is JSON, and carries a key: the user's, or one made here, so that repeating it is always safe.
Whether a field is acceptable is for the cluster to say; here only what has no form in JSON is refused.
"""

import itertools
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar

import msgspec

from quorate.scheduling.task import Retry

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class HasId(Protocol):
    """A handle, or whatever else stands for a task."""

    @property
    def id(self) -> str: ...


class TaskOptions(TypedDict, total=False):
    """How a task is to be run.

    Times with a zone; `timeout` in seconds per attempt, 0 for none; `after`: handles or ids.
    """

    key: str
    namespace: str
    queue: str
    priority: int
    deadline: datetime | str
    not_before: datetime | str
    timeout: float
    held: bool
    after: Sequence[HasId | str]
    retry: Retry | Mapping[str, Any]
    labels: Mapping[str, str]
    on_dependency_failure: str
    allow_unknown_handler: bool


class Function(Protocol[P, R_co]):
    """A function under `@quorate.task`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def request(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]: ...


class Asks(Protocol[P]):
    """What knows how to ask for a call: a function under `@quorate.task`, also with options of its own."""

    def request(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]: ...


def task_object(
    handler: str | Asks[...], args: Sequence[Any], kwargs: Mapping[str, Any], options: TaskOptions
) -> dict[str, Any]:
    """`options` win over what the handler declares. Raises TypeError if the arguments do not fit."""
    if not isinstance(handler, str):
        return {**handler.request(*args, **kwargs), **options}
    if args and kwargs:
        raise TypeError(f"{handler}: a task carries positions or keywords, not both; use keywords")
    return {"handler": handler, "args": list(args) if args else dict(kwargs), **options}


def encoded(tasks: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Each task object as JSON. Raises TypeError or ValueError naming the task that is not JSON."""
    lines = []
    for n, task in enumerate(tasks):
        try:
            lines.append(_encode(_sendable(task)))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"task {n} ({task.get('handler')}) cannot be sent as JSON: {error}") from error
    return lines


def _sendable(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Handles become ids, a Retry its set fields."""
    after, retry = task.get("after"), task.get("retry")
    if not after and not isinstance(retry, Retry):
        return task
    changed = dict(task)
    if after:
        changed["after"] = [name if isinstance(name, str) else name.id for name in after]
    if isinstance(retry, Retry):
        changed["retry"] = msgspec.to_builtins(retry)
    return changed


_encode = msgspec.json.Encoder().encode


class Keys:
    """Idempotency keys that nobody else makes: 80 bits of chance for this process, and a number."""

    def __init__(self) -> None:
        self._renew()

    def __call__(self) -> str:
        if self._process != os.getpid():
            self._renew()  # a forked child must not go on with its parent's numbers
        return f"{self._prefix}-{next(self._number)}"

    def _renew(self) -> None:
        self._process = os.getpid()
        self._prefix = f"auto-{secrets.token_hex(10)}"
        self._number = itertools.count(1)
