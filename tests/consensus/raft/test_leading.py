"""What a leader does, and when it stops being one."""

import pytest

from quorate.consensus.frames import Append, AppendReply, PreVote, PreVoteReply, SnapshotChunk, TimeoutNow
from quorate.consensus.ports import Write
from quorate.consensus.raft import RaftSettings
from quorate.consensus.raft.raft import MAX_ENTRY_BYTES
from tests.consensus.raft.lab import SMALL, World
from tests.consensus.raft.solo import Solo


def leading() -> Solo:
    solo = Solo().founded()
    solo.become_leader()
    solo.acknowledge("b", solo.raft.last_index)
    solo.acknowledge("c", solo.raft.last_index)
    solo.settle()
    assert solo.raft.ready_to_serve
    solo.sent.clear()
    return solo


# --- elections


def test_whoever_hears_a_leader_promises_nobody_a_vote() -> None:
    solo = Solo().founded()
    solo.append("b", 1, (1, 0), [])
    solo.deliver("c", PreVote(2, 10, 1))
    assert [reply.granted for reply in solo.take(PreVoteReply)] == [False]
    solo.now += 0.7
    solo.deliver("c", PreVote(2, 10, 1))
    assert [reply.granted for reply in solo.take(PreVoteReply)] == [True]
    assert solo.raft.term == 1, "a promise changes no term"


def test_nobody_promises_a_vote_to_whom_lacks_entries() -> None:
    solo = Solo().founded()
    solo.append("b", 3, (1, 0), [b"x"])
    solo.settle()
    solo.now += 5.0
    for last_index, last_term, granted in ((1, 3, False), (9, 2, False), (2, 3, True)):
        solo.deliver("c", PreVote(9, last_index, last_term))
        assert [reply.granted for reply in solo.take(PreVoteReply)] == [granted]


def test_disks_that_hang_for_longer_than_an_election_cost_no_leader() -> None:
    """Another leader would have to wait for the same disks."""
    world = World(1).start()
    leader = world.settle()
    term = leader.r.term
    for node in world.up():
        node.flush_s = (3.0, 3.0)
    for number in range(4):
        world.propose(b"%d" % number)
        world.run(4.0)
    assert leader.r.role == "leader"
    assert {node.r.term for node in world.up()} == {term}
    world.check_all()


def test_a_peer_that_was_cut_off_comes_back_without_disturbing_anybody() -> None:
    world = World(1).start()
    leader = world.settle()
    away = next(peer for peer in world.voters if peer != leader.peer)
    term = leader.r.term
    world.part((away,), [peer for peer in world.voters if peer != away])
    world.run(20.0)
    world.heal()
    world.run(3.0)
    assert {node.r.term for node in world.up()} == {term}
    assert leader.r.role == "leader"


def test_a_leader_without_a_majority_steps_down_within_the_greatest_election_timeout() -> None:
    world = World(2).start()
    leader = world.settle()
    world.part((leader.peer,), [peer for peer in world.voters if peer != leader.peer])
    world.run(SMALL.election_max_s + 0.2)
    assert leader.r.role != "leader"
    assert leader.r.leader is None


def test_leadership_is_handed_over_faster_than_an_election_timeout() -> None:
    world = World(3).start()
    old = world.settle()
    world.run(0.2)
    to = next(peer for peer in world.voters if peer != old.peer)
    assert old.r.transfer(to)
    assert not old.r.propose(b"x"), "nothing new while the other catches up"
    old.touch()
    world.until(lambda: world.nodes[to].r.ready_to_serve, 0.3)
    assert not world.nodes[old.peer].r.transfer(None), "only a leader hands over"


def test_a_handover_to_somebody_who_lags_waits_until_he_has_everything() -> None:
    solo = leading()
    assert solo.raft.propose(b"x")
    solo.settle()
    assert solo.raft.transfer("b")
    solo.settle()
    assert solo.all(TimeoutNow) == []
    solo.acknowledge("b", solo.raft.last_index)
    solo.settle()
    assert solo.all(TimeoutNow, "b")
    solo.now += SMALL.election_min_s + 0.1
    solo.acknowledge("c", solo.raft.last_index)
    solo.settle()
    assert solo.raft.propose(b"y"), "given up: it leads on"


