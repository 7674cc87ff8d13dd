"""Fault points in a world: counted, and where a kill is armed, carried out.

Laws:
- Every point of the code and every operation of a disk is counted by name; one that a soak never reaches is a failure.
- A kill armed at a point strikes there once: `Killed` unwinds the peer, and nothing of its stack runs on.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from quorate.consensus.points import POINTS
from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write

DISK_POINTS: Mapping[type[DiskOp], str] = {
    Create: "disk.create",
    Write: "disk.write",
    Sync: "disk.sync",
    Rename: "disk.rename",
    Remove: "disk.remove",
}
"""Reached before the operation happens: dying there, the operations before it have happened and it has not."""

ALL_POINTS = frozenset(POINTS) | frozenset(DISK_POINTS.values())


class Killed(BaseException):
    """The process died at `point`. Only the world catches it: no `except Exception` of a peer may survive a kill."""

    def __init__(self, peer: str, point: str) -> None:
        super().__init__(f"{peer} was killed at {point}")
        self.peer = peer
        self.point = point


class Armed(Protocol):
    """A machine. `armed`: the point at which its process dies, once; None: at none."""

    id: str
    armed: str | None


class Counting(Protocol):
    """A world. `reached`: how often each point was, on all its machines."""

    reached: Counter[str]


class WorldPoints:
    """`ports.Points` of one running peer, and of its machine's disk."""

    def __init__(self, world: Counting, machine: Armed) -> None:
        self._reached = world.reached
        self._machine = machine

    def reach(self, point: str) -> None:
        self._reached[point] += 1
        if self._machine.armed == point:
            self._machine.armed = None
            raise Killed(self._machine.id, point)

    def executing(self, op: DiskOp) -> None:
        """For a disk, before it carries out `op`."""
        self.reach(DISK_POINTS[type(op)])
