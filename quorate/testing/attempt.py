"""One attempt in a simulated cluster: the context its handler sees, and the strand it runs on.

Law: the context is the production class; a clock, a bell and notices of virtual time are all that is put into it. Every
use of it that can wait or change its answer is a touch: the world may go on there.
"""

from collections.abc import Callable
from typing import Any, Protocol

from quorate.consensus.ports import Clock
from quorate.netsim.clock import VirtualClock
from quorate.node.context import Context, StagedHandle
from quorate.node.notices import Bell, Notice
from quorate.node.staging import BY_CONTRACT, Asking
from quorate.scheduling.task import Attempt, Ending
from quorate.testing.loop import VirtualLoop
from quorate.testing.strand import PeerDied, Strand


class Pauses(Protocol):
    """What lets a handler wait."""

    @property
    def peer(self) -> str: ...

    @property
    def clock(self) -> Clock: ...

    def check_may_act(self) -> None:
        """Raises WrongThread, PeerDied."""

    def pause(self, seconds: float | None) -> None:
        """Called on the handler's strand: until so much virtual time has passed, or somebody wakes it."""

    def turn(self, seconds: float | None) -> None:
        """The same for an event loop, which may still turn (but not wait) to unwind its tasks when its peer has
        died."""

    def wake(self) -> None:
        """Called by the world: what it waits for may have come."""


class VirtualBell(Bell):
    """Waits in virtual time."""

    __slots__ = ("_pauses",)

    def __init__(self, pauses: Pauses) -> None:
        super().__init__()
        self._pauses = pauses

    def ring(self) -> None:
        super().ring()
        self._pauses.wake()

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float | None) -> bool:
        clock = self._pauses.clock
        ends_at = float("inf") if timeout_s is None else clock.monotonic() + timeout_s
        self._pauses.pause(0.0)
        while not predicate():
            left_s = ends_at - clock.monotonic()
            if left_s <= 0:
                return False
            self._pauses.pause(None if timeout_s is None else left_s)
        return True


class TouchedNotice(Notice):
    """Looking at it is a touch: a handler that only looks lets time pass."""

    __slots__ = ("_pauses",)

    def __init__(self, bell: Bell, pauses: Pauses) -> None:
        super().__init__(bell)
        self._pauses = pauses

    def __bool__(self) -> bool:
        self._pauses.pause(0.0)
        return self.reason != ""

    def is_set(self) -> bool:
        return bool(self)

    def wait(self, timeout: float | None = None) -> bool:
        return self._bell.wait_until(lambda: self.reason != "", timeout)


class VirtualContext(Context):
    __slots__ = ("_pauses",)

    def __init__(self, attempt: Attempt, pauses: Pauses) -> None:
        super().__init__(attempt, BY_CONTRACT, pauses.clock)
        self._pauses = pauses
        self.bell = VirtualBell(pauses)
        self.cancelled = TouchedNotice(self.bell, pauses)
        self.lost = TouchedNotice(self.bell, pauses)

    @property
    def peer(self) -> str:
        return self._pauses.peer

    def check_may_act(self) -> None:
        """Raises WrongThread, PeerDied."""
        self._pauses.check_may_act()

    def wake(self) -> None:
        """Called by the world: what the handler waits for may have come."""
        self._pauses.wake()

    def new_loop(self) -> VirtualLoop:
        return VirtualLoop(self._pauses.clock, self._pauses.turn)

    def submit(self, handler: str | Asking, /, *args: Any, **kwargs: Any) -> StagedHandle:
        self._pauses.pause(0.0)
        return super().submit(handler, *args, **kwargs)


class Running:
    """peer: where. `strand` runs `body(self)`; `wake_after` and `step_s` are the world's: when to go on, and how long a
    touch takes."""

    def __init__(
        self,
        attempt: Attempt,
        peer: str,
        clock: VirtualClock,
        body: "Callable[[Running], None]",
        wake_after: "Callable[[Running, float], None]",
        step_s: Callable[[], float],
    ) -> None:
        self.attempt = attempt
        self.peer = peer
        self.clock = clock
        self.context = VirtualContext(attempt, self)
        self.strand = Strand(f"handler {attempt.handler} of task {attempt.task} on peer {peer}", lambda: body(self))
        self.has_begun = False
        self.ending: Ending | None = None
        """Set on the strand, when the handler has ended."""
        self.is_reported = False
        """Its ending was told without waiting for it; whatever comes later is discarded."""
        self.waits = 0
        """Numbers its pauses: a wake-up for an older one comes too late."""
        self._wake_after = wake_after
        self._step_s = step_s

    def check_may_act(self) -> None:
        self.strand.check_thread()
        if self.strand.is_dead:
            raise PeerDied

    def pause(self, seconds: float | None) -> None:
        """The least pause is a step, so that nothing spins while time stands still."""
        self.check_may_act()
        self.waits += 1
        if seconds is not None:
            self._wake_after(self, max(seconds, self._step_s()))
        self.strand.park()

    def turn(self, seconds: float | None) -> None:
        if not self.strand.is_dead or seconds is None or seconds > 0:
            self.pause(seconds)

    def wake(self) -> None:
        if self.has_begun and not self.strand.ended:
            self._wake_after(self, 0.0)
