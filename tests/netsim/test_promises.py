"""The promises of the contract that need a whole cluster to be shown, each by the moment that would break it."""

import pytest

from quorate.consensus.commands import Cancel, Done, Refused, Unknown
from quorate.netsim.work import SimWork
from quorate.scheduling.task import State, TaskId
from tests.netsim.cluster import (
    Asked,
    answered,
    cluster,
    ended_everywhere,
    has_session,
    leader_id,
    others,
    running,
    submit,
    work_of,
)


def test_promise_1_an_acknowledged_task_survives_power_loss_of_all_peers_at_once() -> None:
    """Acknowledged means flushed on a majority: everything not flushed is gone, the task is there."""
    world = cluster()
    asked = submit(world, "a", held=True)
    assert world.run_until(lambda: asked.answered, 10.0)
    for peer in world.ids:
        world.lose_power(peer)
    for peer in world.ids:
        world.start(peer)
    task = asked.task
    assert world.run_until(lambda: all(p.find(task) is not None for p in map(world.running, world.ids) if p), 15.0)


def test_promise_1_no_answer_comes_before_a_majority_has_flushed() -> None:
    """With the disks of both followers standing still, the leader alone never says `done`."""
    world = cluster()
    leader = leader_id(world)
    for peer in others(world, leader):
        world.machines[peer].disk.flush_s = (100.0, 100.0)
    asked = submit(world, leader, deadline_s=5.0)
    world.run(4.0)
    assert not isinstance(asked.outcome, Done)


def test_promise_1_a_leader_does_not_count_its_own_disk_before_it_has_flushed() -> None:
    """With its disk and one follower's standing still, one flushed disk of three is no majority."""
    world = cluster()
    leader = leader_id(world)
    for peer in (leader, others(world, leader)[0]):
        world.machines[peer].disk.flush_s = (100.0, 100.0)
    asked = submit(world, leader, deadline_s=5.0)
    world.run(4.0)
    assert not isinstance(asked.outcome, Done)


def test_promise_7_a_cut_off_peer_says_refused_within_the_deadline() -> None:
    """Nothing left the peer, so it knows: surely not done."""
    world = cluster()
    lonely = others(world, leader_id(world))[0]
    with world.partition(lonely):
        world.run(5.0)
        asked = submit(world, lonely, deadline_s=3.0)
        assert world.run_until(lambda: asked.answered, 3.1)
        assert isinstance(asked.outcome, Refused)
        assert asked.outcome.reason == "no_quorum"


def test_promise_7_a_leader_that_is_cut_off_with_the_request_says_unknown() -> None:
    """It stands in a log that may still win, so nobody says no; and asking again under the key is safe."""
    world = cluster()
    leader = leader_id(world)
    with world.partition(leader):
        asked = submit(world, leader, key="k", digest=b"d" * 16, deadline_s=4.0)
        assert world.run_until(lambda: asked.answered, 4.1)
        assert isinstance(asked.outcome, Unknown)
        elsewhere = others(world, leader)[0]
        again = submit(world, elsewhere, key="k", digest=b"d" * 16)
        assert world.run_until(lambda: again.answered, 10.0)
    assert isinstance(again.outcome, Done)
    assert world.run_until(ended_everywhere(world, again.task), 20.0)


def test_promise_6_the_same_key_gives_the_first_answer_on_any_peer_and_after_everything_restarted() -> None:
    """One task, however often and wherever it is asked for; also when it has long ended and left the table."""
    world = cluster()
    first = submit(world, "a", key="k", digest=b"d" * 16)
    assert world.run_until(lambda: first.answered, 10.0)
    assert world.run_until(ended_everywhere(world, first.task), 30.0)
    world.run(40.0)
    for peer in world.ids:
        world.kill(peer)
    for peer in world.ids:
        world.start(peer)
    assert world.run_until(lambda: all(has_session(world, p) for p in world.ids), 15.0)
    for peer in world.ids:
        again = submit(world, peer, key="k", digest=b"d" * 16)
        assert answered(world, again)
        assert again.task == first.task
    reused = submit(world, "b", key="k", digest=b"e" * 16)
    assert world.run_until(lambda: reused.answered, 10.0)
    assert isinstance(reused.outcome, Refused)
    assert reused.outcome.reason == "key_reused"


