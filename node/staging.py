"""Tasks that an attempt asks for: checked when asked, sent with its success.

Law: what is staged is valid in form and size, by the same rules as a request over HTTP, or refused to the handler at
once with the field named. Ids derive from (task, sequence): no attempt can stage twice. A staged task belongs to its
submitter's principal and, unless it says otherwise, namespace.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from quorate.scheduling import ulid
from quorate.scheduling.task import Attempt, NewTask, TaskId

STAGED_MAX = 10_000
"""Tasks one attempt may stage: as many as one request may submit atomically."""
STAGED_MAX_BYTES = 4 * 1024 * 1024
"""All of them together, as they go to the log: the limit of one request too."""


class StagingRules(msgspec.Struct, frozen=True):
    """From the cluster file: what a submission over HTTP is held to as well."""

    args_max_bytes: int = 256 * 1024
    attempt_timeout_ms: int = 300_000
    """Of tasks that name none; 0: none."""


BY_CONTRACT = StagingRules()


class StagingRefused(ValueError):
    """A task cannot be submitted as asked. `field`: which part of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field


class Asking(Protocol):
    """What knows how to ask for a task: a function under `@quorate.task`, perhaps with options."""

    def request(self, *args: Any, **kwargs: Any) -> dict[str, Any]: ...


class Staging:
    """What one attempt has asked for so far."""

    def __init__(self, attempt: Attempt, rules: StagingRules) -> None:
        self.tasks: list[NewTask] = []
        self._attempt = attempt
        self._rules = rules
        self._size_bytes = 0
        self._numbers = itertools.count()

    def add(self, handler: str | Asking, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskId:
        """The id of the task to be. Raises StagingRefused; nothing is staged then."""
        if isinstance(handler, str):
            if args and kwargs:
                raise StagingRefused("args", "a task carries positions or keywords, not both; use keywords")
            asked: dict[str, Any] = {"handler": handler, "args": list(args) if args else dict(kwargs)}
        else:
            asked = handler.request(*args, **kwargs)
        if len(self.tasks) >= STAGED_MAX:
            raise StagingRefused("tasks", f"an attempt may submit {STAGED_MAX:,} tasks, and this one has")
        task = self._checked(_as_sent(asked, self._attempt.namespace))
        size_bytes = self._size_bytes + len(msgspec.msgpack.encode(task))
        if size_bytes > STAGED_MAX_BYTES:
            raise StagingRefused("tasks", f"what an attempt submits may take {STAGED_MAX_BYTES:,} bytes together")
        self._size_bytes = size_bytes
        self.tasks.append(task)
        return task.id

    def _checked(self, body: bytes) -> NewTask:
        # Loaded by the first attempt that stages: a peer has it already, and in a child process few handlers need it.
        from quorate.node.http.decode import decode
        from quorate.node.http.model import TaskAsked
        from quorate.node.http.problems import Problem
        from quorate.node.http.submission import Submitted, one

        attempt, rules = self._attempt, self._rules
        by = Submitted(attempt.principal, attempt.trace, rules.attempt_timeout_ms, rules.args_max_bytes)
        try:
            asked = decode(body, TaskAsked)
            if asked.ref is not None:
                raise StagingRefused("ref", "tasks submitted one by one are named by `handle.id`")
            return one(asked, "", by, {}, self._next_id)
        except Problem as problem:
            raise StagingRefused(problem.field, problem.detail) from None

    def _next_id(self) -> TaskId:
        return ulid.derived(self._attempt.task, next(self._numbers))


def _as_sent(asked: dict[str, Any], namespace: str) -> bytes:
    """As any other client would send it. What stands for a task in `after` becomes its id."""
    sent = {"namespace": namespace, **asked}
    if "after" in sent:
        sent["after"] = [getattr(name, "id", name) for name in sent["after"]]
    try:
        return msgspec.json.encode(sent)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StagingRefused("args", f"not JSON: {error}") from error
