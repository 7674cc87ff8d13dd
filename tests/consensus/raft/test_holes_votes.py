"""Holes of PySyncObj 0.3.17 in elections and configurations: wrong on the stock engine, right on ours."""

from pathlib import Path

import pytest

from quorate.consensus.frames import Append, PreVote, PreVoteReply, RequestVote, Vote
from quorate.consensus.raft.log import Config, encode_config
from tests.consensus.raft.lab import World
from tests.consensus.raft.solo import Solo
from tests.consensus.raft.stock import StockPeer

# The stock engine leaves its meta file to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_s15_stock_counts_one_voter_twice() -> None:
    stock = StockPeer(peers=5)
    stock.tick(5.0)
    for _ in range(2):
        stock.deliver("b", type="response_vote", term=stock.sync.raftCurrentTerm)
    assert stock.sync._isLeader(), "two of five are no majority"


def test_s15_ours_counts_each_voter_once() -> None:
    ours = Solo(peers=5).founded()
    ours.now += 5.0
    ours.step()
    asked = ours.take(PreVote)[-1].term
    for peer in "bc":
        ours.deliver(peer, PreVoteReply(asked, granted=True, term=0))
    ours.settle()
    for _ in range(5):
        ours.deliver("b", Vote(asked, granted=True))
    ours.settle()
    assert ours.raft.role == "candidate"
    ours.deliver("c", Vote(asked, granted=True))
    ours.settle()
    assert ours.raft.role == "leader"


def test_s15_ours_counts_one_pre_vote_once() -> None:
    ours = Solo(peers=5).founded()
    ours.now += 5.0
    ours.step()
    asked = ours.take(PreVote)[-1].term
    for _ in range(5):
        ours.deliver("b", PreVoteReply(asked, granted=True, term=0))
    ours.settle()
    assert (ours.raft.role, ours.raft.term) == ("follower", 0), "it has not even campaigned"


def test_l3_stock_does_not_repeat_a_vote_that_was_lost() -> None:
    stock = StockPeer()
    request = {"type": "request_vote", "term": 3, "last_log_index": 1, "last_log_term": 0}
    stock.deliver("b", **request)
    stock.deliver("b", **request)
    assert len(stock.sent("response_vote")) == 1


def test_l3_ours_repeats_its_vote_to_the_same_candidate_and_to_nobody_else() -> None:
    ours = Solo().founded()
    for _ in range(2):
        ours.deliver("b", RequestVote(3, 1, 0))
        ours.settle()
    assert ours.take(Vote, "b") == [Vote(3, granted=True)] * 2
    ours.deliver("c", RequestVote(3, 1, 0))
    ours.settle()
    assert ours.take(Vote, "c") == [Vote(3, granted=False)]


def test_s5_stock_lets_two_changes_be_under_way_at_once() -> None:
    stock = StockPeer(dynamicMembershipChange=True)
    stock.become_leader()
    stock.tick(0.2)
    for peer in "bc":
        stock.deliver(peer, type="next_node_idx", next_node_idx=3, reset=False, success=True)
    stock.tick()
    stock.tick()
    for name in "de":
        stock.sync.addNodeToCluster(stock.nodes[name])
    stock.tick()
    assert {node.id for node in stock.sync.otherNodes} == set("bcde"), "neither is committed"
    assert stock.sync.raftCommitIndex < stock.last_index - 1


def test_s5_ours_changes_one_thing_at_a_time() -> None:
    world = World(5, peers=5).start()
    world.settle()
    lost = [peer for peer in world.voters if peer != world.settle().peer][:2]
    for peer in lost:
        world.wipe(peer)
    for peer in lost:
        world.restart(peer)
    most = 0

    def admitted() -> bool:
        nonlocal most
        for node in world.up():
            parts = node.r._p
            log, commit_index = parts.core.log, parts.core.engine.commit_index
            changes = [config for config in log._configs if config.index > commit_index]
            most = max(most, len(changes) if node.r.role == "leader" else 0)
        return all(world.nodes[peer].r.is_voter(peer) for peer in lost)

    world.until(admitted, 30.0, "both return as voters")
    assert most == 1


def test_s7_stock_forgets_a_configuration_it_has_written(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    stock = StockPeer(dynamicMembershipChange=True, journalFile=journal)
    change = b"\x02" + stock.module.pickle.dumps(["add", "d", stock.nodes["d"]])
    message = {"term": 1, "commit_index": 1, "entries": [(change, 2, 1)], "prevLogIdx": 1, "prevLogTerm": 0}
    stock.deliver("b", type="append_entries", **message)
    assert {node.id for node in stock.sync.otherNodes} == set("bcd")

    again = StockPeer(dynamicMembershipChange=True, journalFile=journal)
    again.tick()
    assert again.last_index == 2
    assert {node.id for node in again.sync.otherNodes} == set("bc"), "its log says otherwise, and it may campaign"
    stock.close()
    again.close()


def test_s7_ours_obeys_the_newest_configuration_of_its_log_from_the_start() -> None:
    ours = Solo().founded()
    disks = {**ours.raft.config.disks, "b": "new disk of b"}
    ours.deliver("b", _append_config(disks))
    ours.settle()
    assert ours.raft.config == Config(2, disks)
    assert not ours.raft.is_voter("b"), "it spoke from its old disk"

    again = Solo(disk=ours.disk)
    assert again.raft.commit_index == 1
    assert again.raft.config == Config(2, disks)


def test_s7_ours_takes_a_configuration_back_that_was_cut_off() -> None:
    ours = Solo().founded()
    founding = ours.raft.config
    ours.deliver("b", _append_config({**founding.disks, "b": "new disk of b"}))
    ours.settle()
    ours.append("c", 2, (1, 0), [b"another history"])
    ours.settle()
    assert ours.raft.config == founding


def _append_config(disks: dict[str, str]) -> Append:
    return Append(1, 1, 0, 1, 0, 0, [(encode_config(disks), 2, 1)])
