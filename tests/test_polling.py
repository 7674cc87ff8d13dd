"""The waiting that all other tests rest on."""

import asyncio

import pytest

from tests.polling import eventually, eventually_async


def test_a_fact_that_comes_true_is_returned() -> None:
    looks = iter([0, 0, 7])
    assert eventually(lambda: next(looks), within_s=5, what="a seven") == 7


def test_a_fact_that_stays_away_fails_with_its_name_and_what_was_seen() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: a leader \(last seen: None\)"):
        eventually(lambda: None, within_s=0.02, what="a leader")


def test_an_assertion_inside_the_look_means_not_yet() -> None:
    looks = iter([False, True])

    def look() -> str:
        assert next(looks), "still following"
        return "leader"

    assert eventually(look, within_s=5, what="a leader") == "leader"


def test_any_other_exception_ends_the_wait_at_once() -> None:
    def look() -> bool:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        eventually(look, within_s=60, what="an answer")


async def test_the_async_wait_leaves_the_loop_free_for_what_it_waits_for() -> None:
    happened = asyncio.Event()
    asyncio.get_running_loop().call_soon(happened.set)

    async def look() -> bool:
        return happened.is_set()

    assert await eventually_async(look, within_s=5, what="the event")


async def test_the_async_wait_ends_a_look_that_hangs() -> None:
    async def look() -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(AssertionError, match=r"not within 0\.02 s: an answer \(last seen: 'no answer'\)"):
        await eventually_async(look, within_s=0.02, what="an answer")


async def test_a_timeout_of_the_look_itself_is_not_mistaken_for_the_deadline() -> None:
    async def look() -> bool:
        raise TimeoutError("the peer did not answer")

    with pytest.raises(TimeoutError, match="the peer did not answer"):
        await eventually_async(look, within_s=60, what="an answer")
