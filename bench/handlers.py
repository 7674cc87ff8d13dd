"""Handlers of the benchmark's own."""

import time

import quorate

CHECK_EVERY = 10_000


@quorate.task("bench.hog", timeout=600)
def hog(seconds: float) -> int:
    """Plain Python that computes and never waits."""
    until, turns = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for n in range(CHECK_EVERY):
            turns += n & 1
    return turns
