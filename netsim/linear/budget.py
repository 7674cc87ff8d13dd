"""How much a check may cost.

Law: who runs out says so; a verdict that would have needed more is `unknown`, never a guess.
"""

import time

MAX_STEPS = 4_000_000
"""Arrangements that are remembered: some 500 MB."""
BATCH = 256
"""Steps between two looks at the clock."""


class Exhausted(Exception):
    """The budget is spent."""


class Budget:
    """`steps`: arrangements tried. `seconds`: of real time from now on; None: no limit, so that a verdict is the same
    on every machine.
    """

    def __init__(self, steps: int = MAX_STEPS, seconds: float | None = None) -> None:
        self._steps = self._left = steps
        self._seconds = seconds
        self._until = None if seconds is None else time.monotonic() + seconds

    def grant(self) -> int:
        """So many steps, at least one. Raises Exhausted."""
        if self._left <= 0 or (self._until is not None and time.monotonic() >= self._until):
            raise Exhausted
        granted = min(self._left, BATCH)
        self._left -= granted
        return granted

    def renewed(self) -> "Budget":
        """As much as this one had, from now on."""
        return Budget(self._steps, self._seconds)

    def lent(self, steps: int) -> "Budget":
        """At most so many steps, until the same moment; what it spends is not taken from this one."""
        lent = Budget(min(steps, self._left))
        lent._until = self._until
        return lent

    def has_left(self) -> bool:
        return self._left > 0 and (self._until is None or time.monotonic() < self._until)
