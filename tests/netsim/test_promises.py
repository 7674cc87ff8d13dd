"""The promises of the contract that need a whole cluster to be shown, each by the moment that would break it."""

from collections.abc import Callable

import pytest

from quorate.consensus.commands import Done, Outcome, Refused, Unknown
from quorate.netsim.world import World
from quorate.scheduling.task import NewTask, State, TaskId


class Asked:
    """A request and what was answered."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.answers = 0

    def __call__(self, outcome: Outcome, _index: int) -> None:
        self.outcome = outcome
        self.answers += 1

    @property
    def answered(self) -> bool:
        return self.outcome is not None

    @property
    def task(self) -> TaskId:
        assert isinstance(self.outcome, Done), self.outcome
        return TaskId(self.outcome.value[0])


def cluster(seed: int = 1, peers: int = 3) -> World:
    world = World(seed, peers)
    for peer in world.ids:
        world.start(peer)
    assert world.run_until(lambda: all(has_session(world, p) for p in world.ids), 15.0), "the cluster did not come up"
    return world


def has_session(world: World, peer_id: str) -> bool:
    peer = world.running(peer_id)
    return peer is not None and peer.proctor.trusted(peer.now())


def submit(
    world: World,
    peer_id: str,
    *,
    key: str = "",
    digest: bytes = b"",
    handler: str = "sim.work",
    deadline_s: float = 10.0,
    held: bool = False,
) -> Asked:
    peer = world.running(peer_id)
    assert peer is not None
    asked = Asked()
    task = NewTask(id=peer.new_id(), handler=handler, args=b"{}", key=key, digest=digest, held=held)
    peer.submit([task], peer.now() + deadline_s, asked)
    world.touch(peer_id)
    return asked


def leader_id(world: World) -> str:
    leader = world.leader()
    assert leader is not None
    return leader.id


def others(world: World, peer_id: str) -> list[str]:
    return [peer for peer in world.ids if peer != peer_id]


def ended_everywhere(world: World, task: TaskId) -> Callable[[], bool]:
    def condition() -> bool:
        for machine in world.live():
            assert machine.peer is not None
            found = machine.peer.find(task)
            if found is None or found.state is not State.SUCCEEDED and found.state is not State.FAILED:
                return False
        return True

    return condition


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
    """It stands in a log that may still win: nobody can say, so nobody says no; and asking again under the key is safe."""
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
        assert world.run_until(lambda again=again: again.answered, 10.0)
        assert again.task == first.task
    reused = submit(world, "b", key="k", digest=b"e" * 16)
    assert world.run_until(lambda: reused.answered, 10.0)
    assert isinstance(reused.outcome, Refused)
    assert reused.outcome.reason == "key_reused"


def test_promise_2_and_3_a_frozen_worker_that_comes_back_cannot_commit_and_its_fence_is_lower() -> None:
    """Frozen past its session, thawed with the result in hand: another attempt has the higher fence, and only its result counts."""
    world = cluster(seed=3)
    for machine in world.machines.values():
        assert machine.work is not None
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


def test_promise_4_a_peer_distrusts_its_session_before_the_cluster_gives_its_work_away() -> None:
    """Cut off with a clock 4 % slow: it tells its handlers before anybody else gets the task."""
    world = cluster(seed=4)
    slow = others(world, leader_id(world))[0]
    machine = world.machines[slow]
    moments: dict[str, float] = {}
    machine.clock.set_rate(0.96)
    peer, work = machine.peer, machine.work
    assert peer is not None
    assert work is not None
    work.run_s = (60.0, 61.0)
    # With nothing ready ahead, the peer that took the submission claims in the same entry.
    asked = submit(world, slow)
    assert world.run_until(lambda: peer.attempts.held > 0, 10.0)
    told = work.lost_told
    with world.partition(slow):
        assert world.run_until(lambda: work.lost_told > told, 20.0)
        moments["lost"] = world.now
        elsewhere = world.running(others(world, slow)[0])
        assert elsewhere is not None

        def given_away() -> bool:
            task = elsewhere.machine.tasks.get(asked.task)
            return task is None or task.peer != slow or task.state is not State.RUNNING

        assert not given_away(), "the cluster gave the task away before its holder stopped trusting its session"
        assert world.run_until(given_away, 20.0)
        moments["given away"] = world.now
    assert moments["lost"] < moments["given away"]


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


def test_writes_go_on_within_two_seconds_of_losing_the_leader() -> None:
    """At default settings, counted from the kill to the next answered write."""
    for seed in range(5):
        world = cluster(seed=10 + seed)
        leader = leader_id(world)
        world.kill(leader)
        killed_at = world.now
        asked = submit(world, others(world, leader)[0])
        assert world.run_until(lambda asked=asked: asked.answered, 10.0)
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
