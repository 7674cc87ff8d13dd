"""Attempts, leases, dependants and reads, each by the moment that would break it."""

from msgspec.structs import replace

from quorate.consensus.commands import MakeReady
from quorate.consensus.frames import Append, Forward, HistoryRows
from quorate.consensus.machine import moves
from quorate.consensus.ports import PeerId
from quorate.netsim.directed.stage import Asked, Stage, demand
from quorate.netsim.directed.tap import Tap, let_pass
from quorate.netsim.work import HANDLER
from quorate.scheduling.task import NewTask, Retry, State, Succeeded, Task, TaskId

LONG = (30.0, 31.0)


def _running(stage: Stage, peer: PeerId, task: TaskId) -> bool:
    found = stage.peer(peer).machine.tasks.get(task)
    return found is not None and found.state is State.RUNNING


def a_result_under_an_old_fence() -> None:
    """Frozen past its session, thawed while the next attempt is still running elsewhere: its result comes too late."""
    stage = Stage(71)
    frozen = stage.others(stage.leader())[0]
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = ((1.0, 1.1) if peer == frozen else LONG), 0.0
    asked = stage.submit(frozen, [stage.new(frozen)])
    stage.until(lambda: stage.peer(frozen).attempts.held > 0, 5.0, "the attempt has begun")
    stage.world.freeze(frozen)
    stage.run(12.0)
    stage.world.thaw(frozen)
    stage.until(lambda: bool(stage.world.ran), 5.0, "the frozen attempt comes to its end")
    stage.run(3.0)
    first = stage.world.ran[0].fence
    task = stage.peer(stage.leader()).machine.tasks.get(asked.task)
    demand(task is not None, "one committed result per task", f"the attempt under fence {first} has ended the task")
    assert task is not None
    demand(task.fence > first, "fences strictly rising", f"fence {task.fence} of the second attempt after {first}")
    stage.until(lambda: stage.ended_everywhere(asked.task), 60.0, "the task ends")
    stage.finish()


def two_peers_claim_at_once() -> None:
    """Work that everybody wants at the same moment is begun by one."""
    stage = Stage(72)
    stage.world.network.delay_s = (0.02, 0.04)
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = (1.0, 1.1), 0.0
    for _ in range(10):
        leader = stage.leader()
        stage.submit(leader, [stage.new(leader) for _ in range(20)])
        stage.run(0.4)
    stage.run(20.0)
    told: dict[TaskId, set[int]] = {}
    for ran in stage.world.ran:
        told.setdefault(ran.task, set()).add(ran.fence)
    twice = sorted(task for task, fences in told.items() if len(fences) > 1)
    demand(not twice, "no claim under a live lease of another", f"{len(twice)} tasks ran twice though nobody died")
    stage.finish()


def a_dependant_of_two() -> None:
    """It waits for both, also when one of them has ended."""
    stage = Stage(73)
    leader = stage.leader()
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = (0.01, 0.02), 0.0
    quick, slow = stage.new(leader), stage.new(leader, held=True)
    last = stage.new(leader, after=(quick.id, slow.id))
    asked = stage.submit(leader, [quick, slow, last])
    stage.until(asked.answered, 5.0, "the request is answered")
    stage.run(3.0)
    begun = [ran for ran in stage.world.ran if ran.task == last.id]
    demand(not begun, "dependencies never early", "it ran while it waited for a task that is held")
    both = stage.new(leader)
    after = stage.new(leader, after=(both.id,))
    stage.submit(leader, [both, after])
    stage.until(lambda: stage.ended_everywhere(after.id), 20.0, "what waits for an ended task runs")
    stage.finish()


def a_dependency_that_gets_another_round() -> None:
    """One of two that a task waits for fails and is tried anew: it waits for that one again."""
    stage = Stage(75)
    leader = stage.leader()
    again = replace(stage.new(leader), args=b'{"run_s": 3.0, "failures": 1}')
    other = replace(stage.new(leader, held=True), args=b'{"run_s": 0.01, "failures": 0}')
    last = replace(stage.new(leader, after=(again.id, other.id)), run_after_failure=True)
    stage.submit(leader, [again, other, last])
    stage.until(lambda: _has_failed(stage, leader, again.id), 20.0, "the first round fails")
    stage.peer(leader).retry(again.id, stage.peer(leader).now() + 5.0, Asked())
    stage.world.touch(leader)
    stage.until(lambda: _running(stage, leader, again.id), 5.0, "the second round begins")
    stage.peer(leader).call(MakeReady(other.id), stage.peer(leader).now() + 5.0, Asked())
    stage.world.touch(leader)
    stage.run(2.0)
    early = [began for began in stage.world.began if began.attempt.task == last.id]
    demand(not early, "dependencies never early", "it ran while one that it waits for was being tried anew")
    stage.until(lambda: stage.ended_everywhere(last.id), 20.0, "what waits for both runs")
    stage.finish()