def test_whoever_stood_down_leads_no_more_but_still_votes() -> None:
    world = World(4).start()
    first = world.settle()
    first.r.stand_down()
    first.touch()
    world.run(0.1)
    second = world.settle()
    assert second is not first
    world.kill(next(peer for peer in world.voters if peer not in (first.peer, second.peer)))
    world.run(5.0)
    assert world.settle() is second
    assert first.r.term == second.r.term


# --- replication


def test_an_append_leaves_before_the_leader_has_flushed_it() -> None:
    solo = leading()
    assert solo.raft.propose(b"x")
    solo.step()
    assert [len(message.entries) for message in solo.all(Append)] == [1, 1]
    assert solo.raft.flushing
    assert solo.raft.flushed_index < solo.raft.last_index


@pytest.mark.parametrize(("entry_bytes", "messages"), [(99, SMALL.inflight_messages), (999, 4)])
def test_at_most_so_many_messages_and_bytes_are_on_their_way_to_one_follower(entry_bytes: int, messages: int) -> None:
    solo = leading()
    for _ in range(200):
        assert solo.raft.propose(b"x" * entry_bytes)
    solo.settle()
    sent = [message for message in solo.take(Append, "b") if message.entries]
    assert len(sent) == messages
    solo.acknowledge("b", sent[1].entries[-1][1], epoch=sent[0].epoch)
    solo.step()
    assert len([message for message in solo.take(Append, "b") if message.entries]) == 2


def test_followers_learn_of_a_commit_at_once() -> None:
    solo = leading()
    assert solo.raft.propose(b"x")
    solo.settle()
    solo.acknowledge("b", solo.raft.last_index)
    solo.sent.clear()
    solo.step()
    assert {message.commit for message in solo.all(Append)} == {solo.raft.last_index}
    assert len(solo.all(Append)) == 2


def test_a_follower_far_behind_gets_the_snapshot_and_then_the_log() -> None:
    world = World(5).start()
    leader = world.settle()
    late = next(peer for peer in world.voters if peer != leader.peer)
    world.kill(late)
    for number in range(300):
        assert world.propose(b"%d" % number)
        world.run(0.003)
    world.restart(late)
    world.until(lambda: len(world.nodes[late].toy.items) == 300, 10.0)
    assert world.nodes[late].r.counters["snapshots_installed"] >= 1
    world.check_all()


def test_a_transfer_goes_on_where_a_broken_connection_left_it() -> None:
    world = World(6).start()
    leader = world.settle()
    late = next(peer for peer in world.voters if peer != leader.peer)
    world.kill(late)
    for number in range(300):
        assert world.propose(b"%d" % number)
        world.run(0.003)
    chunks: list[int] = []

    def watch(_frm: str, to: str, message: object) -> bool:
        if to == late and isinstance(message, SnapshotChunk) and message.data:
            chunks.append(message.offset)
            if len(chunks) == 8:
                world.after(0.0, lambda: world.drop(leader.peer, late))
        return True

    world.filter = watch
    world.restart(late)
    world.until(lambda: world.nodes[late].toy.items[-1:] and len(world.nodes[late].toy.items) == 300, 10.0)
    assert chunks.count(0) >= 2, "begun again"
    assert len(chunks) < 2 * len(set(chunks)), "but not from the beginning"


# --- reads


def test_a_read_index_waits_for_a_majority_that_was_asked_after_the_read() -> None:
    solo = leading()
    got: list[int | None] = []
    solo.acknowledge("b", solo.raft.last_index, epoch=_epoch(solo))
    solo.raft.read_index(got.append)
    solo.raft.read_index(got.append)
    solo.step()
    probes = {message.probe for message in solo.all(Append)}
    assert len(probes) == 1, "both reads share it"
    assert got == []
    solo.deliver("b", AppendReply(solo.raft.term, True, 1, True, _epoch(solo), probes.pop() - 1, 0, 0, b""))
    solo.step()
    assert got == [], "an echo of an older probe confirms nothing"
    solo.acknowledge("b", solo.raft.last_index)
    solo.step()
    assert got == [solo.raft.commit_index] * 2


def _epoch(solo: Solo) -> int:
    return solo.raft._p.replication.progress["b"].epoch


def test_a_new_leader_gives_no_index_before_it_has_committed_in_its_own_term() -> None:
    solo = Solo().founded()
    solo.become_leader()
    got: list[int | None] = []
    solo.raft.read_index(got.append)
    solo.settle()
    assert got == []
    solo.acknowledge("b", solo.raft.last_index)
    solo.settle()
    solo.acknowledge("b", solo.raft.last_index)
    solo.settle()
    assert got == [solo.raft.last_index]


