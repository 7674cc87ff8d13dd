"""Sessions, and what hangs on them."""

import pytest

from quorate.consensus.commands import (
    Claim,
    CloseSession,
    Configure,
    Finish,
    Limits,
    MakeReady,
    OpenSession,
    RenewSession,
    SessionInfo,
    SetResult,
)
from tests.consensus.machine.log import TTL_MS, Log, check, id_of, new

PEERS = ("a", "b", "c")


def three(tasks: int = 3) -> Log:
    """Three peers; task 1 runs on a, 2 on b, 3 on c."""
    log = Log()
    for peer in PEERS:
        log.open(peer)
    log.submit(*[new(number) for number in range(1, tasks + 1)])
    for number, peer in enumerate(PEERS, start=1):
        log.claim(number, peer)
    return log


def renew(log: Log, *peers: str) -> None:
    for peer in peers:
        incarnation = log.machine.sessions[peer].incarnation
        log.done(RenewSession(peer, incarnation, 10), peer, incarnation)


def lose(log: Log, *peers: str) -> None:
    """Only these are silent until their sessions expire."""
    others = [peer for peer in log.machine.sessions if peer not in peers]
    log.wait(TTL_MS - 1_000)
    renew(log, *others)
    log.wait(1_000)
    renew(log, *others)


def test_a_session_lives_as_long_as_it_is_renewed() -> None:
    log = three()
    for _ in range(10):
        log.wait(TTL_MS - 10)
        renew(log, *PEERS)
    assert list(log.machine.sessions) == list(PEERS)
    log.wait(TTL_MS)
    assert log.kinds().count("expired") == 3
    assert not log.machine.sessions


def test_when_a_session_expires_what_it_held_is_ready_again_at_its_old_place() -> None:
    log = three(4)
    place = [task.id for task in log.machine.ready_head(("h",), 9)]
    lose(log, "a")
    assert log.state(1) == "ready"
    assert [task.id for task in log.machine.ready_head(("h",), 9)] == [id_of(1), *place]
    assert [log.task(2).state, log.task(3).state] == ["running", "running"]
    log.refused(Finish(id_of(1), 1, (SetResult(b"1"),)), "stale_fence", "fence")
    check(log.machine)


def test_a_new_leaders_first_entry_renews_every_session_in_full() -> None:
    log = three()
    log.elapsed += TTL_MS * 3
    log.entry([], fresh=True)
    assert len(log.machine.sessions) == 3
    log.wait(TTL_MS - 2)
    assert len(log.machine.sessions) == 3
    log.wait(2)
    assert not log.machine.sessions


def test_a_newer_incarnation_replaces_the_older_and_puts_back_what_it_held() -> None:
    log = three()
    log.open("a", 2)
    assert log.kinds() == ["requeued", "replaced", "opened"]
    assert (log.task(1).state, log.task(1).deaths) == ("ready", 1)
    assert log.machine.sessions["a"].running == 0
    log.refused(OpenSession("a", 1, TTL_MS, SessionInfo("", 1, ())), "superseded")
    check(log.machine)


def test_opening_the_same_incarnation_again_updates_it_and_says_so_if_it_differs() -> None:
    log = three()
    log.open("a")
    assert log.kinds() == []
    log.done(OpenSession("a", 1, 9_000, SessionInfo("http://x:1", 5, ("h", "more"))))
    assert log.kinds() == ["renewed"]
    session = log.machine.sessions["a"]
    assert (session.slots, session.ttl_ms, session.running) == (5, 9_000, 1)
    assert list(log.machine.handlers) == ["h", "more"]
    check(log.machine)


def test_who_leaves_in_peace_puts_back_without_a_death() -> None:
    log = three()
    log.done(CloseSession("a", 1))
    assert log.kinds() == ["requeued", "closed"]
    assert (log.task(1).state, log.task(1).deaths) == ("ready", 0)
    log.refused(CloseSession("a", 1), "no_session")
    log.refused(RenewSession("a", 1, 3), "no_session")
    check(log.machine)


