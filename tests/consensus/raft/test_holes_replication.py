"""Holes of PySyncObj 0.3.17 in replication: each scenario goes wrong on the stock engine and right on ours.

The numbers are those of the table in consensus/DESIGN.md.
"""

from quorate.consensus.frames import Append, AppendReply, SnapshotChunk, SnapshotReply
from tests.consensus.raft.solo import Solo, snapshot_file
from tests.consensus.raft.stock import StockPeer

DEAD = [b"dead 1", b"dead 2"]


def test_s1_stock_commits_its_own_dead_tail_when_a_snapshot_is_announced() -> None:
    stock = StockPeer()
    stock.append("b", term=1, previous=(1, 0), items=["dead 1", "dead 2"])
    stock.deliver("c", type="append_entries", term=2, commit_index=50, serialized=None)
    stock.tick()
    assert stock.sync.items == ["dead 1", "dead 2"], "never on a majority, and applied"


def test_s1_ours_commits_nothing_on_a_snapshot_chunk() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), DEAD)
    ours.settle()
    assert ours.raft.last_index == 3
    before = ours.raft.commit_index
    data = snapshot_file(50, 2, [(50, 2, b"x")], {})
    ours.deliver("c", SnapshotChunk(2, 50, 2, 0, len(data), data[:10], 0, 0))
    ours.settle()
    assert ours.raft.commit_index == before
    assert ours.applied == []


def test_s2_stock_cuts_entries_that_match_and_are_acknowledged() -> None:
    stock = StockPeer()
    items = list(range(8))
    stock.append("b", term=1, previous=(1, 0), items=items)
    assert stock.sent("next_node_idx")[-1] == {
        "type": "next_node_idx", "next_node_idx": 10, "reset": False, "success": True,
    }  # fmt: skip
    stock.append("b", term=1, previous=(1, 0), items=items[:4])
    assert stock.last_index == 5, "what it had acknowledged up to 9 is gone"


def test_s2_ours_keeps_what_matches_when_it_is_sent_again() -> None:
    ours = Solo().founded()
    items = [b"%d" % number for number in range(8)]
    ours.append("b", 1, (1, 0), items)
    ours.settle()
    assert ours.take(AppendReply)[-1].match == 9
    ours.append("b", 1, (1, 0), items[:4])
    ours.settle()
    assert ours.raft.last_index == 9
    assert ours.raft.counters["cuts"] == 0
    ours.append("c", 2, (3, 1), [b"other"])
    ours.settle()
    assert ours.raft.last_index == 4, "a real conflict does cut"


def _stock_snapshot(upto: int) -> bytes:
    """What a stock peer transmits whose state holds the numbers below `upto`."""
    source = StockPeer(peers=1)
    source.tick(5.0)
    for number in range(upto):
        source.sync.put(number)
        source.tick()
        source.tick()
    source.sync.forceLogCompaction()
    source.tick()
    source.tick()
    data, first, last = source.private("serializer").getTransmissionData("b")
    assert first
    assert not last
    return bytes(data)


def test_s8_stock_goes_back_when_an_old_snapshot_arrives() -> None:
    old = _stock_snapshot(5)
    stock = StockPeer()
    stock.append("b", term=1, previous=(1, 0), items=list(range(20)), commit=21)
    stock.tick()
    assert len(stock.sync.items) == 20
    for part in ((old, True, False), (b"", False, True)):
        stock.deliver("b", type="append_entries", term=1, commit_index=21, serialized=part)
    assert len(stock.sync.items) < 20
    assert stock.sync.raftLastApplied < 21, "acknowledged entries are applied no more"
    assert stock.last_index < 21


def test_s8_ours_never_goes_back() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [b"%d" % number for number in range(20)], commit=21)
    ours.settle()
    assert len(ours.applied) == 20
    data = snapshot_file(7, 1, [(2, 1, b"0")], {})
    ours.deliver("b", SnapshotChunk(1, 7, 1, 0, len(data), data, 0, 0))
    ours.settle()
    reply = ours.all(SnapshotReply)[-1]
    assert (reply.received, reply.index) == (-1, 21), "not needed"
    assert len(ours.applied) == 20
    assert ours.raft.applied_index == ours.raft.last_index == 21
    assert ours.installs == 0


def test_s8_ours_keeps_a_log_that_matches_beyond_the_snapshot() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [b"%d" % number for number in range(9)])
    ours.settle()
    assert ours.raft.applied_index == 1
    disks = ours.raft.hello().map
    data = snapshot_file(5, 1, [(at, 1, b"%d" % (at - 2)) for at in range(2, 6)], disks)
    ours.deliver("b", SnapshotChunk(1, 5, 1, 0, len(data), data, 0, 0))
    ours.settle()
    assert (ours.installs, ours.raft.applied_index, ours.raft.last_index) == (1, 5, 10)
    ours.append("b", 1, (10, 1), [], commit=10)
    ours.settle()
    assert ours.applied == [b"%d" % number for number in range(9)]


