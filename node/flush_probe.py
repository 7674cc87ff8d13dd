"""How long a disk takes to make a small write durable.

Law: the same calls as the log makes (append, then fdatasync), bounded in number and time; the file is gone
afterwards.
"""

import os
import tempfile
import time
from pathlib import Path

import msgspec

WRITE_BYTES = 4096
MOST_FLUSHES = 200
MOST_S = 2.0
LEAST_FLUSHES = 5


class FlushLatency(msgspec.Struct, frozen=True):
    p50_ms: float
    p99_ms: float
    flushes: int


def flush_latency(folder: Path) -> FlushLatency:
    """Measured in a nameless file in `folder`. Raises OSError if nothing can be written there."""
    block = os.urandom(WRITE_BYTES)
    took_ms: list[float] = []
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as stream:
        # As in the log, the file has its size beforehand: a flush then carries data and no new length.
        os.posix_fallocate(stream.fileno(), 0, WRITE_BYTES * MOST_FLUSHES)
        os.fsync(stream.fileno())
        while len(took_ms) < MOST_FLUSHES:
            start = time.perf_counter()
            if start - began > MOST_S and len(took_ms) >= LEAST_FLUSHES:
                break
            stream.write(block)
            os.fdatasync(stream.fileno())
            took_ms.append((time.perf_counter() - start) * 1000)
    took_ms.sort()
    return FlushLatency(
        p50_ms=took_ms[len(took_ms) // 2],
        p99_ms=took_ms[min(len(took_ms) - 1, len(took_ms) * 99 // 100)],
        flushes=len(took_ms),
    )
