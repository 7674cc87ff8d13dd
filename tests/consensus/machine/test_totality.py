"""No data can make `apply` raise, and what is refused changes nothing."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.commands import Claim, Command, Done, Entry, Finish, Op, Refused, SetResult, Submit
from quorate.consensus.machine import Machine
from tests.consensus.machine.log import START_MS, Log, check, content, encode, id_of, new


def busy() -> Log:
    log = Log()
    log.open()
    log.submit(new(1), new(2, after=(1,)), new(3, held=True))
    log.claim(1)
    return log


@given(st.binary(max_size=200))
def test_bytes_that_are_no_entry_change_nothing(data: bytes) -> None:
    log = busy()
    before = content(log.machine)
    log.raw(data)
    assert content(log.machine) == before


@given(st.binary(max_size=200))
def test_bytes_that_are_no_command_are_refused_and_change_nothing(data: bytes) -> None:
    log = busy()
    before = content(log.machine)
    change = log.entry([msgspec.Raw(encode(Op("x", 1, 1, 0, data)))])
    assert change.answers == [("x", 1, 1, Refused("malformed", "not a command of this version"))]
    assert content(log.machine) == before


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text()
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(JUNK, max_size=4))
def test_operations_that_are_none_are_passed_over_and_the_others_applied(junk: list[object]) -> None:
    log = busy()
    ops = [msgspec.Raw(encode(one)) for one in junk]
    good = log.op(Submit((new(9),)))
    log.entry([*ops, good])
    assert id_of(9) in log.machine.tasks
    check(log.machine)


TAGS = st.sampled_from(["open", "renew", "close", "submit", "claim", "finish", "ready", "cancel", "again", "configure"])
WORDS = st.sampled_from(["a", "h", "", id_of(1), id_of(2), id_of(3), id_of(4), "\x00", "é" * 300])
NUMBERS = st.sampled_from([0, 1, 2, 3, 999, 1000, 1 << 46, (1 << 46) + 1, 1 << 48, 1 << 62, (1 << 64) - 1, -1])
LEAVES = WORDS | NUMBERS | st.none() | st.booleans() | st.binary(max_size=4)
FIELDS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=10)


@given(st.lists(st.tuples(TAGS, st.lists(FIELDS, max_size=6)), max_size=6))
def test_whatever_follows_a_known_tag_apply_goes_on_and_the_state_stays_sound(
    commands: list[tuple[str, list[object]]],
) -> None:
    log = busy()
    ops = [Op("x", 1, number, 0, encode([tag, *fields])) for number, (tag, fields) in enumerate(commands)]
    log.entry([msgspec.Raw(encode(op)) for op in ops])
    check(log.machine)
    log.wait(20_000)
    check(log.machine)


@given(st.data())
def test_a_good_entry_with_one_byte_changed_stops_nobody(data: st.DataObject) -> None:
    log = busy()
    commands: list[Command] = [Submit((new(8, after=(1,)), new(9))), Claim("a", 1, ((id_of(2), 0),))]
    commands.append(Finish(id_of(1), 1, (SetResult(b"1"),)))
    log.elapsed += 1
    entry = bytearray(encode(Entry(log.elapsed, START_MS << 16, False, [log.op(command) for command in commands])))
    position = data.draw(st.integers(0, len(entry) - 1))
    entry[position] = data.draw(st.integers(0, 255))
    log.raw(bytes(entry))
    check(log.machine)
    log.wait(20_000)
    check(log.machine)


@pytest.mark.parametrize("depth", [17, 900, 1_000, 100_000])
def test_deep_nesting_is_refused_at_the_same_depth_however_deep_the_callers_stack_is(depth: int) -> None:
    log = busy()
    before = content(log.machine)
    deep = b"\x91" * depth + b"\x01"
    good = log.op(Submit((new(9),)))
    log.raw(b"\x94\x01\x01\xc2\x92" + deep + bytes(good))
    assert content(log.machine) == before
    log.raw(b"\x95\x01\x01\xc2\x91" + bytes(good) + deep)
    assert content(log.machine) == before


@pytest.mark.parametrize(("elapsed", "stamp"), [(1 << 46, 1 << 62), (0, 0)])
def test_times_may_jump_to_their_bounds_or_back(elapsed: int, stamp: int) -> None:
    log = busy()
    times = log.machine.elapsed, log.machine.stamp
    log.raw(encode(Entry(elapsed, stamp, False, [])))
    assert (log.machine.elapsed, log.machine.stamp) == (max(elapsed, times[0]), max(stamp, times[1]))
    log.entry([log.op(Submit((new(9, timeout_ms=1 << 46, not_before_ms=1 << 46),)))])
    check(log.machine)


def test_the_largest_numbers_that_are_taken_can_be_stored() -> None:
    log = Log()
    log.raw(encode(Entry(1 << 46, 1 << 62, False, [])))
    log.open(incarnation=1 << 48)
    log.submit(new(1, timeout_ms=1 << 46, deadline_ms=1 << 46))
    assert isinstance(log.do(Claim("a", 1 << 48, ((id_of(1), 0),))), Done)
    assert log.task(1).state == "running"
    check(log.machine)


def test_an_entry_is_applied_once_and_in_order() -> None:
    machine = Machine()
    machine.apply(3, 1, b"")
    with pytest.raises(ValueError, match="in order"):
        machine.apply(3, 1, b"")