def test_promise_2_and_3_a_frozen_worker_that_comes_back_cannot_commit_and_its_fence_is_lower() -> None:
    """Frozen past its session, thawed with the result in hand: another attempt has the higher fence, and only that
    one's result counts.
    """
    world = cluster(seed=3)
    for machine in world.machines.values():
        assert isinstance(machine.work, SimWork)
        machine.work.run_s, machine.work.failing = (0.5, 0.6), 0.0
    frozen = others(world, leader_id(world))[0]
    submitted = [submit(world, frozen) for _ in range(8)]
    assert world.run_until(lambda: all(a.answered for a in submitted), 10.0)
    peer = world.running(frozen)
    assert peer is not None
    assert world.run_until(lambda: peer.attempts.held > 0, 5.0)
    world.freeze(frozen)
    world.run(12.0)
    world.thaw(frozen)
    for asked in submitted:
        assert world.run_until(ended_everywhere(world, asked.task), 30.0)
    ran: dict[TaskId, list[tuple[int, int]]] = {}
    for run in world.ran:
        ran.setdefault(run.task, []).append((run.attempt, run.fence))
    twice = {task: sorted(attempts) for task, attempts in ran.items() if len(attempts) > 1}
    assert twice, "no task was attempted twice: the freeze hit nothing and this test shows nothing"
    for task, attempts in twice.items():
        found = world.live()[0].peer.find(task)  # type: ignore[union-attr]  # live machines have a peer
        assert found is not None
        assert [fence for _, fence in attempts] == sorted({fence for _, fence in attempts})
        assert found.fence == attempts[-1][1]


def test_promise_2_a_result_under_an_old_fence_does_not_end_the_newer_attempt() -> None:
    """Frozen past its session, thawed while the next attempt is still running elsewhere: its result comes too late."""
    world = cluster(seed=8)
    frozen = others(world, leader_id(world))[0]
    work_of(world, frozen).run_s, work_of(world, frozen).failing = (1.0, 1.1), 0.0
    for peer in others(world, frozen):
        work_of(world, peer).run_s, work_of(world, peer).failing = (30.0, 31.0), 0.0
    asked = submit(world, frozen)
    assert world.run_until(lambda: running(world, frozen).attempts.held > 0, 5.0)
    world.freeze(frozen)
    world.run(12.0)
    world.thaw(frozen)
    assert world.run_until(lambda: bool(world.ran), 5.0), "the frozen attempt never came to an end"
    world.run(3.0)
    task = running(world, leader_id(world)).machine.tasks.get(asked.task)
    assert task is not None, f"the attempt under fence {world.ran[0].fence} has ended the task"
    assert (task.state, task.attempt, task.fence > world.ran[0].fence) == (State.RUNNING, 2, True)
    assert world.run_until(ended_everywhere(world, asked.task), 40.0)
    found = running(world, frozen).find(asked.task)
    assert found is not None
    assert found.fence == task.fence


@pytest.mark.parametrize("link_s", [0.001, 0.1])
def test_promise_4_a_peer_distrusts_its_session_before_the_cluster_gives_its_work_away(link_s: float) -> None:
    """Cut off with a clock 4 % slow, at any moment between two renewals: it tells its handlers before anybody else gets
    the task.
    """
    for since_s in (0.0, 0.2, 0.4, 0.6, 0.8):
        lost_at, given_away_at = _cut_off_with_a_slow_clock(link_s, since_s)
        assert lost_at < given_away_at


def _cut_off_with_a_slow_clock(link_s: float, since_s: float) -> tuple[float, float]:
    """When its handlers were told, and when the cluster took the task back, in world seconds."""
    world = cluster(seed=4)
    world.network.delay_s = (link_s / 2, link_s)
    slow = others(world, leader_id(world))[0]
    world.machines[slow].clock.set_rate(0.96)
    work = work_of(world, slow)
    work.run_s = (60.0, 61.0)
    # With nothing ready ahead, the peer that took the submission claims in the same entry.
    asked = submit(world, slow)
    assert world.run_until(lambda: running(world, slow).attempts.held > 0, 10.0)
    world.run(since_s)
    told = work.lost_told
    world.network.delay_s = (0.0001, 0.001)  # once it is gone, the others are quick to decide
    with world.partition(slow):
        elsewhere = running(world, others(world, slow)[0])

        def given_away() -> bool:
            task = elsewhere.machine.tasks.get(asked.task)
            return task is None or task.peer != slow or task.state is not State.RUNNING

        assert world.run_until(lambda: work.lost_told > told, 20.0)
        lost_at = world.now
        assert not given_away(), "the cluster gave the task away before its holder stopped trusting its session"
        assert world.run_until(given_away, 20.0)
        return lost_at, world.now


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_promise_4_a_wall_clock_that_jumps_an_hour_takes_nothing_from_anybody(jump_ms: int) -> None:
    """Leases count by monotonic clocks: a leader's wall clock, set forward or back, ends no session and no attempt."""
    world = cluster(seed=9)
    for peer in world.ids:
        work_of(world, peer).run_s, work_of(world, peer).failing = (15.0, 16.0), 0.0
    submitted = [submit(world, peer) for peer in world.ids]
    assert world.run_until(lambda: sum(running(world, p).attempts.held for p in world.ids) == 3, 5.0)
    world.machines[leader_id(world)].clock.wall_offset_ms += jump_ms
    for asked in submitted:
        assert world.run_until(ended_everywhere(world, asked.task), 30.0)
    assert [ran.attempt for ran in world.ran] == [1, 1, 1]
    assert not any(work_of(world, peer).lost_told for peer in world.ids)


