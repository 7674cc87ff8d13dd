"""The places in the code where a process may die with consequences.

Law: every point is named here and reached by a call of `Points.reach` with that name; in production the call does
nothing, in a simulated world it counts and may end the process on the spot.
"""

from typing import Protocol


class Points(Protocol):
    def reach(self, point: str) -> None:
        """May never return: the process died here."""


class Unwatched:
    """Production: nothing happens at a point."""

    def reach(self, point: str) -> None:
        """Nothing."""


UNWATCHED = Unwatched()
