"""Laws of the real clock and entropy."""

import time

from quorate.node.clock import BootClock, seeded_entropy


def test_monotonic_counts_from_the_machines_start_and_never_goes_back() -> None:
    clock = BootClock()
    first, second = clock.monotonic(), clock.monotonic()
    assert 0 < first <= second
    assert abs(second - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1


def test_the_wall_clock_is_in_milliseconds_since_1970() -> None:
    assert abs(BootClock().wall_ms() - time.time() * 1000) < 1000


def test_two_peers_never_draw_the_same_numbers() -> None:
    assert seeded_entropy().getrandbits(128) != seeded_entropy().getrandbits(128)
