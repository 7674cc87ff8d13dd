"""A submitted task of a simulated cluster: the names of `quorate.Handle`, in virtual time.

Law: waiting lets the world go on, up to a limit; nothing waits in real time.
"""

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from quorate.errors import Conflict, TaskCancelled, TaskFailed
from quorate.protocol.told import TaskInfo
from quorate.scheduling.task import State, TaskId

if TYPE_CHECKING:
    from quorate.testing.cluster import Cluster

R = TypeVar("R")

WITHIN_S = 60.0


class Handle(Generic[R]):
    __slots__ = ("_cluster", "id", "key")

    def __init__(self, cluster: "Cluster", task: TaskId, key: str) -> None:
        self.id = task
        self.key = key
        """The idempotency key it was submitted under."""
        self._cluster = cluster

    def result(self, timeout: float = WITHIN_S) -> R:
        """The result, once the task has ended; `timeout` in virtual seconds. Raises TaskFailed, TaskCancelled,
        TimeoutError."""
        ended = self._ended(timeout)
        if failure := ended.failure():
            raise failure
        return cast(R, ended.result)

    def exception(self, timeout: float = WITHIN_S) -> TaskFailed | TaskCancelled | None:
        """What `result` would raise of the task's own; None if it succeeded. Raises TimeoutError."""
        return self._ended(timeout).failure()

    def done(self) -> bool:
        """Whether it has ended; no time passes."""
        return self.info().has_ended

    @property
    def state(self) -> State:
        return self.info().state

    def info(self) -> TaskInfo:
        """As the best informed running peer knows it; no time passes. Raises NotFound."""
        return self._cluster.info(self.id)

    def cancel(self, reason: str = "") -> bool:
        """Whether it is cancelled now; False if it ended before."""
        try:
            self._cluster.cancel(self.id, reason)
        except Conflict:
            return False
        return True

    def _ended(self, timeout: float) -> TaskInfo:
        if not self._cluster.wait(self.id, timeout):
            told = self.info()
            where = f"it is {told.state}" + (f" ({told.reason})" if told.reason else "")
            on = f", attempt {told.attempt} on {told.peer}" if told.peer else ""
            raise TimeoutError(f"task {self.id} has not ended within {timeout:g} virtual seconds: {where}{on}")
        return self.info()

    def __repr__(self) -> str:
        return f"<handle of task {self.id}>"
