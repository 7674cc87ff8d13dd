"""Ways to submit to a simulated cluster, with the types of the handlers.

Law: the same words as `quorate.Client`, so that what a test says a program can say too.
"""

from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

from quorate.protocol.asked import Asks, Function, TaskOptions, task_object
from quorate.testing.handle import Handle

if TYPE_CHECKING:
    from quorate.testing.cluster import Cluster

P = ParamSpec("P")
R = TypeVar("R")


class Submitter:
    """Under the same options, through the same peer (None: any)."""

    def __init__(self, cluster: "Cluster", options: TaskOptions, via: str | None) -> None:
        self._cluster = cluster
        self._options = options
        self._via = via

    def options(self, **options: Unpack[TaskOptions]) -> "Submitter":
        """`cluster.options(key="o-1", after=[first]).submit(...)`: how the tasks submitted through it are to be run."""
        return Submitter(self._cluster, {**self._options, **options}, self._via)

    def via(self, peer: str) -> "Submitter":
        """Ask this peer and no other."""
        return Submitter(self._cluster, self._options, peer)

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
        """A task for a handler; time passes until a majority has it on disk.

        Raises Refused (with the field), NoQuorum, CannotConnect or Unknown; TypeError if the arguments do not fit.
        """
        return self.submit_many([task_object(handler, args, kwargs, self._options)])[0]

    def submit_many(self, tasks: Iterable[Mapping[str, Any]]) -> list[Handle[Any]]:
        """Task objects (`charge.request("o-1", 999)` makes one), all or none. Raises as `submit`."""
        return self._cluster.submit_tasks(tasks, self._via)
