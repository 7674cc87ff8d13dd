"""Virtual time, and each peer's own view of it.

Law: nothing in the simulated world reads a real clock. A peer's monotonic clock may run at another rate than the
world's, its wall clock may also jump.
"""

import random
from collections.abc import Callable
from typing import Any

WALL_START_MS = 1_750_000_000_000
"""Where the wall clocks of a world begin: any fixed moment serves."""


class VirtualClock:
    """`ports.Clock` of one peer over the world's time `now`."""

    def __init__(self, world: "Ticking", rate: float = 1.0, wall_offset_ms: int = 0) -> None:
        self._world = world
        self._rate = rate
        self._from_world = 0.0
        self._from_own = 0.0
        self.wall_offset_ms = wall_offset_ms

    @property
    def rate(self) -> float:
        return self._rate

    def set_rate(self, rate: float) -> None:
        """From now on; the clock does not step."""
        self._from_own = self.monotonic()
        self._from_world = self._world.now
        self._rate = rate

    def monotonic(self) -> float:
        return self._from_own + (self._world.now - self._from_world) * self._rate

    def wall_ms(self) -> int:
        return WALL_START_MS + self.wall_offset_ms + int(self.monotonic() * 1000)

    def world_time(self, monotonic: float) -> float:
        """The world's second at which this clock shows `monotonic`."""
        return self._from_world + (monotonic - self._from_own) / self._rate


class Ticking:
    """What a clock needs of its world."""

    now: float = 0.0


class SeededEntropy:
    """`ports.Entropy` from one named stream of the world's seed."""

    random: Callable[[], float]
    getrandbits: Callable[[int], int]

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def __getattr__(self, name: str) -> Any:
        """With the first draw: most streams have a name and are never drawn from."""
        if name not in ("random", "getrandbits"):
            raise AttributeError(name)
        stream = random.Random(self._seed)
        self.random, self.getrandbits = stream.random, stream.getrandbits
        return vars(self)[name]

    def below(self, n: int) -> int:
        """An even draw of 0 to n - 1."""
        return int(self.random() * n)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def share(self, p: float) -> bool:
        """True with probability `p`."""
        return self.random() < p
