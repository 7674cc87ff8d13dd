"""A handler's thread in lockstep with the world.

Laws:
- Of the world's thread and all strands exactly one runs at any time: who passes the baton waits until it comes back.
- A strand stops only where its handler touches the context or something outside (`park`). There it can be killed: its
  thread is unwound, and from then on every such touch unwinds again.
- A strand that does not come back within a limit of real time is an error that says where it stands.
"""

import ctypes
import sys
import threading
import traceback
from collections.abc import Callable

PATIENCE_S = 10.0
"""Real seconds a handler may compute between two touches."""
AFTER_A_STOP_S = 1.0


class PeerDied(BaseException):
    """Unwinds a handler whose peer was killed. Nobody is meant to catch it; `finally` runs, which a real kill -9 does
    not grant."""


class HandlerStuck(AssertionError):
    """A handler computes on and on without touching its context, or waits for something real."""


class WrongThread(RuntimeError):
    """The simulated cluster is used from a thread that is not part of it, or in the wrong place of one."""


class Strand:
    """body: runs in a thread of its own, from the first `resume` on."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.ended = False
        self.is_dead = False
        """Its peer was killed."""
        self.is_lost = False
        """It waits for something real and cannot be stopped; its thread is left to itself."""
        self._body = body
        self._patience_s = PATIENCE_S
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        # A daemon, because a handler that never returns must not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    # --- the world's side

    def resume(self) -> None:
        """Let it run until it parks or ends. Raises HandlerStuck."""
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        if not self._back.acquire(timeout=self._patience_s):
            raise HandlerStuck(self._stop())
        if self.ended:
            self._thread.join()

    def kill(self) -> None:
        """Unwind it. Raises HandlerStuck."""
        self.is_dead = True
        if self._thread.ident is not None and not self.ended and not self.is_lost:
            self.resume()

    def _stop(self) -> str:
        """Ends the thread as well as can be, and says where it stood."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        where = "".join(traceback.format_stack(frame)[-4:]) if frame is not None else ""
        self.is_dead = True
        # Reaches code that computes; what waits inside a system call sees it when the call returns.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(PeerDied))
        if self._back.acquire(timeout=AFTER_A_STOP_S):
            self._thread.join()
        else:
            self.is_lost = True
        return (
            f"{self._thread.name} ran for {self._patience_s:g} real seconds without touching its context: in a"
            f" simulated cluster time passes only in quorate.current() and cluster.outside(...), so use"
            f" `quorate.current().sleep(...)` instead of `time.sleep(...)`, and fakes instead of real I/O. It stood"
            f" here:\n{where}"
        )

    # --- the handler's side

    def park(self) -> None:
        """Give the baton back until `resume`. Raises PeerDied, WrongThread."""
        self.check_thread()
        if self.is_dead:
            raise PeerDied
        self._back.release()
        self._go.acquire()
        if self.is_dead:
            raise PeerDied

    def check_thread(self) -> None:
        """Raises WrongThread."""
        if threading.get_ident() != self._thread.ident:
            raise WrongThread(
                f"the context of {self._thread.name} was used by another thread ({threading.current_thread().name}):"
                " threads that handlers start run beside virtual time, so in a simulated cluster they may not use it"
            )

    def _run(self) -> None:
        try:
            self._body()
        except PeerDied:
            return
        finally:
            self.ended = True
            self._back.release()
