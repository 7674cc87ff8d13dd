"""How long a thread may keep the interpreter while others want it.

Law: a peer's loop must get its turn among CPU-bound handlers, or it loses its leadership.
"""

import sys

SWITCH_INTERVAL_S = 0.0005


def share_the_interpreter() -> None:
    """Process-wide; an interval that is already shorter stays."""
    if sys.getswitchinterval() > SWITCH_INTERVAL_S:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
