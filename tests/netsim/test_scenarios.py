"""Single moments of a cluster's life that random runs seldom meet, each with the law it might break."""

import msgspec
import pytest

from quorate.consensus.commands import Done, Refused, SessionInfo
from quorate.consensus.peer import Peer
from quorate.netsim.machine import Machine
from quorate.netsim.play import STUBS_GONE_S
from quorate.netsim.world import HANDLERS, PLACES, World
from quorate.scheduling.hlc import wall_ms_of
from quorate.scheduling.task import NewTask, Retry, State, Succeeded
from tests.netsim.cluster import Asked, answered, cluster, leader_id, others, running, work_of


def ask(world: World, peer_id: str, tasks: list[NewTask], deadline_s: float = 10.0) -> Asked:
    asked = Asked()
    peer = running(world, peer_id)
    peer.submit(tasks, peer.now() + deadline_s, asked)
    world.touch(peer_id)
    return asked


def held_task(peer: Peer, *, args: bytes = b"{}") -> NewTask:
    return NewTask(id=peer.new_id(), handler="sim.work", args=args, held=True)


def test_a_leader_goes_on_taking_operations_while_it_writes_a_snapshot() -> None:
    """The slices of a snapshot and the entries share the flushes: neither waits for the end of the other."""
    world = cluster()
    leader = leader_id(world)
    peer = running(world, leader)
    for _ in range(30):
        assert answered(world, ask(world, leader, [held_task(peer, args=b'"%s"' % (b"x" * 200_000)) for _ in range(9)]))
    world.machines[leader].disk.flush_s = (0.02, 0.02)
    taken = peer.raft.counters["snapshots_taken"]
    peer.raft.snapshot_now()
    world.touch(leader)
    world.run(0.1)
    asked = ask(world, leader, [held_task(peer)])
    assert world.run_until(lambda: asked.answered, 0.3)
    assert peer.raft.counters["snapshots_taken"] == taken, "the snapshot was over at once: this shows nothing"


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_a_read_takes_a_round_trip_and_waits_for_no_heartbeat(who: str) -> None:
    """On an idle cluster nothing else would step the peer."""
    world = cluster(seed=5)
    leader = leader_id(world)
    reader = leader if who == "leader" else others(world, leader)[0]
    for _ in range(5):
        world.run(0.05)
        seen: list[int | None] = []
        peer = running(world, reader)
        peer.read(peer.now() + 5.0, seen.append)
        world.touch(reader)
        assert world.run_until(lambda seen=seen: bool(seen), 0.01)  # type: ignore[misc]


def test_what_a_peer_says_of_itself_while_a_renewal_is_under_way_is_told_too() -> None:
    """A handler registered at that moment would otherwise never be offered, and its tasks would wait for ever."""
    world = cluster()
    world.network.delay_s = (0.02, 0.03)
    peer_id = others(world, leader_id(world))[0]
    peer = running(world, peer_id)
    for _ in range(200):
        world.run(0.01)
        if peer.proctor._busy:
            break
    else:
        pytest.fail("no renewal was seen under way")
    peer.describe(SessionInfo(http="", slots=PLACES, handlers=(*HANDLERS, "new.handler")))
    world.touch(peer_id)
    assert world.run_until(lambda: "new.handler" in peer.machine.handlers, 5.0)


def test_a_task_whose_earlier_attempt_still_has_its_thread_is_not_claimed_by_the_same_peer() -> None:
    """Claiming it only to hand it back would fill the log for as long as the handler hogs its thread."""
    world = cluster(peers=1)
    work = work_of(world, "a")
    work.run_s, work.failing = (60.0, 60.0), 0.0
    work.cancel = lambda *_attempt: None  # type: ignore[method-assign]  # a handler that heeds nothing
    peer = running(world, "a")
    task = NewTask(
        id=peer.new_id(), handler="sim.work", args=b"{}", timeout_ms=1_000, retry=Retry(max=3, schedule=(0.1,))
    )
    assert answered(world, ask(world, "a", [task]))
    world.run(20.0)
    assert peer.machine.tasks[task.id].attempt == 1
    assert world.run_until(lambda: peer.machine.tasks[task.id].attempt == 2, 60.0), "the thread was free again"