def test_what_is_put_back_follows_the_order_of_acceptance() -> None:
    log = Log()
    log.open()
    log.submit(*[new(number) for number in range(1, 6)])
    for number in (4, 2, 5, 1, 3):
        log.claim(number)
    log.wait(TTL_MS)
    assert log.tasks_of("requeued") == [id_of(number) for number in range(1, 6)]


# --- deaths ---------------------------------------------------------------------------------------------------------
def test_the_death_of_a_single_peer_counts_once_for_what_it_ran() -> None:
    log = three()
    lose(log, "a")
    assert [log.task(number).deaths for number in (1, 2, 3)] == [1, 0, 0]
    assert not log.machine._store.deaths.records, "the others have shown life"
    check(log.machine)


def test_peers_that_die_together_count_for_nothing() -> None:
    log = three()
    log.wait(TTL_MS)
    assert [log.task(number).deaths for number in (1, 2, 3)] == [0, 0, 0]
    assert [log.task(number).state for number in (1, 2, 3)] == ["ready"] * 3
    check(log.machine)


def test_peers_that_die_together_and_are_noticed_one_after_the_other_count_for_nothing() -> None:
    log = three()
    log.wait(1_000)
    renew(log, "b")
    log.wait(1_000)
    renew(log, "c")
    log.wait(TTL_MS - 2_000)
    assert log.task(1).deaths == 1
    log.wait(1_000)
    assert [log.task(number).deaths for number in (1, 2)] == [0, 0]
    check(log.machine)
    renew(log, "c")
    log.wait(TTL_MS)
    assert log.task(3).deaths == 1, "c lived on: its later death is its own"


def test_all_peers_restarting_at_once_count_for_nothing() -> None:
    log = three()
    for incarnation in range(2, 20):
        log.entry([], fresh=True)
        for number, peer in enumerate(PEERS, start=1):
            log.open(peer, incarnation)
            assert log.state(number) == "ready"
        check(log.machine)
        assert [log.task(number).deaths for number in (1, 2, 3)] == [0, 0, 0]
        for number, peer in enumerate(PEERS, start=1):
            log.claim(number, peer, incarnation)


def test_a_task_that_kills_peer_after_peer_is_quarantined_at_the_limit() -> None:
    log = three()
    log.done(Configure(Limits(poison_limit=3)))
    for round_, peer in enumerate(("a", "b", "c"), start=1):
        log.open(peer, round_ + 1)
        assert log.task(1).deaths == round_
        if round_ < 3:
            following = PEERS[round_]
            log.claim(1, following, 1)
            renew(log, *[other for other in PEERS if other != peer])
    assert (log.state(1), log.task(1).reason) == ("held", "quarantined")
    assert "quarantined" in log.kinds()
    check(log.machine)
    log.done(MakeReady(id_of(1)))
    assert (log.state(1), log.task(1).deaths, log.task(1).reason) == ("ready", 0, "")


def test_a_task_quarantined_for_a_death_that_was_not_single_is_ready_again() -> None:
    log = three()
    log.done(Configure(Limits(poison_limit=1)))
    log.open("a", 2)
    assert log.state(1) == "held"
    log.open("b", 2)
    assert [log.state(1), log.state(2)] == ["ready", "ready"]
    assert log.kinds() == ["absolved", "requeued", "replaced", "opened"]
    check(log.machine)


def test_a_claim_is_a_sign_of_life() -> None:
    log = three(4)
    log.open("a", 2)
    log.claim(4, "b")
    log.open("b", 2)
    assert [log.task(1).deaths, log.task(2).deaths] == [1, 1]


@pytest.mark.parametrize("slots", [1, 999])
def test_the_end_of_a_session_fits_one_entry(slots: int) -> None:
    log = Log()
    log.open("a", slots=slots)
    log.open("b", slots=slots)
    log.submit(*[new(number) for number in range(1, 2 * slots + 1)])
    for peer, first in (("a", 1), ("b", slots + 1)):
        wanted = tuple((id_of(number), 0) for number in range(first, first + slots))
        assert "" not in log.done(Claim(peer, 1, wanted), peer)
    log.wait(TTL_MS)
    while log.machine.due(log.elapsed, log.wall_ms):
        assert len(log.changes[-1].events) <= 1_000
        log.entry([])
    assert log.machine.ready_count == 2 * slots
    assert not log.machine.sessions