def test_s8_ours_lets_a_broken_snapshot_change_nothing() -> None:
    ours = Solo().founded()
    good = snapshot_file(30, 1, [(at, 1, b"%d" % at) for at in range(2, 31)], ours.raft.hello().map)
    for place in (0, 20, len(good) // 2, len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 0x10
        ours.deliver("b", SnapshotChunk(1, 30, 1, 0, len(bad), bytes(bad), 0, 0))
        ours.settle()
        assert ours.installs == 0
        assert ours.raft.applied_index == 1
        assert not [name for name in ours.disk.names() if name.startswith(("snapshot", "incoming"))]
    ours.deliver("b", SnapshotChunk(1, 30, 1, 0, len(good), good, 0, 0))
    ours.settle()
    assert (ours.installs, ours.raft.applied_index) == (1, 30)


def test_s14_stock_believes_an_acknowledgement_of_another_term() -> None:
    stock = StockPeer()
    stock.append("b", term=1, previous=(1, 0), items=list(range(8)))
    stock.become_leader()
    assert stock.sync.raftCurrentTerm == 2
    stale = {"type": "next_node_idx", "next_node_idx": 9, "reset": False, "success": True}
    stock.deliver("b", **stale)
    assert stock.index_of("b", "MatchIndex") == 8, "said before this term, about another leader's log"


def test_s14_ours_drops_what_belongs_to_another_term_or_flight() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [b"%d" % number for number in range(8)])
    ours.settle()
    ours.become_leader()
    ours.acknowledge("b", 10, term=1)
    ours.settle()
    assert ours.raft.commit_index == 1
    ours.raft.disconnected("b")
    old = max(message.epoch for message in ours.all(Append, "b"))
    ours.raft.connected("b")
    ours.settle()
    ours.acknowledge("b", 10, epoch=old)
    ours.settle()
    assert ours.raft.commit_index == 1, "a leftover of the connection before"
    ours.acknowledge("b", 10)
    ours.settle()
    assert ours.raft.commit_index == 10


def test_s14_ours_never_believes_more_than_it_has_sent() -> None:
    ours = Solo().founded()
    ours.become_leader()
    ours.acknowledge("b", 1_000)
    ours.settle()
    assert ours.raft.commit_index == 1


def test_l1_stock_lets_a_late_rejection_undo_the_correction() -> None:
    stock = StockPeer()
    stock.append("b", term=1, previous=(1, 0), items=list(range(80)))
    stock.become_leader()
    rejection = {"type": "next_node_idx", "reset": True, "success": False}
    stock.deliver("b", next_node_idx=10, **rejection)
    assert stock.index_of("b", "NextIndex") == 10
    stock.deliver("b", next_node_idx=60, **rejection)
    assert stock.index_of("b", "NextIndex") == 60, "the answer to a later message of the same flight"


def test_l1_ours_corrects_once_per_flight() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [b"%d" % number for number in range(80)])
    ours.settle()
    ours.become_leader()
    epoch = ours.take(Append, "b")[-1].epoch
    ours.reject("b", 9, epoch=epoch)
    ours.reject("b", 59, epoch=epoch)
    ours.settle()
    first = ours.take(Append, "b")[0]
    assert first.prev_index == 9
    assert first.epoch == epoch + 1
    assert ours.raft.counters["corrections"] == 1


def test_l2_stock_says_nothing_to_a_leader_of_an_older_term() -> None:
    stock = StockPeer()
    stock.append("b", term=5, previous=(1, 0), items=[])
    stock.outbox.sent.clear()
    stock.append("c", term=4, previous=(1, 0), items=[1])
    assert stock.outbox.sent == [], "the leader of term 4 never learns why nobody answers"


def test_l2_ours_tells_an_old_leader_the_newer_term_and_it_steps_down() -> None:
    ours = Solo().founded()
    ours.append("b", 5, (1, 0), [])
    ours.settle()
    ours.sent.clear()
    ours.append("c", 4, (1, 0), [b"x"])
    told = ours.take(AppendReply, "c")[-1]
    assert (told.term, told.ok) == (5, False)
    assert ours.raft.last_index == 1

    leader = Solo().founded()
    leader.become_leader()
    leader.deliver("b", AppendReply(9, False, 0, True, 0, 0, 0, 0, b""))
    leader.settle()
    assert (leader.raft.role, leader.raft.term) == ("follower", 9)
