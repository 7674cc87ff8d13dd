"""Stamps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling import hlc

WALL = st.integers(0, 250_000_000_000_000)


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 46))
def test_the_next_stamp_is_later_than_the_last_and_not_before_the_wall(stamp: int, wall_ms: int) -> None:
    following = hlc.next_stamp(stamp, wall_ms)
    assert following > stamp
    assert hlc.wall_ms_of(following) >= wall_ms


def test_a_wall_clock_set_back_an_hour_does_not_set_stamps_back() -> None:
    stamp = hlc.next_stamp(0, 10_000_000)
    assert hlc.next_stamp(stamp, 10_000_000 - 3_600_000) == stamp + 1


@given(WALL)
def test_what_is_written_is_read_back(wall_ms: int) -> None:
    assert hlc.from_text(hlc.to_text(wall_ms)) == wall_ms


@pytest.mark.parametrize(
    ("text", "wall_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01t00:00:01.5z", 1_500),
        ("1970-01-01 00:00:00.123456789Z", 123),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, wall_ms: int) -> None:
    assert hlc.from_text(text) == wall_ms


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-31", "2026-01-31T12:00:00", "20260131T120000Z", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z"],
)
def test_what_is_no_time_with_an_offset_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=repr(text)[:12]):
        hlc.from_text(text)
