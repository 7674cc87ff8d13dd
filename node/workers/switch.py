"""How long a thread may keep the interpreter while others want it.

Law: a peer's loop gets its turn among CPU-bound handlers in a fraction of a heartbeat, or it would lose its leadership.

With 16 CPU-bound threads the loop waits behind up to 15 others, one interval each, in no fair order, and again after
each system call. `bench/switch_interval.py` on 2 cores (Python 3.11) for a timer every 5 ms and a request with its
answer over sockets:

| interval | timer late p50 / p99 | exchange p99 | the threads' own work |
|---------:|---------------------:|-------------:|----------------------:|
| 5 ms (Python's default) | 81-183 / 607-1,071 ms | 408-430 ms | 100 % |
| 1 ms     | 21-30 / 180-183 ms   | 124-177 ms   | 82-89 %  |
| 0.5 ms   | 12-14 / 85 ms        | 59-66 ms     | 78-82 %  |
| 0.2 ms   | 7-8 / 46-57 ms       | 27-43 ms     | 69-75 %  |
| 0.1 ms   | 5-7 / 32-45 ms       | 23-32 ms     | 65-67 %  |

The default costs the leadership (election timeout 600 ms). At 0.2 ms the 99th percentile is half a heartbeat of 100 ms;
below it the threads lose more than the loop gains. Short handlers lose nothing: they end long before an interval does
(7 microseconds a no-op at 5, 0.5, 0.2 and 0.1 ms alike). Work that must not lose a quarter of its speed belongs into
`isolation="process"`.
"""

import sys

SWITCH_INTERVAL_S = 0.0002


def share_the_interpreter() -> None:
    """Process-wide; an interval that is already shorter stays."""
    if sys.getswitchinterval() > SWITCH_INTERVAL_S:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
