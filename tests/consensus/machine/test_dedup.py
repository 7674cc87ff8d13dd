"""Each operation of a client is applied once."""

import msgspec

from quorate.consensus.commands import Command, Done, Op, OpenSession, Refused, SessionInfo, Submit
from quorate.consensus.machine.dedup import WINDOW
from tests.consensus.machine.log import TTL_MS, Log, check, content, copy_of, encode, id_of, new

SUBMIT = Submit((new(1),))


def op(number: int, command: Command = SUBMIT, floor: int = 0, peer: str = "a", incarnation: int = 1) -> msgspec.Raw:
    return msgspec.Raw(encode(Op(peer, incarnation, number, floor, encode(command))))


def test_an_operation_that_comes_again_changes_nothing_and_is_told_the_same() -> None:
    log = Log()
    first = log.entry([op(5), op(5)]).answers
    assert first == [("a", 1, 5, Done([id_of(1)]))] * 2
    before = content(log.machine)
    assert log.entry([op(5)]).answers == first[:1]
    assert content(log.machine) == before
    assert log.machine.recorded("a", 1, 5) == Done([id_of(1)])


def test_a_refusal_is_remembered_too_so_that_a_late_repetition_cannot_succeed() -> None:
    log = Log()
    impossible = Submit((new(2, after=(1,)),))
    (answer,) = log.entry([op(1, impossible)]).answers
    log.submit(new(1))
    assert log.entry([op(1, impossible)]).answers == [answer]
    assert id_of(2) not in log.machine.tasks


def test_below_the_floor_nothing_is_applied_and_nothing_told() -> None:
    log = Log()
    log.entry([op(1), op(2, Submit((new(2),)), floor=2)])
    assert log.machine.recorded("a", 1, 1) == Done([id_of(1)]), "the outcomes of one entry are dropped together"
    log.entry([op(3, Submit((new(3),)), floor=3)])
    assert log.machine.recorded("a", 1, 1) is None
    before = content(log.machine)
    assert log.entry([op(0, Submit((new(4),)), floor=3)]).answers == []
    assert content(log.machine) == before
    check(log.machine)


def test_numbers_far_above_the_lowest_unanswered_are_refused_and_not_remembered() -> None:
    log = Log()
    (answer,) = log.entry([op(WINDOW)]).answers
    assert isinstance(answer[3], Refused)
    assert answer[3].reason == "window"
    assert log.machine.recorded("a", 1, WINDOW) is None
    assert isinstance(log.entry([op(WINDOW, floor=1)]).answers[0][3], Done)


def test_the_table_stays_as_small_as_what_is_unanswered() -> None:
    log = Log()
    for number in range(1, 500):
        log.entry([op(number, Submit(()), floor=number - 3)])
    assert len(log.machine._store.told.records) == 4
    check(log.machine)


def test_operations_of_an_older_life_are_refused_and_leave_no_record() -> None:
    log = Log()
    log.entry([op(1, OpenSession("a", 2, TTL_MS, SessionInfo("", 1, ())), incarnation=2)])
    before, told = content(log.machine), dict(log.machine._store.told.records)
    change = log.entry([op(1)])
    assert [answer[3].reason for answer in change.answers if isinstance(answer[3], Refused)] == ["superseded"]
    assert log.machine.recorded("a", 1, 1) is None
    assert content(log.machine) == before
    assert log.machine._store.told.records == told


def test_a_new_life_begins_with_an_empty_record() -> None:
    log = Log()
    log.entry([op(1)])
    log.entry([op(1, Submit((new(2),)), incarnation=2)])
    assert log.machine.recorded("a", 2, 1) == Done([id_of(2)])
    assert log.machine.recorded("a", 1, 1) is None
    check(log.machine)


def test_two_lives_in_one_entry() -> None:
    log = Log()
    answers = log.entry([op(1), op(1, Submit((new(2),)), incarnation=2), op(2)]).answers
    assert [type(answer[3]) for answer in answers] == [Done, Done, Refused]
    check(log.machine)


def test_what_was_told_survives_a_snapshot() -> None:
    log = Log()
    log.entry([op(1), op(2, Submit((new(2, after=(9,)),)))])
    check(log.machine)
    other = copy_of(log.machine)
    for number in (1, 2):
        assert other.recorded("a", 1, number) == log.machine.recorded("a", 1, number) is not None
