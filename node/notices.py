"""What a running handler can be told: that its task was cancelled, that its peer can no longer vouch for it.

Law: told once, by the loop thread, seen by any thread, never taken back. Telling never blocks.
"""

import threading
from collections.abc import Callable


class Bell:
    """Wakes whoever waits on the notices of one attempt; costs one lock until somebody waits."""

    __slots__ = ("_condition", "_listener", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._condition: threading.Condition | None = None
        self._listener: Callable[[], None] | None = None

    def ring(self) -> None:
        """With `lock` held."""
        if self._condition is not None:
            self._condition.notify_all()
        if self._listener is not None:
            self._listener()

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float | None) -> bool:
        with self.lock:
            if self._condition is None:
                self._condition = threading.Condition(self.lock)
            return self._condition.wait_for(predicate, timeout_s)

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener` is called at each ring, under the lock and on the teller's thread: it may neither block nor
        tell."""
        with self.lock:
            self._listener = listener

    def unlisten(self) -> None:
        """When this returns the listener is not running and will not be called again."""
        with self.lock:
            self._listener = None


class Notice:
    """Reads like an event: false until told. `reason`: a stable word (`cancelled`, `timeout`, `draining`, `lost`), ""
    until told."""

    __slots__ = ("_bell", "reason")

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self.reason = ""

    def __bool__(self) -> bool:
        return self.reason != ""

    def is_set(self) -> bool:
        return self.reason != ""

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks for up to `timeout` seconds (None: for ever); whether it was told."""
        return self._bell.wait_until(self.is_set, timeout)

    def tell(self, reason: str) -> None:
        """The first reason stays."""
        with self._bell.lock:
            if self.reason:
                return
            self.reason = reason
            self._bell.ring()
