"""What may be asked: the request bodies as types.

Law: these types are the only description of what is accepted; the decoder, the OpenAPI document and the words of a
refusal all come from them. A
field that is not here is refused by name.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from quorate.node.http.names import ErrorName, HandlerName, IdText, Key, LabelValue, Ref, Word
from quorate.scheduling.handler import TIMEOUT_MAX_S

MAX_TIMEOUT_S = round(TIMEOUT_MAX_S)
MAX_WAIT_S = 3600
MAX_LABELS = 64

Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a zone, e.g. 2026-11-20T18:00:00Z")]
AttemptSeconds = Annotated[
    float, Meta(ge=0, le=MAX_TIMEOUT_S, description=f"seconds per attempt, at most {MAX_TIMEOUT_S}; 0 for none")
]
WaitSeconds = Annotated[float, Meta(ge=0, le=MAX_WAIT_S, description=f"seconds, at most {MAX_WAIT_S}")]


class RetryAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an attempt that failed with a handler error is tried again."""

    max: Annotated[int, Meta(ge=0, le=1_000, description="retries after handler errors, 0 to 1,000")] = 0
    schedule: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=MAX_TIMEOUT_S)], ...],
        Meta(
            max_length=100,
            description=f"delays in seconds, row n before retry n, the last repeats; at most 100, 0 to {MAX_TIMEOUT_S}",
        ),
    ] = ()
    on: Annotated[
        tuple[ErrorName, ...], Meta(max_length=50, description="names of error types that are retried; none: all")
    ] = ()


class TaskAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One task to be run."""

    handler: HandlerName
    args: Annotated[
        dict[str, Any] | list[Any],
        Meta(
            description="keywords (object) or positions (array); "
            '{"$result": "<ref or id>", "path": "a.b"} stands for the result of a task named in `after`'
        ),
    ] = {}
    key: Key | None = None
    """Idempotency key: asked again with the same contents, the first task is the answer; with others, 422."""
    namespace: Word = "default"
    queue: Word = "default"
    priority: Annotated[
        int, Meta(ge=-100, le=100, description="a whole number from -100 to 100; higher goes first")
    ] = 0
    deadline: Moment | None = None
    not_before: Moment | None = None
    timeout: AttemptSeconds | None = None
    """None: the cluster's default."""
    held: Annotated[bool, Meta(description="wait until POST /v1/tasks/{id}/ready")] = False
    after: Annotated[
        tuple[Ref, ...],
        Meta(max_length=10_000, description="ids of tasks, or refs of this request, that must end first"),
    ] = ()
    ref: Ref | None = None
    """A name by which others of the same request may say `after`."""
    retry: RetryAsked | None = None
    labels: Annotated[
        dict[Word, LabelValue], Meta(max_length=MAX_LABELS, description=f"at most {MAX_LABELS} names with texts")
    ] = {}
    on_dependency_failure: Annotated[
        Literal["fail", "run"], Meta(description="what a failed or cancelled dependency does to this task")
    ] = "fail"
    allow_unknown_handler: Annotated[bool, Meta(description="accept a handler that no peer has ever registered")] = (
        False
    )


class TasksAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many tasks, all or none."""

    tasks: Annotated[list[TaskAsked], Meta(min_length=1)]


class WaitAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tasks whose ends are awaited on one connection."""

    ids: Annotated[list[IdText], Meta(min_length=1)]
    wait: WaitSeconds = 30.0


class ReadyAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    not_before: Moment | None = None


class CancelAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500, description="at most 500 characters, shown with the task")] = ""


class NothingAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call without contents."""


NOT_BUILT_FIELDS = frozenset({"on_failure", "compensate", "requires", "where", "strategy", "preset"})
"""Fields of a task object that stand in the contract for later."""
