"""The real clock and the real source of chance.

Law: this is where a peer's time and randomness come from; nothing above `node` asks the machine for either.
"""

import random
import time

# Linux only: goes on while the machine sleeps, so that a laptop that slept an hour knows its sessions are gone.
_BOOT_CLOCK = time.CLOCK_BOOTTIME


class BootClock:
    """`ports.Clock` by CLOCK_BOOTTIME and the wall clock."""

    def monotonic(self) -> float:
        """Seconds since the machine started, sleep included; never steps."""
        return time.clock_gettime(_BOOT_CLOCK)

    def wall_ms(self) -> int:
        """Milliseconds since 1970; may step either way."""
        return time.time_ns() // 1_000_000


class ThreadClock:
    """`ports.Clock` by which threads wait and time out: CLOCK_MONOTONIC and the wall clock."""

    def monotonic(self) -> float:
        """Seconds; stands still while the machine sleeps."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Milliseconds since 1970; may step either way."""
        return time.time_ns() // 1_000_000


THREAD_CLOCK = ThreadClock()


def seeded_entropy() -> random.Random:
    """`ports.Entropy`: a generator of its own, seeded by the operating system.

    Not for secrets: it decides election timeouts, jitter and ids, which must differ between peers, not be unguessable.
    """
    return random.Random(random.SystemRandom().getrandbits(256))
