"""A lane: threads of one kind, and the queue they take attempts from.

Law: every decision is the loop thread's; a worker thread only takes, runs, and says done. Taking a run from the queue
is the one hand-over that both sides may try, and the queue gives it to one of them.
"""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from quorate.node.workers.run import Run
from quorate.node.workers.sizing import LONG_MS, MovingMean, ahead, patience_s, threads_to_add
from quorate.scheduling.task import Ending, Returned

SHRINK_AFTER_S = 10.0
"""Threads that a whole span of this length had no use for are let go."""
MEAN_WEIGHT = 1 / 16
CORES = os.cpu_count() or 1


class Runner(Protocol):
    """What one worker thread runs attempts with."""

    def run(self, run: Run) -> Ending: ...

    def close(self) -> None: ...


class Lane:
    def __init__(
        self,
        name: str,
        threads_min: int,
        threads_max: int,
        make_runner: Callable[[], Runner],
        ended: Callable[[Run], None],
        stuck: Callable[["Lane"], None],
        stuck_after_s: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """ended: called on the loop thread, once for each run that was put and not taken back. stuck: called there when
        runs have waited for `stuck_after_s` and no thread became free."""
        self.threads_max = threads_max
        self.threads = 0
        self.strays = 0
        """Threads whose handler ignores that its time is over."""
        self.mean_ms = MovingMean(MEAN_WEIGHT)
        self._name = name
        self._threads_min = threads_min
        self._make_runner = make_runner
        self._ended = ended
        self._stuck = stuck
        self._stuck_after_s = stuck_after_s
        self._loop = loop
        # SimpleQueue knows no bound; the pool keeps it (`held_max`).
        self._queue: SimpleQueue[Run | None] = SimpleQueue[Run | None]()
        self._outstanding = 0
        self._leaving = 0
        """Exit marks in the queue."""
        self._done: deque[Run | None] = deque()
        """From the workers; None: a thread has left. Never longer than runs and threads together."""
        self._waking = False
        self._moved_at = time.monotonic()
        self._ended_count = 0
        self._check: asyncio.TimerHandle | None = None
        self._check_from = (0, 0)
        self._peak = 0
        self._shrink: asyncio.TimerHandle | None = None
        self._closed = False

    # --- seen from the pool -----------------------------------------------------------------------------------------

    @property
    def healthy(self) -> int:
        """Threads that take work."""
        return self.threads - self.strays - self._leaving

    @property
    def queued(self) -> int:
        return max(0, self._queue.qsize() - self._leaving)

    @property
    def outstanding(self) -> int:
        """Put and not yet ended, runs of stray threads not counted."""
        return self._outstanding - self.strays

    @property
    def busy(self) -> int:
        return max(0, self.outstanding - self.queued)

    @property
    def ahead(self) -> int:
        stalled_ms = (time.monotonic() - self._moved_at) * 1000 if self.queued else 0.0
        return ahead(max(1, self.healthy), self.mean_ms.value, stalled_ms)

    def open(self) -> None:
        self._add_threads(self._threads_min)

    def put(self, run: Run) -> None:
        self._outstanding += 1
        self._peak = max(self._peak, self.outstanding)
        if self.outstanding <= self.healthy:
            self._moved_at = run.put_at
        else:
            self._want_thread()
        self._queue.put(run)

    def take_back(self) -> list[Run]:
        """Everything no thread has taken yet, oldest first."""
        taken: list[Run] = []
        for _ in range(self._queue.qsize()):
            try:
                run = self._queue.get_nowait()
            except Empty:
                break
            if run is None:
                self._queue.put(None)
            else:
                taken.append(run)
        self._outstanding -= len(taken)
        return taken

    def stray(self) -> None:
        """The thread of one run counts no longer; another takes its place when there is work."""
        self.strays += 1
        if self.queued:
            self._want_thread()

    def unstray(self) -> None:
        self.strays -= 1

    def close(self) -> None:
        """Threads leave when they are free. What is in the queue was taken back before."""
        self._closed = True
        for timer in (self._check, self._shrink):
            if timer is not None:
                timer.cancel()
        self._let_go(self.threads - self._leaving)

    # --- threads that grow and shrink -------------------------------------------------------------------------------

    def _want_thread(self) -> None:
        if self._closed:
            return
        mean_ms = self.mean_ms.value
        is_urgent = self.healthy < max(1, self._threads_min) or (mean_ms is not None and mean_ms >= LONG_MS)
        if is_urgent and self.healthy < self.threads_max:
            self._add_threads(1)
        elif self._check is None:
            self._arm_check()

    def _arm_check(self) -> None:
        self._check_from = (self._ended_count, self._queue.qsize())
        delay_s = patience_s(os.getloadavg()[0], CORES) if self.healthy < self.threads_max else self._stuck_after_s / 4
        self._check = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        """Has what waited when the check was set still not been taken?"""
        self._check = None
        ended_then, waiting_then = self._check_from
        waiting = self.queued
        if not waiting or self._closed:
            return
        if self._ended_count - ended_then < waiting_then:
            self._add_threads(threads_to_add(waiting, self.healthy, self.threads_max))
        if time.monotonic() - self._moved_at >= self._stuck_after_s and self.healthy >= self.threads_max:
            self._stuck(self)
        if self.queued:
            self._arm_check()

    def _add_threads(self, count: int) -> None:
        for _ in range(count):
            self.threads += 1
            # A daemon, because a handler that never returns must not keep the process from ending.
            threading.Thread(target=self._work, name=f"quorate-{self._name}-{self.threads}", daemon=True).start()
        if self.threads > self._threads_min and self._shrink is None and not self._closed:
            self._peak = self.outstanding
            self._shrink = self._loop.call_later(SHRINK_AFTER_S, self._shed)

    def _shed(self) -> None:
        self._shrink = None
        surplus = self.healthy - max(self._threads_min, self._peak)
        self._let_go(max(0, surplus))
        self._peak = self.outstanding
        if self.threads - self._leaving > self._threads_min:
            self._shrink = self._loop.call_later(SHRINK_AFTER_S, self._shed)

    def _let_go(self, count: int) -> None:
        for _ in range(count):
            self._leaving += 1
            self._queue.put(None)

    # --- the worker threads, and back -------------------------------------------------------------------------------

    def _work(self) -> None:
        runner = self._make_runner()
        take = self._queue.get
        while (run := take()) is not None:
            stop = run.context.told_to_stop
            if stop:
                run.end(Returned(stop))
            else:
                run.begin()
                run.end(runner.run(run))
            self._tell(run)
            del run
        runner.close()
        self._tell(None)

    def _tell(self, done: Run | None) -> None:
        """One wake-up of the loop for a whole burst: who finds the flag set knows that `_drain` has yet to run."""
        self._done.append(done)
        if self._waking:
            return
        self._waking = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            # The loop is closed: the peer is gone, and nobody is left to be told.
            return

    def _drain(self) -> None:
        # Invariant: cleared before the first look, so that whatever is appended after it wakes the loop again.
        self._waking = False
        self._moved_at = time.monotonic()
        for _ in range(len(self._done)):
            run = self._done.popleft()
            if run is None:
                self.threads -= 1
                self._leaving -= 1
                continue
            try:
                self._note_end(run)
            except BaseException:
                # One report that raises must not cost the others theirs.
                self._loop.call_soon(self._drain)
                raise

    def _note_end(self, run: Run) -> None:
        self._outstanding -= 1
        self._ended_count += 1
        if run.began_at is not None and not run.reported:
            self.mean_ms.add((run.ended_at - run.began_at) * 1000)
        self._ended(run)
