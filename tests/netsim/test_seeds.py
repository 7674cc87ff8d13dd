"""Fixed seeds of every profile: whole clusters under faults, safety checked at every step, progress demanded after."""

import pytest

from quorate.netsim.play import play, run
from quorate.netsim.profiles import PROFILES
from quorate.netsim.swarm import draw

SEEDS = 20


@pytest.mark.timeout(300)  # twenty clusters, one after the other
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_promise_breaks_on_these_seeds(profile: str) -> None:
    """Nothing acknowledged is lost, nothing runs to a result twice, and once all is healed everything ends."""
    struck = 0
    for seed in range(SEEDS):
        outcome = play(draw(seed, PROFILES[profile]))
        assert outcome.violation is None, f"seed {seed}: {outcome.violation}"
        assert outcome.report.accepted > 0
        struck += sum(outcome.report.faults.values())
    assert struck >= SEEDS, "hardly anything went wrong in these worlds: they show nothing"


def test_the_same_seed_is_the_same_run() -> None:
    """A failing seed can be looked at again: every step of it comes back."""
    assert run(1, PROFILES["anything"]).digest == run(1, PROFILES["anything"]).digest


def test_another_seed_is_another_run() -> None:
    """Otherwise a thousand seeds would prove as much as one."""
    assert run(1, PROFILES["plain"]).digest != run(2, PROFILES["plain"]).digest
