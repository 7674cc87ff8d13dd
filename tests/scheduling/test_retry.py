"""When a failed attempt is tried again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling import ulid
from quorate.scheduling.retry import is_retried, next_retry_ms, retry_delay_ms
from quorate.scheduling.task import Retry

TASK = ulid.make(1, 2)


@given(st.integers(1, 10_000))
def test_without_a_schedule_the_delay_doubles_from_one_second_to_three_hundred(nth: int) -> None:
    ceiling_ms = min(300_000, 1_000 * 2 ** min(nth, 20))
    assert ceiling_ms / 2 <= retry_delay_ms(Retry(max=9), TASK, nth) <= ceiling_ms


def test_a_crowd_that_failed_together_comes_back_apart() -> None:
    delays = {retry_delay_ms(Retry(max=9), ulid.make(1, n), 5) // 100 for n in range(1_000)}
    assert len(delays) > 100


def test_the_delay_is_the_same_on_every_peer() -> None:
    assert [retry_delay_ms(Retry(max=9), TASK, nth) for nth in (1, 2, 12)] == [1951, 3863, 284718]


def test_row_n_of_the_schedule_is_the_delay_before_retry_n_and_the_last_repeats() -> None:
    rows = Retry(max=9, schedule=(0.5, 2, 7))
    assert [retry_delay_ms(rows, TASK, nth) for nth in (1, 2, 3, 4, 99)] == [500, 2_000, 7_000, 7_000, 7_000]


@pytest.mark.parametrize("row_s", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_a_delay_is_a_finite_number_whatever_the_schedule_says(row_s: float) -> None:
    assert 0 <= retry_delay_ms(Retry(max=1, schedule=(row_s,)), TASK, 1) <= 366 * 24 * 3_600_000


def test_only_listed_types_of_errors_are_retried_and_all_if_none_is_listed() -> None:
    assert is_retried(Retry(max=1, on=("GatewayDown",)), "GatewayDown")
    assert not is_retried(Retry(max=1, on=("GatewayDown",)), "ValueError")
    assert is_retried(Retry(max=1), "ValueError")


def test_max_counts_retries_not_attempts() -> None:
    retry = Retry(max=2, schedule=(1,))
    assert [next_retry_ms(retry, TASK, failures, "E") for failures in (1, 2, 3)] == [1_000, 1_000, None]
    assert next_retry_ms(None, TASK, 1, "E") is None
    assert next_retry_ms(Retry(max=2, on=("F",)), TASK, 1, "E") is None
