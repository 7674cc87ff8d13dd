"""The user's own handlers on simulated peers."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import quorate
from quorate.netsim.scenario import MAX_PEERS
from quorate.testing import Cluster, Handle
from tests.quorate.testing import shop


def test_handlers_run_for_real_and_give_their_result(cluster: Cluster) -> None:
    cluster.register(shop)
    assert cluster.submit(shop.double, 21).result() == 42
    typed: Handle[int] = cluster.submit(shop.double, n=2)
    assert typed.result() == 4


def test_virtual_time_costs_no_real_time(cluster: Cluster) -> None:
    cluster.register(shop.wait)
    began, virtual = time.monotonic(), cluster.now
    assert cluster.options(timeout=0).submit(shop.wait, 300.0).result(timeout=400) == 300.0
    assert cluster.now - virtual >= 300
    assert time.monotonic() - began < 60


def test_the_context_is_the_production_class_and_tells_the_attempt(cluster: Cluster) -> None:
    seen: list[Any] = []

    @quorate.task("t.look", timeout=30)
    def look(**args: int) -> None:
        context = quorate.current()
        assert isinstance(context, quorate.Context)
        seen.extend([context.handler, context.attempt, context.fence, context.args, dict(context.labels)])
        seen.extend([context.namespace, context.principal, round(context.deadline.remaining_s)])
        assert context.deadline.at is not None
        assert abs(context.deadline.at - datetime(2025, 6, 15, 15, 7, tzinfo=UTC)) < timedelta(minutes=5)

    cluster.register(look)
    handle = cluster.options(labels={"color": "red"}).submit(look, n=1)
    handle.result()
    assert seen == ["t.look", 1, handle.info().fence, {"n": 1}, {"color": "red"}, "default", "test", 30]


def test_what_an_attempt_stages_comes_about_with_its_success_and_results_reach_dependants(cluster: Cluster) -> None:
    @quorate.task("t.sum")
    def total(parts: list[int]) -> int:
        cluster.effect("total", result=sum(quorate.current().results.values()))
        return sum(parts)

    @quorate.task("t.plan")
    def plan() -> str:
        one, two = shop.double.submit(1), shop.double.submit(2)
        parts = [{"$result": one.id}, {"$result": two.id}]
        return quorate.current().submit(total.options(after=[one, two]), parts).id

    @quorate.task("t.broken")
    def broken() -> None:
        shop.double.submit(3)
        raise ValueError("after staging")

    cluster.register(shop, plan, total, broken)
    planned: str = cluster.submit(plan).result()
    cluster.run_until(lambda: cluster.info(planned).has_ended)
    assert cluster.info(planned).result == 6
    assert [effect.facts for effect in cluster.effects("total")] == [{"result": 6}]
    failed = cluster.submit(broken).exception()
    assert isinstance(failed, quorate.TaskFailed)
    assert (failed.type, failed.message) == ("ValueError", "after staging")
    assert "in broken" in failed.traceback


def test_a_failed_attempt_is_tried_again_as_its_decorator_says(cluster: Cluster) -> None:
    attempts: list[int] = []

    @quorate.task("t.flaky", retry=quorate.Retry(max=3, schedule=(2.0,), on=("ConnectionError",)))
    def flaky() -> int:
        attempts.append(quorate.current().attempt)
        if len(attempts) < 3:
            raise ConnectionError
        return len(attempts)

    cluster.register(flaky)
    began = cluster.now
    assert cluster.submit(flaky).result() == 3
    assert attempts == [1, 2, 3]
    assert cluster.now - began >= 4


def test_a_cancelled_attempt_is_told_and_its_result_refused(cluster: Cluster) -> None:
    cluster.register(shop)
    handle = cluster.submit(shop.wait, 100.0)
    cluster.run(1)
    assert handle.state is quorate.State.RUNNING
    assert handle.cancel("changed my mind")
    cluster.run(1)
    with pytest.raises(quorate.TaskCancelled, match="changed my mind"):
        handle.result()


def test_out_of_time_is_a_failure_at_once_though_the_handler_goes_on(cluster: Cluster) -> None:
    @quorate.task("t.slow", timeout=2)
    def slow() -> None:
        quorate.current().sleep(0.5)
        cluster.outside(lambda: None)
        while quorate.current().cancelled.reason == "":
            quorate.current().sleep(0.1)
        cluster.effect("told", reason=quorate.current().cancelled.reason)

    cluster.register(slow)
    failed = cluster.submit(slow).exception()
    assert isinstance(failed, quorate.TaskFailed)
    assert failed.type == "TimeoutError"
    cluster.run(1)
    assert [effect.facts for effect in cluster.effects("told")] == [{"reason": "timeout"}]


def test_a_handler_that_only_looks_whether_it_should_stop_lets_time_pass(cluster: Cluster) -> None:
    @quorate.task("t.spin")
    def spin() -> None:
        while not quorate.current().cancelled:
            cluster.random.random()

    cluster.register(spin)
    handle = cluster.submit(spin)
    cluster.run(0.5)
    assert handle.cancel()
    cluster.run(0.5)
    assert handle.done()


def test_a_repeated_key_is_the_first_task_and_other_contents_are_refused(cluster: Cluster) -> None:
    cluster.register(shop)
    first = cluster.options(key="k").submit(shop.double, 1)
    again = cluster.options(key="k").submit(shop.double, 1)
    assert (again.id, again.result()) == (first.id, 2)
    with pytest.raises(quorate.Refused) as refused:
        cluster.options(key="k").submit(shop.double, 2)
    assert refused.value.status == 422


def test_what_http_would_refuse_is_refused_with_the_same_words(cluster: Cluster) -> None:
    cluster.register(shop)
    with pytest.raises(quorate.Refused, match=r"priority") as refused:
        cluster.options(priority=1_000).submit(shop.double, 1)
    assert (refused.value.status, refused.value.field) == (400, "priority")
    with pytest.raises(quorate.Refused, match=r"cluster\.register"):
        cluster.submit("shop.nobody")
    with pytest.raises(TypeError):
        cluster.submit(shop.double, 1, 2)  # type: ignore[call-overload]
    both = cluster.submit_many([shop.double.request(1) | {"ref": "a"}, shop.double.request(2) | {"after": ["a"]}])
    assert [handle.result() for handle in both] == [2, 4]
    assert "shop.nobody" not in cluster.story()


def test_waiting_ends_by_a_timeout_that_says_where_the_task_is(cluster: Cluster) -> None:
    cluster.register(shop)
    handle = cluster.submit(shop.wait, 100.0)
    with pytest.raises(TimeoutError, match=r"running, attempt 1 on [abc]"):
        handle.result(timeout=5)
    with pytest.raises(TimeoutError, match="did not come true"):
        cluster.run_until(lambda: False, timeout=1)


def test_async_handlers_live_in_virtual_time(cluster: Cluster) -> None:
    @quorate.task("t.async")
    async def fan_out(n: int) -> list[int]:
        async def part(k: int) -> int:
            await asyncio.sleep(k)
            cluster.effect("part", k=k)
            return await asyncio.to_thread(lambda: k * k)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), 1)
        return await asyncio.gather(*(part(k) for k in range(n)))

    cluster.register(fan_out)
    began = cluster.now
    handle: Handle[list[int]] = cluster.submit(fan_out, 4)
    assert handle.result() == [0, 1, 4, 9]
    assert 4 <= cluster.now - began < 5
    assert [effect.facts["k"] for effect in cluster.effects("part")] == [0, 1, 2, 3]


def test_a_cancelled_async_handler_is_cancelled_as_asyncio_code_expects(cluster: Cluster) -> None:
    ends: list[str] = []

    @quorate.task("t.forever")
    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append(quorate.current().cancelled.reason)
            raise

    cluster.register(forever)
    handle = cluster.submit(forever)
    cluster.run(1)
    handle.cancel()
    cluster.run(1)
    assert ends == ["cancelled"]


def test_builtin_handlers_that_touch_nothing_outside_are_there(cluster: Cluster) -> None:
    assert cluster.submit("builtin.echo", a=1).result() == {"a": 1}
    assert cluster.submit("builtin.sleep", seconds=2).result() is None
    assert cluster.options(retry={"max": 1, "schedule": [0.1]}).submit("builtin.fail", times=1).result() == {
        "attempt": 2
    }


@pytest.mark.quorate(peers=5)
def test_a_mark_says_how_many_peers_there_are(cluster: Cluster) -> None:
    assert cluster.peers == ("a", "b", "c", "d", "e")
    cluster.run(0)
    assert cluster.leader in cluster.peers


def test_values_that_make_no_sense_are_refused_by_name(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="expected 1 to 9"):
        Cluster(peers=MAX_PEERS + 1)
    with pytest.raises(ValueError, match="expected some of a, b, c"):
        cluster.kill("z")
    with pytest.raises(ValueError, match="expected some of a, b, c"):
        cluster.freeze()
    with pytest.raises(ValueError, match="expected some of bit_rot"):
        cluster.fault("earthquake", "a")
    with pytest.raises(ValueError, match="amount of kill_at: got None, expected one of"):
        cluster.fault("kill_at", "a")
    with pytest.raises(ValueError, match="expected a number from 0 to 600"):
        cluster.fault("slow_link", "a", amount="much")
    with pytest.raises(ValueError, match="runs"):
        cluster.restart("a")
    with pytest.raises(ValueError, match="virtual seconds"):
        cluster.run(-1)
    with pytest.raises(ValueError, match="least, most"):
        cluster.latency = (2, 1)
