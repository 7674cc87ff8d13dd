"""An event loop in a thread of its own, for programs that have none.

Law: the thread is a daemon that starts with the first call and ends with its owner, at the latest with the process; a
forked child, which inherits no threads, starts its own.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STOP_S = 2.0


class LoopThread:
    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Blocks until it is done. An interrupt of the caller (Ctrl-C) cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(
                "a blocking call was made from within the client's own event loop; use AsyncClient there"
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], None]) -> None:
        """In the loop, as soon as it has a turn; does not wait for it."""
        self._loop.call_soon_threadsafe(function)

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `last` and end. Called again, it does nothing."""
        if self._loop.is_closed() or not self._thread.is_alive():
            return
        closing = asyncio.run_coroutine_threadsafe(last(), self._loop)
        closing.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        if threading.current_thread() is not self._thread:  # a garbage collection may run this anywhere
            self._thread.join(STOP_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
