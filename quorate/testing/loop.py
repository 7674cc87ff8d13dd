"""The event loop of an `async def` handler in a simulated cluster.

Laws:
- Its time is the virtual one: `asyncio.sleep`, timeouts and timers pass with the world.
- Every turn is a touch, so that the handler can be killed there and a loop that only spins takes virtual time.
- `run_in_executor` and `asyncio.to_thread` run the function there and then: nothing runs beside the world.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from quorate.consensus.ports import Clock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Pause = Callable[[float | None], None]
"""Parks the handler for so many virtual seconds (None: until somebody wakes it)."""
Events = list[tuple[selectors.SelectorKey, int]]


class _PausingSelector(selectors.DefaultSelector):
    """Looks at real files without waiting; what would be waited for is virtual."""

    def __init__(self, pause: Pause) -> None:
        super().__init__()
        self._pause = pause

    def select(self, timeout: float | None = None) -> Events:
        ready = super().select(0)
        if not ready:
            self._pause(timeout)
            ready = super().select(0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock, pause: Pause) -> None:
        super().__init__(_PausingSelector(pause))
        self._clock = clock

    def time(self) -> float:
        return self._clock.monotonic()

    def run_in_executor(
        self,
        executor: Any,  # noqa: ARG002 - there is none to run it in
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        # Whatever the function raises is the awaiting code's.
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future
