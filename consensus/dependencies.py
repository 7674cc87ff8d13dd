"""Dependencies that have ended: what only history knows, put into the operation as data.

Law: `apply` never reads history; who submits looks, and says how far it could see.
"""

from collections.abc import Sequence
from typing import Protocol

from quorate.consensus.commands import Found
from quorate.consensus.machine import Machine
from quorate.scheduling.task import NewTask, Task, TaskId


class Looking(Protocol):
    machine: Machine

    def find(self, task: TaskId) -> Task | None: ...


def ended_dependencies(peer: Looking, tasks: Sequence[NewTask]) -> tuple[tuple[Found, ...], str]:
    """What is known of each dependency that is neither live nor one of `tasks`; and the first one that does not exist
    ("" if all do)."""
    own = {task.id for task in tasks}
    return look_up(peer, [d for task in tasks for d in task.after if d not in own])


def look_up(peer: Looking, dependencies: Sequence[TaskId]) -> tuple[tuple[Found, ...], str]:
    """As `ended_dependencies`, for ids."""
    found: dict[TaskId, Found] = {}
    missing = ""
    for dependency in dependencies:
        if dependency in found or dependency in peer.machine.tasks:
            continue
        ended = peer.find(dependency)
        if ended is None:
            missing = missing or dependency
        else:
            found[dependency] = Found(dependency, ended.state, ended.result)
    return tuple(found.values()), missing
