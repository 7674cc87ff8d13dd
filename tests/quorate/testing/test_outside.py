"""What handlers do outside the cluster: recorded, fenced, and safe from misuse."""

import asyncio
import threading

import pytest

import quorate
from quorate.testing import Cluster, HandlerStuck, StaleFence, WrongThread
from quorate.testing import strand as strands


def test_a_ledger_refuses_a_fence_lower_than_one_it_was_shown_for_good(cluster: Cluster) -> None:
    bank = cluster.ledger("bank")
    assert bank.look("o-1", fence=2) == []
    with pytest.raises(StaleFence, match="fence 1 is stale, 2 was shown"):
        bank.add("o-1", fence=1, cents=5)
    with pytest.raises(StaleFence):
        bank.look("o-1", fence=1)
    bank.add("o-1", fence=2, cents=7)
    bank.add("o-2", fence=1, cents=8)
    bank.add("o-1", cents=9)
    assert cluster.ledger("bank").look("o-1") == [{"cents": 7}, {"cents": 9}]
    assert [effect.name for effect in cluster.effects()][:3] == ["bank.look", "bank.refused", "bank.refused"]


def test_a_call_outside_takes_time_happens_once_and_raises_what_it_raises(cluster: Cluster) -> None:
    calls: list[float] = []

    def decline(cents: int) -> None:
        calls.append(cluster.now)
        raise LookupError(f"no such card for {cents}")

    @quorate.task("t.pay")
    def pay() -> None:
        cluster.outside(decline, cents=5)

    cluster.register(pay)
    cluster.latency = (2.0, 2.0)
    began = cluster.now
    failed = cluster.submit(pay).exception()
    assert isinstance(failed, quorate.TaskFailed)
    assert (failed.type, failed.message) == ("LookupError", "no such card for 5")
    assert len(calls) == 1
    assert began + 2 <= calls[0] <= cluster.now - 2


def test_an_effect_within_a_call_outside_is_told_of_the_attempt_that_called(cluster: Cluster) -> None:
    @quorate.task("t.pay")
    def pay() -> None:
        cluster.outside(lambda: cluster.effect("paid", cents=5))

    cluster.register(pay)
    handle = cluster.submit(pay)
    handle.result()
    (paid,) = cluster.effects("paid")
    assert (paid.task, paid.attempt, paid.fence, paid.facts) == (handle.id, 1, handle.info().fence, {"cents": 5})
    cluster.effect("seen", by="the test")
    assert cluster.effects("seen")[0].task == ""


def test_a_handler_cannot_let_time_pass_but_may_reach_the_cluster_from_outside(cluster: Cluster) -> None:
    refused: list[str] = []

    @quorate.task("t.meddle")
    def meddle() -> None:
        for misuse in (lambda: cluster.run(1), cluster.heal, lambda: cluster.submit("builtin.noop")):
            try:
                misuse()
            except WrongThread as error:
                refused.append(str(error))
        cluster.outside(cluster.freeze, "a", for_s=0.5)

    cluster.register(meddle)
    cluster.submit(meddle).result()
    assert len(refused) == 3
    assert "inside a handler" in refused[0]
    assert "fault: a stopped" in cluster.story()


def test_a_thread_that_a_handler_starts_is_told_that_it_has_no_part_in_virtual_time(cluster: Cluster) -> None:
    refused: list[BaseException] = []

    @quorate.task("t.thread")
    def threaded() -> None:
        context = quorate.current()

        def use() -> None:
            for misuse in (lambda: context.sleep(1), lambda: cluster.effect("x")):
                try:
                    misuse()
                except WrongThread as error:
                    refused.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()

    cluster.register(threaded)
    cluster.submit(threaded).result()
    assert len(refused) == 2
    assert cluster.effects() == []


def test_a_handler_that_never_touches_its_context_is_stopped_and_the_test_told_where_it_stood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strands, "PATIENCE_S", 0.3)
    before = set(threading.enumerate())

    @quorate.task("t.loop")
    def endless() -> None:
        n = 0
        while True:
            n += 1

    with Cluster(1) as cluster:
        cluster.register(endless)
        with pytest.raises(HandlerStuck, match=r"(?s)t\.loop .*0\.3 real seconds.*in endless"):
            cluster.submit(endless).result()
    assert set(threading.enumerate()) <= before


def test_a_handler_that_waits_for_something_real_is_told_once_and_left_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strands, "PATIENCE_S", 0.3)
    monkeypatch.setattr(strands, "AFTER_A_STOP_S", 0.1)
    real, over = threading.Event(), threading.Event()

    @quorate.task("t.real")
    def waits() -> None:
        try:
            real.wait()
        finally:
            over.set()

    with Cluster(1) as cluster:
        cluster.register(waits)
        with pytest.raises(HandlerStuck, match="in waits"):
            cluster.submit(waits).result()
    real.set()
    assert over.wait(30)


def test_no_thread_outlives_its_cluster() -> None:
    before = set(threading.enumerate())

    @quorate.task("t.wait")
    def wait() -> None:
        quorate.current().sleep(1_000)

    @quorate.task("t.await")
    async def awaits() -> None:
        await asyncio.gather(asyncio.sleep(1_000), asyncio.sleep(1_000))

    with Cluster(1) as cluster:
        cluster.register(wait, awaits)
        for _ in range(3):
            cluster.submit(wait)
            cluster.submit(awaits)
        cluster.run(1)
        assert len(set(threading.enumerate()) - before) == 6
        cluster.kill("a")
    assert set(threading.enumerate()) <= before
