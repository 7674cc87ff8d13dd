"""What a checker is.

Law: a checker knows nothing of how peers work. It looks at what they did, said and flushed, and compares.
"""

from enum import Enum
from typing import Protocol

from quorate.netsim.machine import Machine


class Looks(Enum):
    """Which steps a checker has to see: those after nothing it looks at has changed are spared."""

    EVERY_STEP = "every step"
    NOW_AND_THEN = "a few times a virtual second"
    CHANGES = "role, term, commit index or state of the peer changed"
    STORY = "the cluster's story went on"
    END = "only the end"


class Checker(Protocol):
    name: str
    """As in tables, reports and `Violation.check`."""
    looks: Looks

    def step(self, machine: Machine) -> None:
        """After a step of a peer. Raises Violation."""

    def end(self) -> None:
        """When all has settled. Raises Violation."""
