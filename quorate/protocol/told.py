"""What a cluster tells back, as types.

Law: read tolerantly. A field that a newer peer adds is passed over, one that an older peer leaves out has its empty
value.
"""

from datetime import datetime
from typing import Any

import msgspec

from quorate.errors import NotFound, TaskCancelled, TaskFailed
from quorate.scheduling.task import ENDED, State


class TaskInfo(msgspec.Struct, frozen=True):
    """A task as a peer told it. Times have a zone, None for what has not happened; `timeout` in seconds, 0 for none."""

    id: str
    state: State
    reason: str | None = None
    handler: str = ""
    args: Any = None
    namespace: str = "default"
    queue: str = "default"
    priority: int = 0
    key: str | None = None
    after: tuple[str, ...] = ()
    on_dependency_failure: str = "fail"
    not_before: datetime | None = None
    deadline: datetime | None = None
    timeout: float = 0.0
    retry: dict[str, Any] | None = None
    labels: dict[str, str] = {}
    attempt: int = 0
    fence: int = 0
    peer: str | None = None
    result: Any = None
    error: dict[str, str] | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    principal: str = ""

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def failure(self) -> TaskFailed | TaskCancelled | None:
        """What an ended task that did not succeed raises; None if it succeeded or has not ended."""
        if self.state is State.FAILED:
            return TaskFailed(self.id, self.error or {})
        if self.state is State.CANCELLED:
            return TaskCancelled(self.id, self.reason or "")
        return None


class Page(msgspec.Struct, frozen=True):
    tasks: list[TaskInfo]
    cursor: str | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of the stream.

    id: `index.n`, equal on all peers; "" for what was not replicated (a gap). kind: what happened.
    """

    id: str
    kind: str
    data: Any


class _Tasks(msgspec.Struct):
    tasks: list[TaskInfo]


class Line(msgspec.Struct):
    """The result of one line of a streamed submission."""

    status: int
    id: str = ""
    """Of the accepted task; "" if it was refused."""
    detail: str = ""
    title: str = ""
    type: str = ""
    field: str = ""

    def problem(self, number: int) -> dict[str, Any]:
        """number: of the task, from 0."""
        field = f"tasks[{number}].{self.field}" if self.field else f"tasks[{number}]"
        return {"status": self.status, "type": self.type, "title": self.title, "detail": self.detail, "field": field}


class _Missing(msgspec.Struct):
    id: str
    status: int
    problem: dict[str, Any]


read_task = msgspec.json.Decoder(TaskInfo).decode
read_page = msgspec.json.Decoder(Page).decode
read_json = msgspec.json.Decoder().decode
_read_tasks = msgspec.json.Decoder(_Tasks).decode
_read_missing = msgspec.json.Decoder(_Missing).decode
_read_line = msgspec.json.Decoder(Line).decode


def read_end(line: bytes) -> "TaskInfo | NotFound":
    """A line of `POST /v1/tasks/wait`."""
    try:
        return read_task(line)
    except msgspec.ValidationError:
        missing = _read_missing(line)
        return NotFound(missing.status, {"task": missing.id, **missing.problem})


def read_tasks(body: bytes) -> list[TaskInfo]:
    return _read_tasks(body).tasks


def read_lines(body: bytes) -> list[Line]:
    return [_read_line(line) for line in body.splitlines() if line]