def test_a_deposed_leader_confirms_no_read() -> None:
    world = World(7).start()
    old = world.settle()
    world.propose(b"old")
    world.run(0.5)
    world.part((old.peer,), [peer for peer in world.voters if peer != old.peer])
    got: list[int | None] = []
    for _ in range(50):
        old.r.read_index(got.append)
        old.touch()
        world.run(0.1)
    assert got
    assert set(got) == {None}


def test_every_peer_can_read_and_sees_what_was_acknowledged_before() -> None:
    world = World(8).start()
    world.settle()
    for number in range(30):
        entry = b"%d" % number
        assert world.propose(entry)
        world.until(lambda entry=entry: entry in world.acked)  # type: ignore[misc]  # bound now
        for node in world.up():
            got: list[int | None] = []
            node.r.read_index(got.append)
            node.touch()
            world.until(lambda got=got: got, 2.0)  # type: ignore[misc]  # bound now
            index = got[0]
            assert index is not None
            assert index >= world.acked[entry]


def test_reads_write_nothing_to_the_disk() -> None:
    world = World(9).start()
    leader = world.settle()
    world.run(1.0)
    before = [node.r.counters["flushes"] for node in world.up()]
    got: list[int | None] = []
    for _ in range(20):
        leader.r.read_index(got.append)
        leader.touch()
        world.run(0.05)
    assert len(got) == 20
    assert [node.r.counters["flushes"] for node in world.up()] == before


# --- the rest


def test_state_hashes_of_a_majority_are_put_side_by_side() -> None:
    world = World(10).start()
    leader = world.settle()
    for number in range(40):
        assert world.propose(b"%d" % number)
        world.run(0.02)
    world.run(0.5)
    assert leader.hashes
    assert max(index for index, _ in leader.hashes) == 40
    for _, hashes in leader.hashes:
        assert len(hashes) >= 2
        assert leader.peer in hashes
        assert len(set(hashes.values())) == 1


def test_writes_of_others_ride_in_the_same_order_of_flushes() -> None:
    solo = leading()
    done: list[str] = []
    assert solo.raft.propose(b"x")
    solo.raft.extra_disk([Write("history", 0, b"rows")], lambda: done.append("rows"))
    solo.step()
    assert done == []
    names = [op.name for op in solo.disk.batches[0][1] if isinstance(op, Write)]
    assert names[-1] == "history"
    assert names[0].startswith("journal")
    solo.flush()
    assert done == ["rows"]
    assert solo.raft.flushed_index == solo.raft.last_index


def test_an_entry_that_fits_no_frame_is_refused_and_changes_nothing() -> None:
    solo = leading()
    before = solo.raft.last_index
    with pytest.raises(ValueError, match=rf"at most {MAX_ENTRY_BYTES}"):
        solo.raft.propose(bytes(MAX_ENTRY_BYTES + 1))
    assert solo.raft.last_index == before


def test_messages_of_strangers_are_counted_and_dropped() -> None:
    solo = Solo().founded()
    solo.append("x", 50, (1, 0), [b"x"], commit=2)
    solo.settle()
    assert solo.raft.counters["strangers"] == 1
    assert (solo.raft.term, solo.raft.last_index) == (0, 1)


def test_an_append_with_gaps_is_malformed_and_changes_nothing() -> None:
    solo = Solo().founded()
    solo.deliver("b", Append(1, 1, 0, 3, 0, 0, [(b"\x00x", 2, 1), (b"\x00y", 4, 1)]))
    solo.settle()
    assert solo.raft.counters["malformed"] == 1
    assert solo.raft.last_index == 1


def test_nothing_is_applied_while_the_state_machine_asks_for_a_pause() -> None:
    world = World(11).start()
    leader = world.settle()
    other = next(node for node in world.up() if node is not leader)
    other.hold_applying = True
    for number in range(20):
        assert world.propose(b"%d" % number)
        world.run(0.01)
    world.run(0.5)
    assert len(other.toy.items) == 0
    assert other.r.unapplied >= 20
    other.hold_applying = False
    other.touch()
    world.until(lambda: len(other.toy.items) == 20, 1.0)


def test_timers_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match=r"heartbeat 0\.5 s, election 0\.6 to 1\.2 s"):
        RaftSettings(heartbeat_s=0.5)
