"""The three outcomes of an operation: done, surely not done, unknown (promise 7)."""

from quorate.consensus.commands import Cancel, Done, Outcome, Refused, Unknown
from quorate.consensus.proposer import MAX_OP_BYTES, RESEND_S, Pending, Proposer
from quorate.scheduling.task import TaskId


class Answers:
    def __init__(self) -> None:
        self.seen: list[Outcome] = []

    def __call__(self, outcome: Outcome, _index: int) -> None:
        self.seen.append(outcome)


def offered(proposer: Proposer, deadline: float = 10.0) -> Answers:
    answers = Answers()
    proposer.offer(Cancel(TaskId("t")), deadline, answers)
    return answers


def test_an_operation_that_never_left_is_surely_not_done() -> None:
    """No leader until the deadline: refused, not unknown."""
    proposer = Proposer("a", 1, 10)
    answers = offered(proposer)
    proposer.expire(9.9)
    assert answers.seen == []
    proposer.expire(10.0)
    assert [type(outcome) for outcome in answers.seen] == [Refused]


def test_an_operation_that_may_have_reached_a_log_is_unknown() -> None:
    """Sent and never answered: nobody can say, so nobody says `no`."""
    proposer = Proposer("a", 1, 10)
    answers = offered(proposer)
    proposer.aim("b", 1)
    for pending in proposer.due(0.0):
        proposer.sent(pending, 0.0)
    proposer.expire(10.0)
    assert [type(outcome) for outcome in answers.seen] == [Unknown]


def test_an_operation_every_leader_turned_away_is_surely_not_done() -> None:
    """A leader that says it did not take it takes the doubt away again."""
    proposer = Proposer("a", 1, 10)
    answers = offered(proposer)
    proposer.aim("b", 1)
    for pending in proposer.due(0.0):
        proposer.sent(pending, 0.0)
    proposer.not_taken([1], "full", 0.1)
    proposer.expire(10.0)
    assert isinstance(answers.seen[0], Refused)
    assert answers.seen[0].reason == "overloaded"


def test_one_refusal_does_not_clear_an_earlier_sending() -> None:
    """Sent to an old leader, then turned away by the new one: the old one may still have it."""
    proposer = Proposer("a", 1, 10)
    answers = offered(proposer)
    for leader, term in (("b", 1), ("c", 2)):
        proposer.aim(leader, term)
        for pending in proposer.due(0.0):
            proposer.sent(pending, 0.0)
    proposer.not_taken([1], "not_leader", 0.1)
    proposer.expire(10.0)
    assert [type(outcome) for outcome in answers.seen] == [Unknown]


def test_an_answer_comes_once() -> None:
    """Applied, applied again after a resend, expired: one reply."""
    proposer = Proposer("a", 1, 10)
    answers = offered(proposer)
    proposer.applied(1, Done(), 7)
    proposer.applied(1, Done(), 8)
    proposer.expire(99.0)
    assert answers.seen == [Done()]


def test_a_new_leader_gets_everything_unanswered_in_order() -> None:
    """Order of sending is order of number, however the leaders changed."""
    proposer = Proposer("a", 1, 10)
    for _ in range(3):
        offered(proposer)
    proposer.aim("b", 1)
    for pending in proposer.due(0.0)[1:]:
        proposer.sent(pending, 0.0)
    proposer.aim("c", 2)
    assert [pending.number for pending in proposer.due(0.0)] == [1, 2, 3]


def test_silence_is_answered_by_sending_again() -> None:
    """A forward that died with its connection leaves no other trace."""
    proposer = Proposer("a", 1, 10)
    offered(proposer)
    proposer.aim("b", 1)
    for pending in proposer.due(0.0):
        proposer.sent(pending, 0.0)
    assert proposer.due(RESEND_S / 2) == []
    assert [pending.number for pending in proposer.due(RESEND_S * 2.1)] == [1]


def test_beyond_the_limit_an_operation_is_refused_at_once_and_completions_are_not() -> None:
    """Backpressure never keeps a held task from being finished."""
    proposer = Proposer("a", 1, 2)
    offered(proposer)
    offered(proposer)
    third, reserved = offered(proposer), Answers()
    proposer.offer_reserved(Cancel(TaskId("t")), 10.0, reserved)
    assert isinstance(third.seen[0], Refused)
    assert reserved.seen == []
    assert len(proposer) == 3


def test_an_operation_too_large_for_the_log_is_refused_at_once_and_stops_nobody() -> None:
    """It could reach no log, and would block the numbers after it for as long as it waits."""
    proposer = Proposer("a", 1, 10)
    answers = Answers()
    proposer.offer(Cancel(TaskId("t"), "x" * (MAX_OP_BYTES + 1)), 10.0, answers)
    assert isinstance(answers.seen[0], Refused)
    assert answers.seen[0].reason == "too_large"
    assert len(proposer) == 0
    offered(proposer)
    assert [pending.number for pending in _due(proposer)] == [1]


def _due(proposer: Proposer) -> list[Pending]:
    proposer.aim("b", 1)
    return proposer.due(0.0)


def test_a_slow_cluster_is_not_flooded_with_repetitions() -> None:
    """Thirty seconds without an answer: each sending waits longer than the one before."""
    proposer = Proposer("a", 1, 10)
    offered(proposer, deadline=60.0)
    proposer.aim("b", 1)
    sendings = 0
    for tenths in range(300):
        for pending in proposer.due(tenths / 10):
            proposer.sent(pending, tenths / 10)
            sendings += 1
    assert 2 <= sendings <= 9
