"""Child processes from the peer's side: one per worker thread of the process lane.

Law: a child runs one attempt at a time and can be ended at any moment: its death is an attempt's ending like any other,
and the next attempt gets a fresh child. Only the worker thread reads; whoever tells or kills takes the lock and finds
the attempt still running, or does nothing.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

import quorate
from quorate.node.staging import StagingRules
from quorate.node.workers.run import Run
from quorate.node.workers.wire import Begin, Ended, Hello, Ready, Tell, decode_from_child, frame, read_frame
from quorate.scheduling.task import Ending, Failed, Returned, TaskError

START_WITHIN_S = 60.0
"""Importing the handlers' modules may take long; a child that is not ready by then is killed and the attempt given
back."""


class ChildDied(Exception):
    """The child ended without an answer."""


class Child:
    """One process, ready for attempts."""

    def __init__(self, modules: list[str], result_max_bytes: int, staging: StagingRules) -> None:
        """Starts it and waits until its modules are loaded. Raises OSError, ChildDied."""
        self._lock = threading.Lock()
        self._runs: Run | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "quorate.node.workers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            # Its own group: an interrupt from the keyboard is the peer's to handle, and killing takes what the handler
            # started along.
            start_new_session=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildDied("no pipes")
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        try:
            self._greet(Hello(os.getpid(), sys.path, modules, result_max_bytes, staging))
        except BaseException:
            self.close()
            raise

    def _greet(self, hello: Hello) -> None:
        self._write(frame(hello))
        if not _is_ready(self._from, select.POLLIN, START_WITHIN_S):
            raise ChildDied(f"it was not ready within {START_WITHIN_S:.0f} s")
        answer = read_frame(self._from, decode_from_child)
        if not isinstance(answer, Ready):
            raise ChildDied(f"it did not start: {self._how_it_ended()}")
        if answer.problem:
            raise ChildDied(answer.problem)

    def run(self, run: Run) -> Ending:
        """Raises ChildDied."""
        begin = frame(Begin(run.attempt))
        with self._lock:
            self._runs = run
        run.kill = lambda: self._kill(run)
        run.context.bell.listen(lambda: self._tell(run))
        try:
            if run.is_doomed:
                self._kill(run)
            with self._lock:
                self._write(begin)
            # What was told while the lock was taken for writing.
            self._tell(run)
            answer = read_frame(self._from, decode_from_child)
        except (OSError, msgspec.DecodeError) as error:
            raise ChildDied(str(error)) from error
        finally:
            run.context.bell.unlisten()
            run.kill = None
            with self._lock:
                self._runs = None
        if isinstance(answer, Ended):
            return answer.ending
        raise ChildDied(self._how_it_ended())

    def close(self) -> None:
        """Killed, with everything in its process group."""
        self._kill_group()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _tell(self, run: Run) -> None:
        """From any thread; never blocks. A message this short is written whole or not at all (POSIX: PIPE_BUF), and not
        at all only to a child so stuck that nothing but killing helps."""
        context = run.context
        if not context.told_to_stop or not self._lock.acquire(blocking=False):
            return
        try:
            if self._runs is run:
                os.write(self._to, frame(Tell(context.fence, context.cancelled.reason, context.lost.reason)))
        except OSError:
            return
        finally:
            self._lock.release()

    def _kill(self, run: Run) -> None:
        with self._lock:
            if self._runs is run:
                self._kill_group()

    def _kill_group(self) -> None:
        if self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                _is_ready(self._to, select.POLLOUT, START_WITHIN_S)

    def _how_it_ended(self) -> str:
        self._kill_group()
        code = self._process.wait()
        if code < 0:
            return f"the handler's process was ended by {signal.Signals(-code).name}"
        return f"the handler's process ended with exit code {code}"


class ProcessRunner:
    """Runs attempts in a child of its own, started at the first one and replaced when it dies."""

    def __init__(self, modules: Callable[[], list[str]], result_max_bytes: int, staging: StagingRules) -> None:
        self._modules = modules
        self._result_max_bytes = result_max_bytes
        self._staging = staging
        self._child: Child | None = None

    def run(self, run: Run) -> Ending:
        try:
            if self._child is None:
                self._child = Child(self._modules(), self._result_max_bytes, self._staging)
        except (OSError, ChildDied) as error:
            return Failed(TaskError("ProcessDied", f"no child process for {run.handler.name}: {error}"))
        if run.context.cancelled:
            return Returned(run.context.cancelled.reason)
        try:
            return self._child.run(run)
        except ChildDied as died:
            self.close()
            stop = run.context.told_to_stop
            return Returned(stop) if stop else Failed(TaskError("ProcessDied", str(died)))

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _is_ready(fd: int, event: int, within_s: float) -> bool:
    """poll, because select knows no descriptor above 1,023, and a busy peer has them."""
    poller = select.poll()
    poller.register(fd, event)
    return bool(poller.poll(within_s * 1000))


def _environment() -> dict[str, str]:
    """Where the child finds us; it takes over the whole import path with its first message."""
    home = str(Path(quorate.__file__).parent.parent)
    old = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, old] if old else [home])}
