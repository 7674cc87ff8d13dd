"""Which ready task goes first."""

from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling.priority import HEAD_START_MS, virtual_start_ms


@given(st.integers(0, 1 << 46), st.integers(-100, 99))
def test_the_more_important_of_two_that_came_together_goes_first(ready_ms: int, priority: int) -> None:
    assert virtual_start_ms(ready_ms, priority + 1) < virtual_start_ms(ready_ms, priority)


@given(st.integers(0, 1 << 46))
def test_nothing_starves_the_least_important_precedes_the_most_important_that_comes_long_after(ready_ms: int) -> None:
    assert virtual_start_ms(ready_ms, -100) < virtual_start_ms(ready_ms + 200 * HEAD_START_MS + 1, 100)
