"""Quorate: a peer-to-peer consensus cluster that coordinates tasks with no central coordinator.

Law: this package is what users import and type. It promises the names of its public surface and hides where they
live. Importing it costs no consensus engine, no event loop and no socket: whoever only submits tasks pays for a
client, and `Peer`, which brings the whole engine, is loaded when it is first asked for. `quorate.cli` stands on top
of everything and is imported by nothing.
"""

from typing import TYPE_CHECKING, Any

from quorate.errors import (
    CannotConnect,
    Conflict,
    NoQuorum,
    NotFound,
    QuorateError,
    Refused,
    TaskCancelled,
    TaskFailed,
    Unknown,
)
from quorate.scheduling.task import Retry, State
from quorate.tasks import TaskFunction, task

if TYPE_CHECKING:
    from quorate.aio import AsyncClient, AsyncHandle
    from quorate.client import Client
    from quorate.context import Context, current
    from quorate.executor import Executor
    from quorate.handle import Handle, as_completed, gather
    from quorate.node.embedded import Peer
    from quorate.protocol.told import Event, TaskInfo

__all__ = [
    "AsyncClient",
    "AsyncHandle",
    "CannotConnect",
    "Client",
    "Conflict",
    "Context",
    "Event",
    "Executor",
    "Handle",
    "NoQuorum",
    "NotFound",
    "Peer",
    "QuorateError",
    "Refused",
    "Retry",
    "State",
    "TaskCancelled",
    "TaskFailed",
    "TaskFunction",
    "TaskInfo",
    "Unknown",
    "as_completed",
    "current",
    "gather",
    "task",
]

_LOADED_WHEN_ASKED_FOR = {
    "AsyncClient": "quorate.aio",
    "AsyncHandle": "quorate.aio",
    "Client": "quorate.client",
    "Context": "quorate.context",
    "Event": "quorate.protocol.told",
    "Executor": "quorate.executor",
    "Handle": "quorate.handle",
    "Peer": "quorate.node.embedded",
    "TaskInfo": "quorate.protocol.told",
    "as_completed": "quorate.handle",
    "current": "quorate.context",
    "gather": "quorate.handle",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_WHEN_ASKED_FOR:
        raise AttributeError(f"module 'quorate' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LOADED_WHEN_ASKED_FOR[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
