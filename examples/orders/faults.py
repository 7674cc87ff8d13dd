"""How the payment gateway misbehaves.

Law: a fault is a function of the seed, the payment's key and how often that key was seen, and of nothing else:
neither the order in which requests arrive nor time changes who suffers what.
"""

from enum import StrEnum
from hashlib import blake2b

import msgspec


class Fault(StrEnum):
    NONE = "none"
    ERROR = "error"
    """500, nothing was charged."""
    BUSY = "busy"
    """503, nothing was charged."""
    SLOW = "slow"
    """Answers, but late; within every caller's patience."""
    STALL = "stall"
    """Charged, and then silent for longer than any caller waits."""
    LOST_ANSWER = "lost_answer"
    """Charged, and then the connection is cut."""


# The share of requests that suffer it. STALL and LOST_ANSWER are the ones that charge twice where nobody looks at the
# key.
SHARES = {
    Fault.ERROR: 0.03,
    Fault.BUSY: 0.03,
    Fault.SLOW: 0.10,
    Fault.STALL: 0.005,
    Fault.LOST_ANSWER: 0.02,
}
USUAL_S = (0.030, 0.080)
SLOW_S = (0.080, 0.180)
STALL_S = 1.5
"""Longer than `gateway_client.PATIENCE_S`."""


class Verdict(msgspec.Struct, frozen=True):
    fault: Fault
    delay_s: float
    """Before the answer (or the silence) comes."""


def verdict(seed: int, key: str, sighting: int) -> Verdict:
    """What happens to the `sighting`-th request (from 1) with this key."""
    digest = blake2b(f"{seed}:{key}:{sighting}".encode(), digest_size=16).digest()
    chance = int.from_bytes(digest[:8]) / 2**64
    spread = int.from_bytes(digest[8:]) / 2**64
    fault = _fault(chance)
    if fault is Fault.STALL:
        return Verdict(fault, STALL_S)
    least, most = SLOW_S if fault is Fault.SLOW else USUAL_S
    return Verdict(fault, least + spread * (most - least))


def _fault(chance: float) -> Fault:
    for fault, share in SHARES.items():
        if chance < share:
            return fault
        chance -= share
    return Fault.NONE
