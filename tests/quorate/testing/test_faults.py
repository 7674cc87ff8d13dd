"""What goes wrong in a simulated cluster, and what handlers and tests see of it."""

import pytest

import quorate
from quorate.testing import Cluster, Effect, Handle, PeerDied
from tests.quorate.testing import shop


def test_a_killed_peers_attempt_is_unwound_and_run_again_elsewhere_under_a_higher_fence(cluster: Cluster) -> None:
    unwound: list[str] = []

    @quorate.task("t.charge")
    def charge() -> int:
        try:
            cluster.effect("charge")
            quorate.current().sleep(3)
        except PeerDied:
            unwound.append("died")
            raise
        return quorate.current().fence

    cluster.register(charge)
    cluster.when("charge", lambda effect: cluster.kill(effect.peer))
    fence = cluster.submit(charge).result()
    first, second = cluster.effects("charge")
    assert first.peer != second.peer
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.fence < second.fence == fence
    assert unwound == ["died"]


def test_nothing_a_dead_handler_does_while_it_is_unwound_reaches_the_outside(cluster: Cluster) -> None:
    @quorate.task("t.stubborn")
    def stubborn() -> None:
        try:
            cluster.effect("begun")
            quorate.current().sleep(3)
        finally:
            cluster.effect("ended")

    cluster.register(stubborn)
    cluster.when("begun", lambda effect: cluster.kill(effect.peer))
    cluster.submit(stubborn).result()
    assert [effect.attempt for effect in cluster.effects("ended")] == [2]


def test_what_a_handler_sent_before_it_died_still_happens(cluster: Cluster) -> None:
    cluster.latency = (1.0, 1.0)

    @quorate.task("t.send")
    def send() -> None:
        cluster.effect("sent")

    cluster.register(send)
    handle = cluster.submit(send)
    cluster.run(0.5)
    peer = handle.info().peer
    assert peer is not None
    cluster.kill(peer)
    cluster.run(1)
    assert [effect.attempt for effect in cluster.effects("sent")] == [1]
    assert cluster.now < 4, "nobody else has run it yet"


def test_a_frozen_peers_handlers_stand_still_and_learn_afterwards_that_they_were_given_up(cluster: Cluster) -> None:
    seen: list[tuple[int, str]] = []

    @quorate.task("t.hold")
    def hold() -> int:
        context = quorate.current()
        cluster.effect("begun")
        context.sleep(2)
        seen.append((context.attempt, context.lost.reason or context.cancelled.reason))
        return context.attempt

    cluster.register(hold)
    cluster.when("begun", lambda effect: cluster.freeze(effect.peer, for_s=30))
    handle = cluster.submit(hold)
    assert handle.result() == 2
    assert seen == [(2, "")]
    cluster.run(30)
    assert [attempt for attempt, _ in seen] == [2, 1]
    assert seen[1][1] in {"lost", "cancelled"}
    assert handle.result() == 2


def test_a_peer_cut_from_the_majority_tells_its_handlers_and_the_others_take_over(cluster: Cluster) -> None:
    told: list[str] = []

    @quorate.task("t.watch")
    def watch() -> int:
        context = quorate.current()
        cluster.effect("begun")
        if context.attempt == 1 and context.lost.wait(60):
            told.append(context.lost.reason)
        return context.attempt

    cluster.register(watch)
    cluster.when("begun", lambda effect: cluster.partition(effect.peer, for_s=20))
    assert cluster.submit(watch).result() == 2
    assert told == ["lost"]


def test_faults_end_with_their_block_by_themselves_and_when_everything_heals(cluster: Cluster) -> None:
    cluster.run(0)
    leader = cluster.leader
    with cluster.partition(leader) as cut:
        cluster.run(3)
        assert cluster.leader != leader
    assert cut.is_over
    frozen = cluster.freeze("a", for_s=2)
    over = [frozen.is_over]
    cluster.run(2.5)
    assert [*over, frozen.is_over] == [False, True]
    cluster.kill("a", "b")
    cluster.restart("a")
    cluster.run(3)
    cluster.heal()
    cluster.run(1)
    assert cluster.leader


def test_every_peer_may_lose_power_at_once_and_what_was_accepted_is_done(cluster: Cluster) -> None:
    cluster.register(shop)
    handles = [cluster.submit(shop.wait, 1.0 + n / 10) for n in range(5)]
    cluster.lose_power(*cluster.peers)
    cluster.run(2)
    cluster.restart(*cluster.peers)
    assert [handle.result() for handle in handles] == [1.0, 1.1, 1.2, 1.3, 1.4]


def test_without_a_majority_a_submission_ends_as_refused_or_unknown_and_never_hangs(cluster: Cluster) -> None:
    cluster.register(shop)
    cluster.run(0)
    with cluster.kill("a", "b"), pytest.raises((quorate.NoQuorum, quorate.CannotConnect, quorate.Unknown)):
        cluster.submit(shop.double, 1)
    cluster.kill("c")
    with pytest.raises(quorate.CannotConnect):
        cluster.via("c").submit(shop.double, 1)


def test_one_may_ask_one_peer_and_no_other(cluster: Cluster) -> None:
    cluster.register(shop)
    for peer in cluster.peers:
        handle: Handle[int] = cluster.via(peer).submit(shop.double, 4)
        assert handle.result() == 8
        assert handle.info().peer == peer, "an idle peer takes what it was asked"


@pytest.mark.quorate(seeds=5)
def test_chaos_is_drawn_from_the_seed_ends_and_everything_accepted_is_done(cluster: Cluster) -> None:
    cluster.register(shop)
    handles = [cluster.submit(shop.wait, 2.0) for _ in range(6)]
    cluster.chaos(15)
    cluster.run(15)
    cluster.heal()
    healed = cluster.now
    assert [handle.result() for handle in handles] == [2.0] * 6
    cluster.run(20)
    late = [line for line in cluster.story().splitlines() if "fault:" in line and float(line.split()[0]) > healed]
    assert not late


def test_an_action_sees_the_effect_once_at_its_moment(cluster: Cluster) -> None:
    seen: list[Effect] = []

    @quorate.task("t.twice")
    def twice() -> None:
        cluster.effect("deed", n=1)
        cluster.effect("deed", n=2)

    cluster.register(twice)
    cluster.when("deed", seen.append)
    cluster.submit(twice).result()
    assert [effect.facts for effect in seen] == [{"n": 1}]
    assert seen == cluster.effects("deed", n=1)
    assert len(cluster.effects("deed")) == len(cluster.effects()) == 2


def test_the_story_tells_that_what_comes_too_late_is_refused(cluster: Cluster) -> None:
    @quorate.task("t.slow")
    def slow() -> None:
        cluster.effect("begun")
        quorate.current().sleep(1)

    cluster.register(slow)
    cluster.when("begun", lambda effect: cluster.freeze(effect.peer, for_s=20))
    cluster.options(key="s-1").submit(slow).result()
    cluster.run(30)
    first, second = [line.split("  ", 1)[1] for line in cluster.story().splitlines() if " reports t.slow" in line]
    assert first.endswith("(fence 2): succeeded")
    assert second.endswith("(fence 1): succeeded, refused: fence 2 was given the task since")
