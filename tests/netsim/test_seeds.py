"""Fixed seeds of every profile: whole clusters under faults, safety checked at every step, progress demanded after."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from quorate.netsim.campaign import OK, Job, Verdict, judge
from quorate.netsim.play import run
from quorate.netsim.profiles import PROFILES

SEEDS = 20

Played = Callable[[str, int], Verdict]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[Played]:
    """What came of one seed of one profile. All that this session will ask for is played on every core meanwhile."""
    coming: dict[Job, Future[Verdict]] = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:

        def verdict(profile: str, seed: int) -> Verdict:
            job = Job(profile, seed)
            if job not in coming:
                coming[job] = pool.submit(judge, job)
            return coming[job].result()

        for item in request.session.items:
            of = getattr(item, "callspec", None)
            if item.path == request.path and of is not None:
                job = Job(of.params["profile"], of.params.get("seed", 0))
                coming.setdefault(job, pool.submit(judge, job))
        yield verdict
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_no_promise_breaks_on_this_seed(played: Played, profile: str, seed: int) -> None:
    """Nothing acknowledged is lost, nothing runs to a result twice, and once all is healed everything ends."""
    verdict = played(profile, seed)
    assert verdict.check == OK, f"{verdict.text}\nquorate netsim replay {seed} --profile {profile}"
    assert verdict.points["claim.grant"] > 0, "no task was ever begun"


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_a_profile_is_for_goes_wrong_in_it(played: Played, profile: str) -> None:
    """Otherwise its seeds would show nothing."""
    struck: Counter[str] = Counter()
    for seed in range(SEEDS):
        struck.update(played(profile, seed).faults)
    always = set(PROFILES[profile].always)
    assert struck.total() >= SEEDS
    assert always <= struck.keys()


def test_the_same_seed_is_the_same_run(played: Played) -> None:
    """A failing seed can be looked at again: every step of it comes back, in another process too."""
    assert run(1, PROFILES["anything"]).digest == played("anything", 1).digest


def test_another_seed_is_another_run(played: Played) -> None:
    """Otherwise a thousand seeds would prove as much as one."""
    assert played("plain", 1).digest != played("plain", 2).digest
