"""Holes of PySyncObj 0.3.17 in applying and answering: wrong on the stock engine, right on ours."""

import pytest

from quorate.consensus.frames import Append, AskIndex, ReadIndex
from tests.consensus.raft.solo import Solo
from tests.consensus.raft.stock import StockPeer


def test_s6_stock_takes_the_answer_to_an_earlier_life_for_its_own() -> None:
    before = StockPeer()
    before.append("b", term=1, previous=(1, 0), items=[])
    before.sync.put("A")
    before.tick()
    (asked,) = before.sent("apply_command")

    after = StockPeer()  # the same peer after kill -9
    after.append("b", term=1, previous=(1, 0), items=[])
    answers: list[int] = []
    after.sync.put("B", callback=lambda _result, error: answers.append(error))
    after.tick()  # B is forwarded into a connection that dies
    after.deliver("b", type="apply_command_response", request_id=1, log_idx=2, log_term=1)
    after.append("b", term=1, previous=(1, 0), items=["A"], commit=2)
    after.tick()
    assert asked["type"] == "apply_command"
    assert after.sync.items == ["A"]
    assert answers == [0], "B is answered with success and is nowhere"


def test_s6_ours_forwards_nothing_and_believes_no_answer_to_another_life() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [])
    ours.settle()
    assert not ours.raft.propose(b"B"), "surely in no log"
    assert ours.raft.last_index == 1
    earlier = Solo().founded()
    earlier.append("b", 1, (1, 0), [])
    earlier.settle()
    earlier.raft.read_index(lambda _index: None)
    earlier.settle()
    (question,) = earlier.take(AskIndex)

    again = Solo(disk=earlier.disk).greeted()
    again.append("b", 1, (1, 0), [])
    again.settle()
    answers: list[int | None] = []
    again.raft.read_index(answers.append)
    again.settle()
    (asked,) = again.take(AskIndex)
    assert asked.request != question.request
    again.deliver("b", ReadIndex(question.request, 1))
    assert answers == []
    again.deliver("b", ReadIndex(asked.request, 1))
    assert answers == [1]


def test_s9_stock_runs_a_poison_command_again_and_again() -> None:
    stock = StockPeer(peers=1)
    stock.tick(5.0)
    stock.sync.fail()
    stock.sync.put("after it")
    stock.tick()
    for _ in range(5):
        with pytest.raises(ValueError, match="poison"):
            stock.tick()
    assert stock.sync.items == ["half of it"] * 5


def test_s9_ours_stops_rather_than_run_an_entry_twice() -> None:
    ours = Solo().founded()
    ours.poison = b"bad"
    ours.append("b", 1, (1, 0), [b"good", b"bad", b"after it"], commit=4)
    with pytest.raises(ValueError, match="poison"):
        ours.settle()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="entry 3 could not be applied"):
            ours.step()
    assert ours.applied == [b"good", b"bad"]


def test_s10_stock_applies_twice_when_a_callback_raises() -> None:
    def broken(_result: object, _error: object) -> None:
        raise RuntimeError("the caller has gone")

    stock = StockPeer(peers=1)
    stock.tick(5.0)
    stock.sync.put("once", callback=broken)
    stock.tick()
    with pytest.raises(RuntimeError, match="gone"):
        stock.tick()
    stock.tick()
    assert stock.sync.items == ["once", "once"]


def test_s10_ours_applies_once_though_an_answer_raises() -> None:
    def broken(_index: int | None) -> None:
        raise RuntimeError("the caller has gone")

    ours = Solo(peers=1)
    ours.settle()
    assert ours.raft.propose(b"once")
    ours.settle()
    ours.raft.read_index(broken)
    with pytest.raises(RuntimeError, match="gone"):
        ours.settle()
    ours.settle()
    assert ours.raft.propose(b"twice")
    ours.settle()
    assert ours.applied == [b"once", b"twice"]


def test_s11_stock_applies_what_follows_an_unknown_version_twice() -> None:
    stock = StockPeer()
    version = b"\x03" + stock.module.pickle.dumps(99)
    entries = [(version, 2, 1), (stock.command("x"), 3, 1)]
    message = {"term": 1, "commit_index": 3, "entries": entries, "prevLogIdx": 1, "prevLogTerm": 0}
    stock.deliver("b", type="append_entries", **message)
    stock.tick()
    stock.tick()
    assert stock.sync.items == ["x", "x"]


def test_s11_ours_knows_no_versions() -> None:
    ours = Solo().founded()
    entries = [(b"\x03anything", 2, 1), (b"\x00x", 3, 1), (b"\x07", 4, 1)]
    ours.deliver("b", Append(1, 1, 0, 4, 0, 0, entries))
    ours.settle()
    assert ours.applied == [b"x"]
    assert ours.raft.applied_index == 4


def test_l4_stock_raises_though_it_has_queued_the_command() -> None:
    stock = StockPeer(appendEntriesUseBatch=False)
    queue = stock.private("commandsQueue")._FastQueue__queue

    def put_many() -> None:
        for _ in range(70_000):
            stock.sync.put(len(queue))

    with pytest.raises(BlockingIOError):
        put_many()
    last = stock.module.pickle.loads(queue[-1][0][1:])
    assert last[1] == (len(queue) - 1,), "refused, and queued all the same"


def test_l4_ours_takes_any_number_between_two_steps() -> None:
    ours = Solo(peers=1)
    ours.settle()
    first = ours.raft.last_index
    for _ in range(70_000):
        assert ours.raft.propose(b"")
    assert ours.raft.last_index == first + 70_000