def _has_failed(stage: Stage, peer: PeerId, task: TaskId) -> bool:
    found = stage.find(peer, task)
    return found is not None and found.state is State.FAILED


def a_staged_submission_that_is_refused() -> None:
    """A result is committed together with what its handler submitted, or not at all."""
    stage = Stage(74)
    worker = stage.leader()
    for peer in stage.ids:
        stage.work(peer).run_s = LONG
    task = stage.new(worker)
    stage.submit(worker, [task])
    stage.until(lambda: any(_held(stage, peer, task.id) for peer in stage.ids), 10.0, "the attempt has begun")
    holder = next(peer for peer in stage.ids if _held(stage, peer, task.id))
    one, other = stage.peer(holder).new_id(), stage.peer(holder).new_id()
    cycle = tuple(type(task)(id=a, handler=HANDLER, args=b"{}", after=(b,)) for a, b in ((one, other), (other, one)))
    record = stage.peer(holder).machine.tasks[task.id]
    del stage.work(holder).running[task.id, record.fence]  # it ends here and now
    stage.peer(holder).on_work_done(task.id, record.fence, Succeeded(b"1", staged=cycle))
    stage.world.touch(holder)
    stage.run(2.0)
    found = stage.find(holder, task.id)
    succeeded = found is not None and found.state is State.SUCCEEDED
    demand(not succeeded, "one committed result per task", "it succeeded without what it had staged")
    stage.finish()


def _held(stage: Stage, peer: PeerId, task: TaskId) -> bool:
    found = stage.peer(peer).machine.tasks.get(task)
    return found is not None and found.state is State.RUNNING and found.peer == peer


def a_holder_that_never_comes_back() -> None:
    """What it held is given to another when its session has ended."""
    stage = Stage(75)
    gone = stage.others(stage.leader())[0]
    stage.work(gone).run_s = LONG
    asked = stage.submit(gone, [stage.new(gone)])
    stage.until(lambda: stage.peer(gone).attempts.held > 0, 5.0, "the attempt has begun")
    stage.world.kill(gone)
    other = stage.others(gone)[0]
    stage.until(lambda: _ended(stage.find(other, asked.task)), 12.0, "its work ends elsewhere")
    stage.finish()


def _ended(task: Task | None) -> bool:
    return task is not None and task.state in (State.SUCCEEDED, State.FAILED)


def a_failed_attempt_is_tried_again() -> None:
    """After its pause, without anybody asking."""
    stage = Stage(76)
    peer = stage.leader()
    for one in stage.ids:
        stage.work(one).run_s, stage.work(one).failing = (0.01, 0.02), 1.0
    task = NewTask(id=stage.peer(peer).new_id(), handler=HANDLER, args=b"{}", retry=Retry(max=3, schedule=(0.1, 0.2)))
    stage.submit(peer, [task])
    stage.run(0.05)
    for one in stage.ids:
        stage.work(one).failing = 0.0
    stage.until(lambda: _ended(stage.find(peer, task.id)), 10.0, "the second attempt")
    stage.finish()


def somebody_waits() -> None:
    """Who waits for a task hears of its end, on whichever peer he waits."""
    stage = Stage(77)
    leader = stage.leader()
    task = stage.new(leader)
    stage.submit(leader, [task])
    woken: list[PeerId] = []
    for peer in stage.ids:
        stage.peer(peer).wait(task.id, lambda _task, peer=peer: woken.append(peer))  # type: ignore[misc]  # bound now
    stage.until(lambda: stage.ended_everywhere(task.id), 20.0, "the task ends")
    stage.run(1.0)
    demand(sorted(woken) == list(stage.ids), "no lost wake-up", f"of {list(stage.ids)} only {woken} were woken")
    stage.finish()


def a_holder_cut_off_with_a_slow_clock() -> None:
    """At any moment between two renewals, over quick links and slow ones: it tells its handlers before anybody else
    gets the task.
    """
    for link_s in (0.001, 0.1):
        for since_s in (0.0, 0.3, 0.6):
            _cut_off(link_s, since_s)


