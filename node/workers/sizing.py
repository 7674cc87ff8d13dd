"""How many threads, and how much to hold ahead of them.

Law: functions of what was observed; the lane acts on the answers.
"""

PATIENCE_S = 0.02
"""Work that waited this long for a thread without the queue moving on gets one more. Shorter waits are bursts of short
tasks, which more threads would only slow down: they share one interpreter."""
BUSY_LOAD_PER_CORE = 2.0
BUSY_PATIENCE_FACTOR = 5
"""On a machine with more runnable processes than this per core a new thread mostly adds contention: wait longer for
it."""
LONG_MS = 5.0
"""Handlers that take this long are given a thread at once: a queue of them does not move on by itself."""
STUCK_AFTER_S = 1.0
ISOLATED_STUCK_AFTER_S = 10.0
"""Work that waited this long while every worker was held is another peer's to run: it was claimed ahead of short tasks,
and long ones came. A child process may take longer than a thread to be there at all."""
AHEAD_MS = 10.0
"""Work held ahead of the threads: enough to hide the round through the log, too little to keep from a free peer."""
AHEAD_MAX = 256


def patience_s(load_1min: float, cores: int) -> float:
    return PATIENCE_S * (BUSY_PATIENCE_FACTOR if load_1min > BUSY_LOAD_PER_CORE * cores else 1)


def threads_to_add(waiting: int, threads: int, threads_max: int) -> int:
    """Doubling, so that a flood of blocking handlers has all threads within a few patiences."""
    return max(0, min(waiting, max(1, threads), threads_max - threads))


def ahead(threads: int, mean_ms: float | None, stalled_ms: float) -> int:
    """Attempts worth holding beyond one per thread: about `AHEAD_MS` of work, none where tasks are long or their length
    is unknown.

    mean_ms: moving mean of run times. stalled_ms: for how long waiting work has seen no thread become free, which tells
    of a change to longer tasks before the mean does.
    """
    if mean_ms is None:
        return 0
    pace_ms = max(mean_ms, stalled_ms, AHEAD_MS / AHEAD_MAX)
    return min(AHEAD_MAX, threads * int(AHEAD_MS / pace_ms))


class MovingMean:
    """Exponentially weighted; the first value counts in full."""

    __slots__ = ("_weight", "value")

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self.value: float | None = None

    def add(self, sample: float) -> None:
        self.value = sample if self.value is None else self.value + self._weight * (sample - self.value)
