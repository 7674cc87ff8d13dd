"""Task ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling import ulid
from quorate.scheduling.task import TaskId

WALL = st.integers(0, (1 << 48) - 1)
CHANCE = st.integers(0, (1 << 80) - 1)


@given(WALL, CHANCE)
def test_an_id_has_the_form_of_one_and_tells_its_millisecond(wall_ms: int, chance: int) -> None:
    task = ulid.make(wall_ms, chance)
    assert ulid.is_task_id(task)
    assert ulid.wall_ms_of(task) == wall_ms


@given(st.tuples(WALL, CHANCE), st.tuples(WALL, CHANCE))
def test_ids_sort_as_their_time_and_chance_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (ulid.make(*one) < ulid.make(*other)) == (one < other)


def test_the_example_of_the_specification() -> None:
    assert ulid.make(1469918176385, 0).startswith("01ARYZ6S41")


def test_staged_ids_are_the_same_in_every_attempt_and_differ_by_number() -> None:
    parent = ulid.make(5, 7)
    assert ulid.derived(parent, 0) == ulid.derived(parent, 0)
    assert len({ulid.derived(parent, nth) for nth in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "u", "0" * 25 + "I", "0" * 25 + "٣"]
)
def test_what_is_no_id_is_told_apart(text: str) -> None:
    assert not ulid.is_task_id(text)
    with pytest.raises(ValueError, match="Crockford"):
        ulid.wall_ms_of(TaskId(text))


@pytest.mark.parametrize(("wall_ms", "chance"), [(-1, 0), (1 << 48, 0), (0, -1), (0, 1 << 80)])
def test_what_does_not_fit_is_refused(wall_ms: int, chance: int) -> None:
    with pytest.raises(ValueError, match="48 and 80 bits"):
        ulid.make(wall_ms, chance)