def test_a_leader_that_hands_over_sleeps_though_a_timer_is_due() -> None:
    """Nothing can be proposed until the handover is over; asking for the next step at once would burn the processor."""
    world = cluster()
    leader = leader_id(world)
    machine, peer = world.machines[leader], running(world, leader)
    due = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}", not_before_ms=machine.clock.wall_ms() + 300)
    assert answered(world, ask(world, leader, [due]))
    steps = 0

    def count(stepped: Machine) -> None:
        nonlocal steps
        steps += stepped is machine

    world.watchers.append(count)
    with world.partition(others(world, leader)[0]):
        world.run(0.1)
        assert answered(world, ask(world, leader, [held_task(peer)]))
        assert peer.raft.transfer(others(world, leader)[0])
        world.run(0.55)
    assert steps < 500


@pytest.mark.parametrize("size_bytes", [16 * 1024 * 1024 - 4_000, 17 * 1024 * 1024])
@pytest.mark.parametrize("who", ["leader", "follower"])
def test_what_is_too_large_for_the_log_is_refused_by_name_and_stops_no_peer(who: str, size_bytes: int) -> None:
    """A request may be small and the results of the ended tasks that it depends on large: it is one operation."""
    world = cluster()
    leader = leader_id(world)
    asker = leader if who == "leader" else others(world, leader)[0]
    asked = ask(world, asker, [held_task(running(world, asker), args=b"x" * size_bytes)])
    assert answered(world, asked)
    assert isinstance(asked.outcome, Refused)
    assert asked.outcome.reason == "too_large"
    assert answered(world, ask(world, asker, [held_task(running(world, asker))]))


def ended(world: World, peer_id: str, task: NewTask, state: State = State.SUCCEEDED) -> None:
    """Submitted, ended, and known to history alone."""
    assert answered(world, ask(world, peer_id, [task]))
    peer = running(world, peer_id)
    assert world.run_until(lambda: (found := peer.find(task.id)) is not None and found.state is state, 10.0)
    world.run(STUBS_GONE_S)
    assert task.id not in peer.machine.ended


def test_a_result_asked_of_a_repetition_is_that_of_the_first_however_long_ago() -> None:
    """The id minted for the repetition never becomes a task: whatever names it must name the first one."""
    world = cluster()
    work_of(world, "a").failing = work_of(world, "b").failing = work_of(world, "c").failing = 0.0
    peer = running(world, "a")
    first = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}", key="k", digest=b"d" * 16)
    ended(world, "a", first)
    repeated = msgspec.structs.replace(first, id=peer.new_id())
    args = b'{"x":{"$result":"%s"}}' % repeated.id.encode()
    after = NewTask(id=peer.new_id(), handler="sim.work", args=args, after=(repeated.id,), held=True)
    asked = ask(world, "a", [repeated, after])
    assert answered(world, asked)
    assert asked.outcome == Done([first.id, after.id])
    taken = peer.machine.tasks[after.id]
    assert taken.after == (first.id,)
    assert taken.args == b'{"x":{"$result":"%s"}}' % first.id.encode()


def test_a_failed_task_that_somebody_depends_on_can_be_retried_though_only_history_has_its_record() -> None:
    """The state then knows its end, as the dependant's submitter told it, and no more."""
    world = cluster()
    for peer_id in world.ids:
        work_of(world, peer_id).failing = 1.0
    peer = running(world, "a")
    failed = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}")
    ended(world, "a", failed, State.FAILED)
    dependant = NewTask(
        id=peer.new_id(), handler="sim.work", args=b"{}", after=(failed.id,), run_after_failure=True, held=True
    )
    assert answered(world, ask(world, "a", [dependant]))
    asked = Asked()
    peer.retry(failed.id, peer.now() + 5.0, asked)
    world.touch("a")
    assert answered(world, asked)
    assert asked.outcome == Done([failed.id])


