"""Fixed seeds of every profile: whole clusters under faults, safety checked at every step, progress demanded after."""

import pytest

from quorate.netsim.runner import PROFILES, run

SEEDS = 6


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_promise_breaks_on_this_seed(profile: str, seed: int) -> None:
    """Nothing acknowledged is lost, nothing runs to a result twice, and once all is healed everything ends."""
    report = run(seed, PROFILES[profile])
    assert report.accepted > 0
    assert report.faults > 0


def test_the_same_seed_is_the_same_run() -> None:
    """A failing seed can be looked at again: every step of it comes back."""
    first, again = run(1, PROFILES["plain"]), run(1, PROFILES["plain"])
    assert first.digest == again.digest


def test_another_seed_is_another_run() -> None:
    """Otherwise a thousand seeds would prove as much as one."""
    assert run(1, PROFILES["plain"]).digest != run(2, PROFILES["plain"]).digest
