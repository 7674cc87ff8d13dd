"""Which ready task goes first.

Law: the order key is fixed when a task becomes ready, so waiting never re-sorts; and nothing starves, because
priority is a head start in time (a virtual start time, as in weighted fair queueing), not a rank: one step of
priority is worth ten seconds of waiting.
"""

from quorate.scheduling.task import Priority

HEAD_START_MS = 10_000
"""Per step of priority. The whole range, -100 to 100, spans 33 minutes: the longest that anything is overtaken."""


def virtual_start_ms(ready_ms: int, priority: Priority) -> int:
    """The lower, the earlier. Replace this one function to order otherwise (the same on every peer)."""
    return ready_ms - priority * HEAD_START_MS
