"""When a failed attempt is tried again.

Law: the delay is a function of the task and the number of the retry. The jitter that keeps a crowd apart comes from
the task's id, so every peer and every replay finds the same delay.
"""

import math
from hashlib import blake2b

from quorate.scheduling.task import Retry, TaskId

FIRST_MS = 2_000
LONGEST_MS = 300_000
DOUBLINGS = 8
"""After so many the doubling has passed the longest delay: 2 s * 2**8 > 300 s."""
LONGEST_ROW_S = 366 * 24 * 3600
"""A row of a schedule beyond a year is taken as a year: a delay is a finite number whatever was asked."""


def retry_delay_ms(retry: Retry, task: TaskId, nth: int) -> int:
    """The delay before retry `nth` (from 1): its row of the schedule, the last one repeated; without a schedule 1-2
    s, 2-4 s ... 150-300 s."""
    if retry.schedule:
        return _row_ms(retry.schedule[min(nth, len(retry.schedule)) - 1])
    ceiling_ms = min(LONGEST_MS, FIRST_MS << min(nth - 1, DOUBLINGS))
    half_ms = ceiling_ms // 2
    return half_ms + _jitter(task, nth) % (half_ms + 1)


def is_retried(retry: Retry, error_type: str) -> bool:
    """Whether an error of this type is tried again while retries are left. No list: every type."""
    return not retry.on or error_type in retry.on


def next_retry_ms(retry: Retry | None, task: TaskId, failures: int, error_type: str) -> int | None:
    """The delay after the attempt that made the count `failures`, or None: the task has failed."""
    if retry is None or failures > retry.max or not is_retried(retry, error_type):
        return None
    return retry_delay_ms(retry, task, failures)


def _row_ms(row_s: float) -> int:
    if math.isnan(row_s):
        return 0
    return int(min(max(row_s, 0.0), LONGEST_ROW_S) * 1000)


def _jitter(task: TaskId, nth: int) -> int:
    return int.from_bytes(
        blake2b(f"{task}/{nth}".encode(errors="replace"), digest_size=8, person=b"retry").digest(), "big"
    )
