"""Reads are linearizable: a read point is asked for after the read began (promise 5)."""

from collections.abc import Callable

from quorate.consensus.reads import RETRY_S, Reads


class Leader:
    """Collects the questions; the test answers them."""

    def __init__(self) -> None:
        self.questions: list[Callable[[int | None], None]] = []

    def ask(self, reply: Callable[[int | None], None]) -> None:
        self.questions.append(reply)


def test_a_read_that_comes_while_a_question_is_on_its_way_waits_for_the_next() -> None:
    """The answer to an older question may predate a write that was acknowledged before this read began."""
    leader = Leader()
    got: list[tuple[str, int | None]] = []
    reads = Reads(leader.ask, 100)
    reads.add(10.0, lambda index: got.append(("first", index)))
    reads.step(0.0, 0)
    reads.add(10.0, lambda index: got.append(("second", index)))
    leader.questions[0](5)
    reads.step(0.1, 5)
    assert got == [("first", 5)]
    leader.questions[1](6)
    reads.step(0.2, 6)
    assert got == [("first", 5), ("second", 6)]


def test_a_read_waits_until_its_own_replica_has_the_index() -> None:
    """Confirmed is not enough: the answer comes from the state, so the state must be there."""
    leader = Leader()
    got: list[int | None] = []
    reads = Reads(leader.ask, 100)
    reads.add(10.0, got.append)
    reads.step(0.0, 0)
    leader.questions[0](5)
    reads.step(0.1, 4)
    assert got == []
    reads.step(0.2, 5)
    assert got == [5]


def test_without_a_leader_a_read_is_refused_at_its_deadline_never_later() -> None:
    """503 within the request's own deadline, after honest retries."""
    leader = Leader()
    got: list[int | None] = []
    reads = Reads(leader.ask, 100)
    reads.add(1.0, got.append)
    now = 0.0
    while now < 1.0:
        reads.step(now, 0)
        for question in leader.questions:
            question(None)
        leader.questions.clear()
        now += RETRY_S
    reads.step(1.0, 0)
    assert got == [None]
    assert len(reads) == 0


def test_all_reads_of_one_moment_share_one_question() -> None:
    """A thousand readers cost one round trip."""
    leader = Leader()
    got: list[int | None] = []
    reads = Reads(leader.ask, 10_000)
    for _ in range(1_000):
        reads.add(10.0, got.append)
    reads.step(0.0, 0)
    leader.questions[0](3)
    reads.step(0.0, 3)
    assert len(leader.questions) == 1
    assert got == [3] * 1_000


def test_beyond_the_limit_a_read_is_refused_at_once() -> None:
    """No unbounded queue."""
    got: list[int | None] = []
    reads = Reads(Leader().ask, 1)
    reads.add(10.0, got.append)
    reads.add(10.0, got.append)
    assert got == [None]
