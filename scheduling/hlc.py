"""Hybrid logical clock stamps.

Law: a stamp is `wall ms << 16 | counter`, strictly rising in the log whatever the wall clocks do; it serves order,
`not_before`, deadlines and what people read, never the length of a lease. (Kulkarni et al., "Logical Physical
Clocks", 2014; one integer instead of a pair, the counter carries into the milliseconds.)
"""

import re
from datetime import UTC, datetime, timedelta

from quorate.scheduling.task import Stamp

COUNTER_BITS = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def next_stamp(stamp: Stamp, wall_ms: int) -> Stamp:
    """The stamp of what happens at `wall_ms` after `stamp`: later than both."""
    return max(stamp + 1, wall_ms << COUNTER_BITS)


def wall_ms_of(stamp: Stamp) -> int:
    """Milliseconds since 1970."""
    return stamp >> COUNTER_BITS


def to_text(wall_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.250Z`. Raises OverflowError beyond the year 9999."""
    return (EPOCH + timedelta(milliseconds=wall_ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall_ms % 1000:03d}Z"


def from_text(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, which must say its offset. Raises ValueError saying what was got."""
    if not RFC_3339.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())
        wall_ms = (moment - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time of the calendar: {error}") from None
    if wall_ms < 0:
        raise ValueError(f"{text!r} is before 1970")
    return wall_ms
