"""What can go wrong for whoever uses a cluster, as exceptions.

Law: an exception says whose fault it is and whether asking again helps. `Refused`: surely nothing was done. `Unknown`:
it may have been done, and repeating it under the same key is safe. `CannotConnect`: nobody answered, surely nothing was
done. `TaskFailed` and `TaskCancelled` speak of the awaited task, not of the request.
"""

from collections.abc import Mapping
from typing import Any


class QuorateError(Exception):
    """Base of all errors of this package."""


class Refused(QuorateError):
    """Surely not done.

    `status`: of HTTP. `kind`: the reason as one word. `field`: where in the request, "" if nowhere in particular.
    `problem`: the body of the answer (RFC 9457). `retry_after_s`: > 0 where the same request may soon succeed.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float = 0.0) -> None:
        self.status = status
        self.problem = dict(problem)
        self.retry_after_s = retry_after_s
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        self.field = str(problem.get("field", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        super().__init__(f"{self.field}: {self.detail}" if self.field else self.detail)


class NotFound(Refused):
    """There is no such task (404)."""


class Conflict(Refused):
    """The state of things forbids it (409): the task has ended, or is in another state."""


class NoQuorum(Refused):
    """No peer that answered reaches a majority, or none takes requests now (503)."""


class Unknown(QuorateError):
    """It may have been done or not: no answer came within the deadline. Repeating it under the same key is safe."""


class CannotConnect(QuorateError):
    """No peer could be reached, or none answered a question that changes nothing."""


class TaskFailed(QuorateError):
    """The awaited task failed.

    `type`, `message`, `code`, `traceback`: of its last attempt's error, as the handler's peer told them.
    """

    def __init__(self, task: str, error: Mapping[str, str]) -> None:
        self.task = task
        self.type = error.get("type", "")
        self.message = error.get("message", "")
        self.code = error.get("code", "")
        self.traceback = error.get("traceback", "")
        super().__init__(f"task {task} failed: {self.type}: {self.message}")


class TaskCancelled(QuorateError):
    """The awaited task was cancelled."""

    def __init__(self, task: str, reason: str) -> None:
        self.task = task
        self.reason = reason
        super().__init__(f"task {task} was cancelled" + (f": {reason}" if reason else ""))


def refusal(status: int, problem: Mapping[str, Any], retry_after_s: float = 0.0) -> Refused:
    """The exception for an answer that surely did nothing."""
    return _BY_STATUS.get(status, Refused)(status, problem, retry_after_s)


_BY_STATUS: dict[int, type[Refused]] = {404: NotFound, 409: Conflict, 503: NoQuorum}