def test_a_task_may_depend_on_one_just_acknowledged_elsewhere_though_this_replica_lags() -> None:
    """Not knowing it yet is no reason to say that it does not exist."""
    world = cluster()
    leader = leader_id(world)
    lagging, other = others(world, leader)
    world.network.block(leader, lagging)
    first = held_task(running(world, leader))
    assert answered(world, ask(world, other, [first]))
    assert running(world, lagging).find(first.id) is None, "it does not lag: this shows nothing"
    peer = running(world, lagging)
    dependant = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}", after=(first.id,))
    asked = ask(world, lagging, [dependant])
    world.run(0.05)
    world.network.unblock(leader, lagging)
    assert answered(world, asked)
    assert asked.outcome == Done([dependant.id])


def test_a_dependency_that_never_was_is_refused_by_name() -> None:
    world = cluster()
    for peer_id in world.ids:
        peer = running(world, peer_id)
        never = peer.new_id()
        asked = ask(world, peer_id, [NewTask(id=peer.new_id(), handler="sim.work", args=b"{}", after=(never,))])
        assert answered(world, asked)
        assert isinstance(asked.outcome, Refused)
        assert (asked.outcome.reason, asked.outcome.field) == ("unknown_dependency", "after")
        assert never in asked.outcome.detail


@pytest.mark.parametrize("same", [True, False])
def test_a_staged_task_under_a_key_of_long_ago_is_no_second_task(same: bool) -> None:
    """Only history knows the key by then; the same contents are the first task, others are refused."""
    world = cluster()
    for peer_id in world.ids:
        work_of(world, peer_id).failing = 0.0
    peer = running(world, "a")
    first = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}", key="k", digest=b"d" * 16)
    ended(world, "a", first)
    for peer_id in world.ids:
        work_of(world, peer_id).run_s = (50.0, 50.0)
    parent = NewTask(id=peer.new_id(), handler="sim.work", args=b"{}")
    assert answered(world, ask(world, "a", [parent]))
    assert world.run_until(lambda: peer.attempts.held == 1, 5.0)
    staged = msgspec.structs.replace(first, id=peer.new_id(), digest=(b"d" if same else b"e") * 16)
    peer.on_work_done(parent.id, peer.machine.tasks[parent.id].fence, Succeeded(b"1", (staged,)))
    world.touch("a")
    world.run(1.0)
    told = peer.find(parent.id)
    assert told is not None
    assert peer.find(staged.id) is None
    if same:
        assert told.state is State.SUCCEEDED
    else:
        assert told.error is not None
        assert (told.error.type, told.error.code) == ("StagedRefused", "key_reused")


@pytest.mark.parametrize("up", [3, 2])
def test_a_peer_whose_wall_clock_is_an_hour_ahead_stamps_nothing_when_it_is_elected(up: int) -> None:
    """A stamp is for ever: what is to start in an hour would start now. Of two that differ, the one behind leads."""
    world = cluster(seed=2)
    leader = leader_id(world)
    ahead, right = others(world, leader)
    world.machines[ahead].clock.wall_offset_ms = 3_600_000
    world.run(2.0)
    if up == 2:
        world.kill(leader)
        assert world.run_until(lambda: world.leader() is not None, 5.0)
    for _ in range(3):
        elected = leader_id(world)
        if elected != ahead:
            running(world, elected).raft.transfer(ahead)
            world.touch(elected)
        world.run(2.0)
    late_ms = wall_ms_of(running(world, right).machine.stamp) - world.machines[right].clock.wall_ms()
    assert late_ms < 1_000
    assert leader_id(world) != ahead
    assert answered(world, ask(world, right, [held_task(running(world, right))]))
