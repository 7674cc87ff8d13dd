"""What only history knows of a submission: used keys and ended dependencies, put into the operation as data.

Law: `apply` never reads history; who submits looks, and says how far it could see.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from quorate.consensus.commands import Found, Refused
from quorate.consensus.machine import Machine
from quorate.consensus.ports import Ports
from quorate.scheduling.task import NewTask, Task, TaskId


class Looking(Protocol):
    machine: Machine
    ports: Ports

    def find(self, task: TaskId) -> Task | None: ...


class LookedUp(NamedTuple):
    """A submission beside what has ended."""

    fresh: tuple[NewTask, ...]
    """The tasks that repeat no ended one."""
    repeated: dict[TaskId, TaskId]
    """For each that does, the id of the first."""
    found: tuple[Found, ...]
    missing: str
    """The first dependency that this replica knows nothing of; "" if there is none."""


def look_up_submission(peer: Looking, tasks: Sequence[NewTask]) -> LookedUp | Refused:
    """Refused: a key was used for other contents."""
    repeated: dict[TaskId, TaskId] = {}
    for task in tasks:
        first = _used_before(peer, task)
        if first is None:
            continue
        if first.digest != task.digest:
            detail = f"the key {task.key!r} was used for task {first.id} with other contents"
            return Refused("key_reused", detail, "key")
        repeated[task.id] = first.id
    fresh = tuple(_renamed(task, repeated) for task in tasks if task.id not in repeated)
    own = {task.id for task in fresh}
    found, missing = look_up_ended(peer, [d for task in fresh for d in task.after if d not in own])
    return LookedUp(fresh, repeated, found, missing)


def look_up_ended(peer: Looking, dependencies: Sequence[TaskId]) -> tuple[tuple[Found, ...], str]:
    """What is known of each that is not live; and the first one that does not exist ("" if all do)."""
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


def _used_before(peer: Looking, task: NewTask) -> Task | None:
    """The ended task of that key, if only history still knows it; while the state knows the key it decides itself."""
    if not task.key or peer.machine.by_key(task.namespace, task.key) is not None:
        return None
    found = peer.ports.history.find_key(task.namespace, task.key)
    return None if found is None else peer.find(found.id)


def _renamed(task: NewTask, repeated: dict[TaskId, TaskId]) -> NewTask:
    """What names a task of the same request that turned out to be a repetition names the first one instead: in `after`,
    and where `$result` stands for it in `args`. Ids are equally long, and found nowhere by chance.
    """
    args, named = task.args, [dependency for dependency in task.after if dependency in repeated]
    if not named:
        return task
    for dependency in named:
        args = args.replace(dependency.encode(), repeated[dependency].encode())
    return msgspec.structs.replace(task, args=args, after=tuple(repeated.get(d, d) for d in task.after))
