"""Fixed seeds of every profile: whole clusters under faults, safety checked at every step, progress demanded after."""

from collections import Counter

import pytest

from quorate.netsim.play import play, run
from quorate.netsim.profiles import PROFILES
from quorate.netsim.swarm import draw

SEEDS = 20


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_promise_breaks_on_this_seed(profile: str, seed: int) -> None:
    """Nothing acknowledged is lost, nothing runs to a result twice, and once all is healed everything ends."""
    outcome = play(draw(seed, PROFILES[profile]))
    assert outcome.violation is None
    assert outcome.report.accepted > 0


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_a_profile_is_for_goes_wrong_in_it(profile: str) -> None:
    """Otherwise its seeds would show nothing."""
    struck: Counter[str] = Counter()
    for seed in range(SEEDS, SEEDS + 3):
        struck.update(play(draw(seed, PROFILES[profile])).report.faults)
    always = set(PROFILES[profile].always)
    assert struck.total() >= 3
    assert not always or always & struck.keys()


def test_the_same_seed_is_the_same_run() -> None:
    """A failing seed can be looked at again: every step of it comes back."""
    assert run(1, PROFILES["anything"]).digest == run(1, PROFILES["anything"]).digest


def test_another_seed_is_another_run() -> None:
    """Otherwise a thousand seeds would prove as much as one."""
    assert run(1, PROFILES["plain"]).digest != run(2, PROFILES["plain"]).digest
