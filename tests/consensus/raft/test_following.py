"""What a follower says it has."""

from quorate.consensus.frames import Append, AppendReply
from quorate.consensus.raft.log import REGULAR
from tests.consensus.raft.solo import Solo


def holding(count: int) -> Solo:
    """Entries 2 and on of term 1, flushed and acknowledged to b."""
    solo = Solo().founded()
    solo.append("b", 1, (1, 0), [b"%d" % number for number in range(count)])
    solo.settle()
    assert solo.take(AppendReply)[-1].match == count + 1
    return solo


def test_what_another_leader_verified_is_not_verified_for_this_one() -> None:
    solo = holding(9)
    solo.append("c", 2, (3, 1), [], commit=10)
    solo.settle()
    assert solo.take(AppendReply, "c")[-1].match == 3
    assert solo.raft.commit_index == 3, "the rest of this log may be dead"
    solo.append("c", 2, (3, 1), [b"2", b"3"], commit=10)
    solo.settle()
    assert solo.applied == [b"0", b"1", b"2", b"3"]


def test_what_replaced_a_cut_tail_is_acknowledged_only_when_it_is_flushed_itself() -> None:
    solo = holding(9)
    solo.append("c", 2, (3, 1), [b"new %d" % number for number in range(7)])
    solo.step()
    assert solo.all(AppendReply, "c") == []
    assert solo.raft.flushed_index == 3
    solo.flush()
    assert solo.take(AppendReply, "c")[-1].match == 10


def test_a_cut_while_a_flush_is_under_way_is_not_covered_by_it() -> None:
    solo = Solo().founded()
    solo.append("b", 1, (1, 0), [b"%d" % number for number in range(9)])
    solo.step()
    assert solo.raft.flushing
    solo.append("c", 2, (3, 1), [b"new %d" % number for number in range(7)])
    solo.raft.flushed(solo.disk.finish_batch())
    assert solo.raft.flushed_index == 3
    assert solo.all(AppendReply, "c") == []
    solo.settle()
    assert solo.take(AppendReply, "c")[-1].match == 10


def test_a_term_is_acknowledged_only_when_it_is_flushed() -> None:
    """Otherwise a restart would forget it, and an older leader could cut what was acknowledged."""
    solo = holding(3)
    solo.append("c", 2, (4, 1), [])
    solo.step()
    assert solo.all(AppendReply, "c") == []
    solo.flush()
    assert solo.take(AppendReply, "c")[-1].term == 2


def test_a_fresh_probe_is_echoed_though_news_are_still_on_their_way_to_the_disk() -> None:
    solo = holding(3)
    solo.append("b", 1, (4, 1), [b"x"], probe=7)
    solo.step()
    (echo,) = solo.take(AppendReply)
    assert (echo.probe, echo.match) == (7, 4)
    solo.flush()
    assert solo.take(AppendReply)[-1].match == 5


def test_heartbeats_are_answered_while_the_disk_is_slow_but_only_with_what_is_flushed() -> None:
    solo = holding(3)
    solo.append("b", 1, (4, 1), [b"x"])
    solo.step()
    assert solo.all(AppendReply, "b") == []
    for _ in range(3):
        solo.now += 0.25
        solo.append("b", 1, (5, 1), [])
        solo.step()
        assert [reply.match for reply in solo.take(AppendReply)] == [4]
    solo.flush()
    assert solo.take(AppendReply)[-1].match == 5


def test_one_jump_back_reaches_what_is_surely_common() -> None:
    solo = holding(9)
    solo.append("b", 1, (10, 1), [], commit=4)
    solo.settle()
    solo.sent.clear()
    solo.append("c", 5, (9, 4), [b"x"])
    solo.settle()
    (reply,) = solo.take(AppendReply, "c")
    assert (reply.ok, reply.match) == (False, 4)
    solo.append("c", 5, (50, 4), [b"x"])
    solo.settle()
    (reply,) = solo.take(AppendReply, "c")
    assert (reply.ok, reply.match) == (False, 10), "its own end"
    assert solo.raft.last_index == 10


def test_what_contradicts_the_committed_is_refused_and_counted() -> None:
    solo = holding(9)
    solo.append("b", 1, (10, 1), [], commit=8)
    solo.settle()
    solo.deliver("c", Append(2, 5, 1, 9, 0, 0, [(REGULAR + b"x", 6, 2)]))
    solo.settle()
    assert solo.raft.counters["contradictions"] == 1
    assert solo.raft.last_index == 10
    assert solo.applied == [b"%d" % number for number in range(7)]


def test_appends_that_overlap_what_was_compacted_are_taken_from_where_the_log_begins() -> None:
    solo = Solo().founded()
    items = [b"%d" % number for number in range(100)]
    solo.append("b", 1, (1, 0), items, commit=101)
    solo.settle()
    assert solo.raft.first_index > 50
    solo.append("b", 1, (40, 1), [*items[39:], b"more"], commit=102)
    solo.settle()
    assert solo.applied == [*items, b"more"]
    assert solo.take(AppendReply)[-1].match == 102
