"""Tasks that an attempt asks for: checked when asked, sent with its success.

Law: what is staged is valid in form and size, or refused to the handler at once with the field named. Ids derive from
(task, fence, sequence): the same attempt told twice asks for the same tasks. A staged task belongs to its submitter's
principal, as the attempt does.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from quorate.scheduling.handler import NAME_FORM, NAME_FORM_IN_WORDS, PRIORITY_LIMIT, TIMEOUT_MAX_S
from quorate.scheduling.task import Attempt, NewTask, Retry, TaskId

STAGED_MAX = 10_000
"""Tasks one attempt may stage: as many as one request may submit atomically."""
STAGED_MAX_BYTES = 4 * 1024 * 1024
"""All their arguments and labels together: the limit of one request too."""
ARGS_MAX_BYTES = 256 * 1024
LABELS_MAX = 64
TEXT_MAX = 256

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARACTERS = 10
_ID_FORM = re.compile(rf"[0-7][{_CROCKFORD}]{{25}}")


class StagingRefused(ValueError):
    """A task cannot be submitted as asked. `field`: which part of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


@runtime_checkable
class Asking(Protocol):
    """What knows how to ask for a task: a function under `@quorate.task`, perhaps with options."""

    def request(self, *args: Any, **kwargs: Any) -> dict[str, Any]: ...


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of a task object that may be staged."""

    handler: str
    args: dict[str, Any] | list[Any] = {}
    key: str = ""
    namespace: str | None = None
    queue: str = "default"
    priority: int = 0
    not_before: datetime | None = None
    deadline: datetime | None = None
    timeout: float = 300.0
    held: bool = False
    after: tuple[str, ...] = ()
    run_after_failure: bool = False
    retry: Retry | None = None
    labels: dict[str, str] | None = None


class Staging:
    """What one attempt has asked for so far."""

    def __init__(self, attempt: Attempt) -> None:
        self.tasks: list[NewTask] = []
        self._attempt = attempt
        self._size_bytes = 0

    def add(self, handler: str | Asking, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskId:
        """The id of the task to be. Raises StagingRefused; nothing is staged then."""
        if isinstance(handler, str):
            if args and kwargs:
                raise StagingRefused("args", "positions and keywords together cannot be sent; use keywords")
            request: dict[str, Any] = {"handler": handler, "args": list(args) if args else dict(kwargs)}
        else:
            request = handler.request(*args, **kwargs)
        if len(self.tasks) >= STAGED_MAX:
            raise StagingRefused("tasks", f"an attempt may submit {STAGED_MAX} tasks, and has")
        task = self._checked(_asked(request))
        size_bytes = self._size_bytes + len(task.args) + sum(len(k) + len(v) for k, v in (task.labels or {}).items())
        if size_bytes > STAGED_MAX_BYTES:
            raise StagingRefused("tasks", f"what an attempt submits may take {STAGED_MAX_BYTES} bytes together")
        self._size_bytes = size_bytes
        self.tasks.append(task)
        return task.id

    def _checked(self, asked: Asked) -> NewTask:
        if not NAME_FORM.fullmatch(asked.handler):
            raise StagingRefused("handler", f"got {asked.handler!r}, expected {NAME_FORM_IN_WORDS}")
        namespace = self._attempt.namespace if asked.namespace is None else asked.namespace
        for field, word in (("namespace", namespace), ("queue", asked.queue)):
            if not _WORD.fullmatch(word):
                raise StagingRefused(field, f"got {word!r}, expected 1 to 63 letters, digits, `.`, `_` and `-`")
        if abs(asked.priority) > PRIORITY_LIMIT:
            raise StagingRefused("priority", f"got {asked.priority}, expected -100 to 100")
        if not (math.isfinite(asked.timeout) and 0 <= asked.timeout <= TIMEOUT_MAX_S):
            raise StagingRefused("timeout", f"got {asked.timeout}, expected seconds, or 0 for none")
        if len(asked.key) > TEXT_MAX:
            raise StagingRefused("key", f"{len(asked.key)} characters, at most {TEXT_MAX}")
        for after in asked.after:
            if not _ID_FORM.fullmatch(after):
                raise StagingRefused("after", f"got {after!r}, expected the id of a task (`handle.id`)")
        _check_labels(asked.labels)
        args = msgspec.json.encode(asked.args)
        if len(args) > ARGS_MAX_BYTES:
            raise StagingRefused(
                "args", f"{len(args)} bytes as JSON, at most {ARGS_MAX_BYTES}: pass a reference instead"
            )
        return NewTask(
            id=self._next_id(),
            handler=asked.handler,
            args=args,
            namespace=namespace,
            queue=asked.queue,
            priority=asked.priority,
            key=asked.key,
            digest=hashlib.blake2b(msgspec.msgpack.encode(asked, order="deterministic"), digest_size=16).digest(),
            held=asked.held,
            not_before_ms=_wall_ms("not_before", asked.not_before),
            deadline_ms=_wall_ms("deadline", asked.deadline),
            timeout_ms=round(asked.timeout * 1000),
            after=tuple(TaskId(after) for after in asked.after),
            run_after_failure=asked.run_after_failure,
            retry=asked.retry,
            labels=asked.labels,
            principal=self._attempt.principal,
            trace=self._attempt.trace,
        )

    def _next_id(self) -> TaskId:
        return staged_id(self._attempt.task, self._attempt.fence, len(self.tasks))


def staged_id(task: TaskId, fence: int, sequence: int) -> TaskId:
    """A ULID with the time part of its parent and 80 bits of blake2b over (task, fence, sequence)."""
    digest = hashlib.blake2b(f"{task}/{fence}/{sequence}".encode(), digest_size=10, person=b"quorate-staged").digest()
    number = int.from_bytes(digest)
    return TaskId(task[:_TIME_CHARACTERS] + "".join(_CROCKFORD[number >> shift & 31] for shift in range(75, -1, -5)))


def _asked(request: dict[str, Any]) -> Asked:
    try:
        # Through JSON, so that what is staged is what any other client could have sent.
        return msgspec.json.decode(msgspec.json.encode(request), type=Asked)
    except msgspec.ValidationError as error:
        raise StagingRefused(_field_of(str(error), request), str(error)) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StagingRefused("args", f"not JSON: {error}") from error


def _field_of(problem: str, request: Iterable[str]) -> str:
    """msgspec names the place as `$.field...`, or an unknown field as `...unknown field `x``."""
    found = re.search(r"\$\.(\w+)", problem) or re.search(r"field `(\w+)`", problem)
    return found.group(1) if found else ", ".join(request)


def _wall_ms(field: str, at: datetime | None) -> int:
    if at is None:
        return 0
    if at.tzinfo is None:
        raise StagingRefused(field, f"got {at.isoformat()} without a time zone, expected RFC 3339")
    if at.timestamp() <= 0:
        raise StagingRefused(field, f"got {at.isoformat()}, expected a time after 1970")
    return round(at.timestamp() * 1000)


def _check_labels(labels: dict[str, str] | None) -> None:
    if labels is None:
        return
    if len(labels) > LABELS_MAX:
        raise StagingRefused("labels", f"{len(labels)} labels, at most {LABELS_MAX}")
    for label in (*labels, *labels.values()):
        if len(label) > TEXT_MAX:
            raise StagingRefused("labels", f"{label[:20]!r}... has {len(label)} characters, at most {TEXT_MAX}")
