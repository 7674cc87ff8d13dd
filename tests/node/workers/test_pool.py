"""The pool: every attempt is reported once, in time, and nothing a handler does harms the loop."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from quorate.scheduling.task import Failed, Returned
from tests.node.workers.handlers import GATES
from tests.node.workers.pools import error_type, value_of, watched_pool
from tests.polling import eventually


def close_gate(name: str) -> threading.Event:
    GATES[name] = threading.Event()
    return GATES[name]


async def test_an_ending_is_reported_once_on_the_loop_and_not_from_inside_start() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.add", {"a": 1})
        assert not watched.endings
        assert value_of(await watched.ending(attempt)) == 2
        await watched.pool.stop(1.0)
        assert len(watched.endings[attempt.task, attempt.fence]) == 1


async def test_a_handler_unknown_here_fails_by_name_and_not_from_inside_start() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("nobody.knows")
        assert not watched.endings
        assert error_type(await watched.ending(attempt)) == "UnknownHandler"


async def test_a_burst_of_endings_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wake_ups: list[object] = []
    real = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: object) -> asyncio.Handle:
        wake_ups.append(callback)
        return real(callback, *args)

    async with watched_pool(threads=(1, 1)) as watched:
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        attempts = [watched.start("t.add", {"a": n}) for n in range(200)]
        last = attempts[-1]
        # The loop is kept from looking until the worker has ended them all.
        done = watched.pool._threads._done
        eventually(lambda: len(done) == 200, within_s=20, what="all have ended")
        assert len(wake_ups) == 1
        assert value_of(await watched.ending(last)) == 200
        assert all(len(endings) == 1 for endings in watched.endings.values())


async def test_blocking_work_is_given_threads_up_to_the_bound_and_no_further() -> None:
    async with watched_pool(threads=(1, 4)) as watched:
        gate = close_gate("a")
        attempts = [watched.start("t.gate", {"name": "a"}) for _ in range(6)]
        await watched.until(lambda: watched.pool.busy == 4, "four handlers run at once")
        assert watched.pool.queued == 2
        assert watched.pool.threads == 4
        gate.set()
        for attempt in attempts:
            assert value_of(await watched.ending(attempt)) == "a"


async def test_threads_nobody_needed_for_a_while_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.node.workers.lane.SHRINK_AFTER_S", 0.05)
    async with watched_pool(threads=(1, 4)) as watched:
        gate = close_gate("a")
        attempts = [watched.start("t.gate", {"name": "a"}) for _ in range(4)]
        await watched.until(lambda: watched.pool.busy == 4, "four handlers run at once")
        gate.set()
        for attempt in attempts:
            await watched.ending(attempt)
        await watched.until(lambda: watched.pool.threads == 1, "the pool is back at its lower bound")
        assert value_of(await watched.run("t.add", {"a": 1})) == 2


async def test_an_attempt_out_of_time_is_told_and_reported_at_once_and_its_late_result_is_discarded() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        gate = close_gate("deaf")
        began = time.monotonic()
        attempt = watched.start("t.gate", {"name": "deaf"}, timeout_s=0.1)
        ending = await watched.ending(attempt)
        assert error_type(ending) == "TimeoutError"
        assert time.monotonic() - began < 5
        assert watched.pool.written_off == 1
        # Its thread is replaced although the bound is one.
        assert value_of(await watched.run("t.add", {"a": 1})) == 2
        gate.set()
        await watched.until(lambda: watched.pool.written_off == 0, "the deaf handler ended")
        assert watched.endings[attempt.task, attempt.fence] == [ending]


async def test_an_attempt_without_timeout_is_left_alone_while_another_runs_out() -> None:
    async with watched_pool(threads=(2, 2)) as watched:
        gate = close_gate("long")
        patient = watched.start("t.gate", {"name": "long"}, timeout_s=0)
        assert error_type(await watched.run("t.wait", timeout_s=0.05)) == "TimeoutError"
        gate.set()
        assert value_of(await watched.ending(patient)) == "long"


async def test_time_in_the_queue_does_not_count_as_time_of_the_attempt() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        gate = close_gate("first")
        first = watched.start("t.gate", {"name": "first"})
        second = watched.start("t.add", {"a": 1}, timeout_s=0.05)
        overdue = watched.start("t.wait", timeout_s=0.05)
        over = time.monotonic() + 0.2
        await watched.until(lambda: time.monotonic() > over and watched.pool.queued == 2, "their time would be over")
        assert not watched.endings
        gate.set()
        assert value_of(await watched.ending(first)) == "first"
        assert value_of(await watched.ending(second)) == 2
        assert error_type(await watched.ending(overdue)) == "TimeoutError"


async def test_too_many_written_off_handlers_close_the_pool_until_some_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.node.workers.pool.STRAYS_MAX", 2)
    async with watched_pool(threads=(2, 2)) as watched:
        gate = close_gate("deaf")
        for _ in range(3):
            assert error_type(await watched.run("t.gate", {"name": "deaf"}, timeout_s=0.05)) == "TimeoutError"
        assert watched.pool.saturated
        assert (watched.pool.capacity, watched.pool.capacity_ahead, watched.pool.places) == (0, 0, 0)
        assert await watched.run("t.add", {"a": 1}) == Returned("saturated")
        gate.set()
        await watched.until(lambda: not watched.pool.saturated, "the deaf handlers ended")
        assert watched.pool.capacity > 0
        assert value_of(await watched.run("t.add", {"a": 1})) == 2


async def test_a_cancelled_handler_is_told_why_and_its_stop_is_no_failure() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.wait")
        await watched.until(lambda: watched.pool.busy == 1 and watched.pool.queued == 0, "it runs")
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")


async def test_cancelling_reaches_no_other_attempt_of_the_task() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.nap", {"seconds": 0.1})
        watched.pool.cancel(attempt.task, attempt.fence + 1)
        assert value_of(await watched.ending(attempt)) is True


async def test_an_attempt_cancelled_in_the_queue_never_runs() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        gate = close_gate("first")
        watched.start("t.gate", {"name": "first"})
        waiting = watched.start("t.add", {"a": 1})
        watched.pool.cancel(waiting.task, waiting.fence)
        gate.set()
        assert await watched.ending(waiting) == Returned("cancelled")


async def test_a_sleeping_handler_wakes_when_it_is_cancelled() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.nap", {"seconds": 3600})
        await watched.begun(attempt)
        watched.pool.cancel(attempt.task, attempt.fence)
        assert value_of(await watched.ending(attempt)) is False


async def test_an_async_handler_is_cancelled_as_asyncio_code_expects() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.async_wait")
        await watched.until(lambda: watched.pool.queued == 0, "it runs")
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")


async def test_a_lost_session_is_told_to_every_running_handler_and_what_they_return_is_offered_all_the_same() -> None:
    async with watched_pool(threads=(2, 2)) as watched:
        attempts = [watched.start("t.wait_lost") for _ in range(2)]
        await watched.begun(*attempts)
        watched.pool.lose()
        for attempt in attempts:
            assert value_of(await watched.ending(attempt)) == "finished all the same"


async def test_what_no_thread_has_taken_can_be_handed_back_and_is_not_reported() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        gate = close_gate("first")
        first = watched.start("t.gate", {"name": "first"})
        await watched.until(lambda: watched.pool.queued == 0, "the first runs")
        waiting = [watched.start("t.add", {"a": n}) for n in range(3)]
        assert watched.pool.hand_back_queued() == [(attempt.task, attempt.fence) for attempt in waiting]
        assert (watched.pool.queued, watched.pool.busy) == (0, 1)
        gate.set()
        await watched.ending(first)
        assert list(watched.endings) == [(first.task, first.fence)]


async def test_what_was_claimed_ahead_of_short_tasks_is_returned_when_long_ones_hold_every_thread() -> None:
    async with watched_pool(threads=(1, 2)) as watched:
        gate = close_gate("long")
        long = [watched.start("t.gate", {"name": "long"}) for _ in range(2)]
        waiting = [watched.start("t.add", {"a": n}) for n in range(3)]
        for attempt in waiting:
            assert await watched.ending(attempt) == Returned("no_free_thread")
        gate.set()
        for attempt in long:
            assert value_of(await watched.ending(attempt)) == "long"


async def test_more_than_the_pool_can_ever_use_is_returned_instead_of_queued() -> None:
    async with watched_pool(threads=(1, 1), processes=1) as watched:
        gate = close_gate("long")
        for _ in range(watched.pool.held_max):
            watched.start("t.gate", {"name": "long"})
        assert watched.pool.capacity == 0
        assert await watched.run("t.add", {"a": 1}) == Returned("full")
        gate.set()


async def test_a_stopping_pool_finishes_what_runs_and_returns_what_waits() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        running = watched.start("t.nap", {"seconds": 0.2})
        await watched.until(lambda: watched.pool.queued == 0, "the first runs")
        waiting = watched.start("t.add", {"a": 1})
        await watched.pool.stop(10.0)
        assert value_of(await watched.ending(running)) is True
        assert await watched.ending(waiting) == Returned("draining")
        assert await watched.run("t.add", {"a": 1}) == Returned("draining")


async def test_a_stopping_pool_keeps_its_limit_whatever_handlers_do() -> None:
    async with watched_pool(threads=(2, 2)) as watched:
        close_gate("deaf")
        deaf = watched.start("t.gate", {"name": "deaf"})
        polite = watched.start("t.wait")
        await watched.until(lambda: watched.pool.queued == 0, "both run")
        began = time.monotonic()
        await watched.pool.stop(0.5)
        assert time.monotonic() - began < 3
        assert await watched.ending(deaf) == Returned("draining")
        assert await watched.ending(polite) == Returned("draining")


async def test_a_pool_holds_ahead_of_its_threads_only_while_tasks_are_short() -> None:
    async with watched_pool(threads=(1, 1)) as watched:
        assert watched.pool.capacity_ahead == 0
        for _ in range(20):
            await watched.run("t.add", {"a": 1})
        assert watched.pool.capacity_ahead > 10
        assert watched.pool.mean_run_ms("t.add") is not None
        gate = close_gate("long")
        watched.start("t.gate", {"name": "long"})
        watched.start("t.add", {"a": 1})
        await watched.until(lambda: watched.pool.capacity_ahead == 0, "the stall is noticed before anything ended")
        gate.set()


async def test_a_timeout_and_the_end_at_the_same_moment_are_one_ending() -> None:
    async with watched_pool(threads=(4, 4)) as watched:
        attempts = [watched.start("t.nap", {"seconds": 0.02}, timeout_s=0.02) for _ in range(40)]
        for attempt in attempts:
            ending = await watched.ending(attempt)
            assert isinstance(ending, Failed) or value_of(ending) in {True, False}
        await watched.until(lambda: watched.pool.written_off == 0, "all threads are back")
        assert all(len(endings) == 1 for endings in watched.endings.values())
        assert len(watched.endings) == 40
