"""The loop that steps one peer in real time.

Law: however many inputs arrive in one turn of the loop, the peer is stepped once after them; and never later than it
asked to be.
"""

import asyncio
from collections.abc import Callable

from quorate.consensus.peer import Peer

SHORTEST_NAP_S = 0.0005
"""A peer that asks to be stepped at once has had its step; anything sooner would only heat the machine."""


class Shell:
    """`wake()` after every input. `failed(error)` is called once if a step raises: a bug of ours, and fatal to the
    peer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: Peer, failed: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._peer = peer
        self._failed = failed
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._stopped = False

    def wake(self) -> None:
        if not self._planned and not self._stopped:
            self._planned = True
            self._loop.call_soon(self._step)

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        self._planned = False
        if self._stopped:
            return
        try:
            self._peer.step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the state of this peer can no longer be trusted
            self.stop()
            self._failed(error)
            return
        self._plan(self._peer.wake_at())

    def _plan(self, wake_at: float) -> None:
        """A timer that fires too early is harmless (one more step), so it is moved only when it would fire too late."""
        if wake_at >= self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if wake_at == float("inf"):
            self._timer = None
            self._timer_at = wake_at
            return
        nap_s = max(SHORTEST_NAP_S, wake_at - self._peer.now())
        self._timer_at = wake_at
        self._timer = self._loop.call_later(nap_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        self.wake()