@pytest.mark.parametrize("peer", ["a", "b", "c"])
def test_promise_5_a_read_on_any_peer_sees_every_acknowledged_write(peer: str) -> None:
    """The read point lies at or after the write, and the replica has it, whichever peer is asked."""
    world = cluster(seed=5)
    asked = submit(world, "a", held=True)
    assert world.run_until(lambda: asked.answered, 10.0)
    reader = world.running(peer)
    assert reader is not None
    seen: list[int | None] = []
    reader.read(reader.now() + 5.0, seen.append)
    world.touch(peer)
    assert world.run_until(lambda: bool(seen), 5.1)
    assert seen[0] is not None
    assert reader.find(asked.task) is not None


def test_promise_5_a_cut_off_leader_gives_no_read_point() -> None:
    """It cannot know what the others have decided meanwhile, so it does not answer as if it did."""
    world = cluster(seed=6)
    leader = leader_id(world)
    peer = world.running(leader)
    assert peer is not None
    with world.partition(leader):
        seen: list[int | None] = []
        peer.read(peer.now() + 3.0, seen.append)
        world.touch(leader)
        assert world.run_until(lambda: bool(seen), 3.1)
    assert seen == [None]


def test_promise_5_a_cut_off_follower_gives_no_read_point() -> None:
    """What it has is what it last heard, and the others may have gone on."""
    world = cluster(seed=6)
    follower = others(world, leader_id(world))[0]
    with world.partition(follower):
        seen: list[int | None] = []
        running(world, follower).read(running(world, follower).now() + 3.0, seen.append)
        world.touch(follower)
        assert world.run_until(lambda: bool(seen), 3.1)
    assert seen == [None]


def test_promise_5_a_replica_that_lags_answers_only_when_it_has_caught_up() -> None:
    """A read point is given out when the own replica has reached it, not when it is known."""
    world = cluster(seed=11)
    slow = others(world, leader_id(world))[0]
    world.machines[slow].disk.flush_s = (1.0, 1.0)
    asked = submit(world, leader_id(world), held=True)
    assert world.run_until(lambda: asked.answered, 10.0)
    reader = running(world, slow)
    assert reader.find(asked.task) is None, "it has the task already: this test shows nothing"
    seen: list[bool] = []

    def answered(_index: int | None) -> None:
        seen.append(reader.find(asked.task) is not None)

    reader.read(reader.now() + 9.0, answered)
    world.touch(slow)
    assert world.run_until(lambda: bool(seen), 9.1)
    assert seen == [True]


def test_promise_5_a_stale_answer_states_its_age() -> None:
    """The age of what a peer knows is how long ago it heard a leader; a leader's, how long ago it heard a majority."""
    world = cluster(seed=12)
    leader = leader_id(world)
    for lonely in (leader, others(world, leader)[0]):
        with world.partition(lonely):
            world.run(7.0)
            assert running(world, lonely).status().stale_s >= 6.5
        world.run(3.0)
        assert running(world, lonely).status().stale_s < 1.0


def test_promise_7_what_the_state_refuses_is_told_as_refused_and_nothing_has_changed() -> None:
    """Whichever peer asks: a refusal of the log is never told as done."""
    world = cluster(seed=13)
    for peer_id in world.ids:
        peer = running(world, peer_id)
        asked, nobody = Asked(), peer.new_id()
        peer.call(Cancel(nobody), peer.now() + 5.0, asked)
        world.touch(peer_id)
        assert world.run_until(asked.is_answered, 5.1)
        assert isinstance(asked.outcome, Refused)
        assert asked.outcome.reason == "not_found"
        assert peer.find(nobody) is None


