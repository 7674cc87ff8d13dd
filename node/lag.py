"""How late the loop is: the one figure that says whether handlers starve the peer.

Law: measured by the loop's own clock against what was asked, all the time, at the cost of ten timers a second.
"""

import asyncio
from collections import deque

PROBE_S = 0.1


class LoopLag:
    """`window_s`: how far back `recent_ms` looks."""

    def __init__(self, window_s: float) -> None:
        self._late_ms: deque[float] = deque(maxlen=max(1, round(window_s / PROBE_S)))
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PROBE_S

        def ring() -> None:
            self._late_ms.append(max(0.0, (loop.time() - due) * 1000))
            self.start(loop)

        self._timer = loop.call_at(due, ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def recent_ms(self) -> float:
        """The latest that the loop was within the window; 0 before the first probe."""
        return max(self._late_ms, default=0.0)