def _cut_off(link_s: float, since_s: float) -> None:
    stage = Stage(4)
    stage.world.network.delay_s = (link_s / 2, link_s)
    slow = stage.others(stage.leader())[0]
    stage.machine(slow).clock.set_rate(0.96)
    work = stage.work(slow)
    work.run_s = (60.0, 61.0)
    asked = stage.submit(slow, [stage.new(slow)])
    stage.until(lambda: stage.peer(slow).attempts.held > 0, 10.0, "the attempt has begun")
    stage.run(since_s)
    told = work.lost_told
    stage.world.network.delay_s = (0.0001, 0.001)
    elsewhere = stage.peer(stage.others(slow)[0])

    def given_away() -> bool:
        task = elsewhere.machine.tasks.get(asked.task)
        return task is None or task.peer != slow or task.state is not State.RUNNING

    with stage.partition(slow):
        stage.until(lambda: work.lost_told > told or given_away(), 20.0, "somebody notices")
        early = given_away()
        demand(not early, "the holder stops first", "the task was given away while its holder trusted its session")
        stage.until(given_away, 20.0, "the task is given away")


def a_wall_clock_that_jumps() -> None:
    """A leader's wall clock, set an hour forward, ends no session and no attempt."""
    stage = Stage(78)
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = (12.0, 13.0), 0.0
    asked = [stage.submit(peer, [stage.new(peer)]) for peer in stage.ids]
    stage.until(lambda: sum(stage.peer(p).attempts.held for p in stage.ids) == 3, 5.0, "all have begun")
    stage.machine(stage.leader()).clock.wall_offset_ms += 3_600_000
    for one in asked:
        stage.until(lambda one=one: stage.ended_everywhere(one.task), 40.0, "the task ends")  # type: ignore[misc]  # bound now
    attempts = [ran.attempt for ran in stage.world.ran]
    lost = [peer for peer in stage.ids if stage.work(peer).lost_told]
    demand(attempts == [1, 1, 1] and not lost, "leases by monotonic clocks", f"attempts {attempts}, lost {lost}")
    stage.finish()


def a_cut_off_leader_is_asked() -> None:
    """It cannot know what the others have decided meanwhile, so it does not answer as if it did."""
    _cut_off_read(79, leader=True)


def a_cut_off_follower_is_asked() -> None:
    """What it has is what it last heard."""
    _cut_off_read(80, leader=False)


def _cut_off_read(seed: int, *, leader: bool) -> None:
    stage = Stage(seed)
    lonely = stage.leader() if leader else stage.others(stage.leader())[0]
    with stage.partition(lonely):
        seen = stage.read(lonely, 0.5)
        stage.run(0.6)
        demand(seen == [None], "reads are linearizable", f"{lonely}, cut off, gave out the read point {seen}")
        stage.run(2.0)
        written = stage.write(stage.leader())[-1]
        seen = stage.read(lonely, 1.0)
        stage.run(1.1)
        stale = seen != [None] and stage.find(lonely, written) is None
        demand(not stale, "reads are linearizable", f"a read on {lonely} misses {written}, acknowledged before")
    stage.finish()


def a_replica_that_lags_is_asked() -> None:
    """A read point is given out when the own replica has reached it, not when it is known."""
    stage = Stage(81)
    slow = stage.others(stage.leader())[0]
    stage.machine(slow).disk.flush_s = (1.0, 1.0)
    written = stage.write(stage.leader())[-1]
    demand(stage.find(slow, written) is None, "directed", "the replica does not lag")
    sees: list[bool] = []
    stage.peer(slow).read(
        stage.peer(slow).now() + 9.0, lambda _index: sees.append(stage.find(slow, written) is not None)
    )
    stage.world.touch(slow)
    stage.until(lambda: bool(sees), 9.1, "the read is answered")
    demand(sees == [True], "reads are linearizable", f"a read on {slow} misses {written}, acknowledged before")
    stage.machine(slow).disk.flush_s = (0.0002, 0.001)
    stage.finish()


def a_new_leader_is_asked_before_it_has_committed() -> None:
    """What the old leader acknowledged may not be committed as far as the new one knows, until an entry of its own term
    is.
    """
    stage = Stage(82)
    tap = Tap(stage.world)
    leader = stage.leader()
    heir, other = stage.others(leader)
    commit = stage.peer(heir).raft.commit_index
    tap.rule = lambda source, target, message: (
        replace(message, commit=min(message.commit, commit))
        if isinstance(message, Append) and source == leader and target == heir
        else message
    )
    stage.peer(other).raft.stand_down()
    written = stage.write(leader, 3)[-1]
    stage.world.kill(leader)
    stage.until(lambda: stage.peer(heir).raft.role == "leader", 10.0, "the heir leads")
    stage.machine(heir).disk.flush_s = (0.2, 0.3)
    sees: list[bool] = []
    peer = stage.peer(heir)
    peer.read(peer.now() + 5.0, lambda index: sees.append(index is None or peer.find(written) is not None))
    stage.world.touch(heir)
    stage.until(lambda: bool(sees), 6.0, "the read is answered")
    demand(sees == [True], "reads are linearizable", f"a read on {heir} misses {written}, acknowledged before")
    stage.machine(heir).disk.flush_s = (0.0002, 0.001)
    tap.rule = let_pass
    stage.world.kill(other)
    stage.finish()