@pytest.mark.parametrize(
    "entry",
    [b"", b"\xc1", b"\xff" * 300, b"\x94\x01\x01\xc2\x91\x95\xa1x\x01\x01\x00\xc4\x01\xc1", b"\x91" * 100_000],
    ids=["nothing", "no-code", "noise", "no-command", "deep"],
)
def test_promise_9_nothing_that_reaches_the_log_can_stop_a_peer(entry: bytes) -> None:
    """However it came there: every peer applies it, none changes by it, and work goes on."""
    world = cluster(seed=14)
    leader = running(world, leader_id(world))
    assert leader.raft.propose(entry)
    at = leader.raft.last_index
    world.touch(leader.id)
    assert world.run_until(lambda: all(running(world, p).raft.applied_index >= at for p in world.ids), 5.0)
    asked = submit(world, "b")
    assert world.run_until(lambda: asked.answered, 5.0)
    assert world.run_until(ended_everywhere(world, asked.task), 20.0)


def test_writes_go_on_within_two_seconds_of_losing_the_leader() -> None:
    """At default settings, counted from the kill to the next answered write."""
    for seed in range(5):
        world = cluster(seed=10 + seed)
        leader = leader_id(world)
        world.kill(leader)
        killed_at = world.now
        asked = submit(world, others(world, leader)[0])
        assert answered(world, asked)
        assert isinstance(asked.outcome, Done)
        assert world.now - killed_at < 2.0, f"seed {seed}: {world.now - killed_at:.2f} s"


def test_a_wiped_disk_does_not_vote_under_its_old_name_until_the_majority_has_taken_it_back() -> None:
    """It comes back, learns everything, and only then counts again."""
    world = cluster(seed=7)
    wiped = others(world, leader_id(world))[0]
    asked = submit(world, "a", held=True)
    assert world.run_until(lambda: asked.answered, 10.0)
    world.wipe(wiped)
    peer = world.start(wiped)
    assert not peer.raft.is_voter(wiped)
    assert world.run_until(lambda: peer.raft.is_voter(wiped), 20.0), "it was never taken back"
    assert peer.find(asked.task) is not None


def test_promise_5_a_read_waits_until_a_refilled_peer_has_its_history_again() -> None:
    """A peer that came back without its ended tasks never answers that there is no such task."""
    world = cluster(seed=8)
    asked = submit(world, "a")
    assert answered(world, asked)
    assert world.run_until(ended_everywhere(world, asked.task), 20.0)
    world.run(40.0)  # long enough for the stub to leave the state
    lost = others(world, leader_id(world))[0]
    world.kill(lost)
    world.machines[lost].history.wipe()
    reader = world.start(lost)
    seen: list[int | None] = []
    reader.read(reader.now() + 10.0, seen.append)
    world.touch(lost)
    assert world.run_until(lambda: bool(seen), 10.1)
    assert seen[0] is not None
    assert reader.find(asked.task) is not None


def test_rows_that_every_peer_has_lost_do_not_stop_the_cluster() -> None:
    """All history files deleted at once: what is gone is gone, and reads go on."""
    world = cluster(seed=9)
    asked = submit(world, "a")
    assert answered(world, asked)
    assert world.run_until(ended_everywhere(world, asked.task), 20.0)
    world.run(40.0)
    for peer in world.ids:
        world.kill(peer)
        world.machines[peer].history.wipe()
    for peer in world.ids:
        world.start(peer)
    assert world.run_until(lambda: all(has_session(world, p) for p in world.ids), 15.0)
    reader = world.running("a")
    assert reader is not None
    seen: list[int | None] = []
    reader.read(reader.now() + 10.0, seen.append)
    world.touch("a")
    assert world.run_until(lambda: bool(seen), 10.1)
    assert seen[0] is not None


def test_promise_5_a_deposed_leader_counts_its_age_from_the_last_word_of_its_majority() -> None:
    """Cut off, it steps down: its stale answers are as old as that, not as its days as a follower."""
    world = cluster(seed=14)
    world.run(20.0)
    leader = leader_id(world)
    peer = running(world, leader)
    with world.partition(leader):
        world.run(10.0)
        assert peer.raft.role != "leader"
        assert 9.0 < peer.status().stale_s < 10.5