def the_age_of_a_cut_off_peer() -> None:
    """It says how long ago it heard a leader."""
    stage = Stage(83)
    lonely = stage.others(stage.leader())[0]
    with stage.partition(lonely):
        stage.run(7.0)
        age = stage.peer(lonely).status().stale_s
        demand(age >= 6.5, "a stale answer states its age", f"cut off for 7 s, it claims to be {age:.1f} s old")
    stage.finish()


def a_peer_that_lost_its_history_is_asked() -> None:
    """It never answers that there is no such task before it has its ended tasks again."""
    stage = Stage(84, snapshot_entries=20, keep_entries=5, segment_bytes=4_096)
    leader = stage.leader()
    asked = stage.submit(leader, [stage.new(leader)])
    stage.until(asked.answered, 5.0, "the request is answered")
    stage.until(lambda: stage.ended_everywhere(asked.task), 20.0, "the task ends")
    stage.run(moves.STUB_MS / 1000 * 2 + 5.0)
    tap = Tap(stage.world)
    lost = stage.others(stage.leader())[0]
    tap.rule = lambda _source, target, message: None if target == lost and isinstance(message, HistoryRows) else message
    stage.world.kill(lost)
    stage.machine(lost).history.wipe()
    stage.world.start(lost)
    sees: list[bool] = []
    peer = stage.peer(lost)
    peer.read(peer.now() + 10.0, lambda index: sees.append(index is None or peer.find(asked.task) is not None))
    stage.world.touch(lost)
    stage.run(2.0)
    tap.rule = let_pass
    stage.until(lambda: bool(sees), 10.1, "the read is answered")
    demand(sees == [True], "reads are linearizable", f"a read on {lost} does not know {asked.task}, which has ended")
    stage.finish()


def the_same_key_again_and_again() -> None:
    """Live, just ended, long ended, on any peer: one task; and no other contents under it."""
    stage = Stage(85)
    first = stage.submit("a", [stage.new("a", key="k")])
    stage.until(first.answered, 10.0, "the first is answered")
    for pause_s in (0.0, 5.0, 40.0):
        stage.run(pause_s)
        for peer in stage.ids:
            again = stage.submit(peer, [stage.new(peer, key="k")])
            stage.until(again.answered, 10.0, "the repetition is answered")
            demand(again.task == first.task, "repeated never doubled", f"key k is {first.task} and {again.task}")
    other = stage.new("b", key="k")
    other = type(other)(id=other.id, handler=other.handler, args=b"{}", key="k", digest=b"e" * 16)
    asked = Asked()
    stage.peer("b").submit([other], stage.peer("b").now() + 5.0, asked)
    stage.world.touch("b")
    stage.until(asked.answered, 6.0, "it is answered")
    demand(asked.refused, "repeated never doubled", "a key of history was used for other contents")
    stage.finish()


def a_submission_that_comes_late() -> None:
    """Its peer looked into history before the key was used there, and its frame arrives when the state has forgotten
    the key again: it has to look again.
    """
    stage = Stage(86)
    tap = Tap(stage.world)
    leader = stage.leader()
    late = stage.others(leader)[0]
    tap.rule = lambda source, _target, message: (
        None if source == late and isinstance(message, Forward) and not message.reserved else message
    )
    repeated = stage.submit(late, [stage.new(late, key="k")], deadline_s=120.0)
    stage.run(0.1)
    for peer in stage.ids:
        stage.work(peer).run_s = (0.01, 0.02)
    first = stage.submit(leader, [stage.new(leader, key="k")])
    stage.until(first.answered, 10.0, "the first is answered")
    stage.run(40.0)
    tap.rule = let_pass
    stage.until(repeated.answered, 60.0, "the late one is answered")
    demand(repeated.task == first.task, "repeated never doubled", f"key k is {first.task} and {repeated.task}")
    stage.finish()


def a_task_runs_when_its_submission_is_answered() -> None:
    """On an idle cluster the claim that travels with a submission stays behind it."""
    stage = Stage(87)
    for peer in stage.ids:
        asked = stage.submit(peer, [stage.new(peer)])
        stage.until(asked.answered, 5.0, "the request is answered")
        held = stage.peer(peer).attempts.held
        demand(held == 1, "a task runs when its submission is answered", f"{peer} holds {held} attempts")
        stage.run(2.0)
    stage.finish()
