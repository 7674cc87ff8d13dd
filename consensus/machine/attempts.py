"""Attempts: granted by compare-and-set, ended once.

Law: a grant needs a ready task, the number of attempts the claimant saw, and a living session with a free slot; every
grant has a fence of its own, greater than all before. Only the current fence can end an attempt, so at most one end
counts.
"""

from quorate.consensus.commands import (
    Applied,
    Cancel,
    Claim,
    Done,
    Finish,
    GiveBack,
    MakeReady,
    Refused,
    SetError,
    SetResult,
    Stage,
)
from quorate.consensus.machine import moves
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.submit import carry_out, examine
from quorate.scheduling.retry import next_retry_ms
from quorate.scheduling.task import State, Task, TaskError, TaskId

CANCELLED = State.CANCELLED
HELD = State.HELD
READY = State.READY
RUNNING = State.RUNNING

DONE = Done()


def claim(store: Store, command: Claim) -> Applied:
    session = store.sessions.records.get(command.peer)
    if session is None or session.incarnation != command.incarnation or session.expires_elapsed <= store.now.elapsed:
        return Refused("no_session", f"peer {command.peer} has no session of incarnation {command.incarnation}")
    tasks = store.tasks.records
    fences = []
    for wanted, attempts in command.wanted:
        task = tasks.get(wanted)
        if task is None or task.state is not READY or task.attempt != attempts or session.running >= session.slots:
            fences.append("")
            continue
        moves.start(store, task, session.peer, session.incarnation)
        fences.append(str(task.fence))
    return Done(fences)


def finish(store: Store, command: Finish) -> Applied:
    task = store.tasks.records.get(command.task)
    if task is None or task.state is not RUNNING or task.fence != command.fence:
        return Refused(
            "stale_fence", f"fence {command.fence} is not that of a running attempt of {command.task}", "fence"
        )
    endings = [op for op in command.ops if not isinstance(op, Stage)]
    if len(endings) != 1:
        return Refused("malformed", f"an attempt has one ending, got {len(endings)}", "ops")
    stages = [op for op in command.ops if isinstance(op, Stage)]
    ending = endings[0]
    if stages:
        return _finish_staged(store, task, ending, stages)
    if isinstance(ending, SetResult):
        moves.succeed(store, task, ending.result)
    elif isinstance(ending, SetError):
        fail_attempt(store, task, ending.error, ending.retry_ms)
    else:
        moves.put_back(store, task, "handed_back", ending.why)
    return DONE


def _finish_staged(store: Store, task: Task, ending: SetResult | SetError | GiveBack, stages: list[Stage]) -> Applied:
    """The result and what was staged with it, or neither."""
    if not isinstance(ending, SetResult):
        return Refused("malformed", "only a result is committed together with staged tasks", "ops")
    staged = tuple([new for stage in stages for new in stage.tasks])
    found = tuple([one for stage in stages for one in stage.found])
    plan = examine(store, staged, min([stage.looked_at for stage in stages]), found)
    if not isinstance(plan, Refused):
        carry_out(store, plan)
        moves.succeed(store, task, ending.result)
        return DONE
    if plan.reason == "stale_lookup":
        return plan  # for the peer to look again; the attempt is still its own
    error = TaskError("StagedRefused", f"a staged submission was refused: {plan.reason}: {plan.detail}", plan.reason)
    fail_by_rule(store, task, error)
    return Done(["staged_refused", plan.reason])


def fail_attempt(store: Store, task: Task, error: TaskError, retry_ms: int | None) -> None:
    """A failed attempt counts; another one follows if the error is retried and retries are left."""
    store.tasks.touch(task.id)
    task.failures += 1
    if retry_ms is None or task.retry is None or task.failures > task.retry.max:
        moves.fail(store, task, error, "")
        return
    task.error = error
    moves.reschedule(store, task, retry_ms)


def fail_by_rule(store: Store, task: Task, error: TaskError) -> None:
    """A failure that the state itself has found, retried by the task's own rule."""
    fail_attempt(store, task, error, next_retry_ms(task.retry, task.id, task.failures + 1, error.type))


def time_out(store: Store, task: Task) -> None:
    """The peer has not ended the attempt in time: it is taken away."""
    message = f"attempt {task.attempt} was not ended within its timeout of {task.timeout_ms} ms and a grace"
    fail_by_rule(store, task, TaskError("TimeoutError", message))


def cancel(store: Store, command: Cancel) -> Applied:
    task = store.tasks.records.get(command.task)
    if task is not None:
        moves.cancel(store, task, command.reason)
        return DONE
    stub = store.ended.records.get(command.task)
    if stub is not None and stub.state is CANCELLED:
        return DONE
    return _gone(store, command.task)


def release(store: Store, command: MakeReady) -> Applied:
    """A held task may go on. A quarantined one gets a clean slate: somebody has looked at it."""
    task = store.tasks.records.get(command.task)
    if task is None:
        return _gone(store, command.task)
    if task.state is not HELD:
        return Refused("not_held", f"task {task.id} is {task.state}, not held")
    store.tasks.touch(task.id)
    store.leave(task)
    task.deaths = 0
    if command.not_before_ms is not None:
        task.not_before_ms = command.not_before_ms
    moves.place(store, task, "released")
    return DONE


def _gone(store: Store, task: TaskId) -> Refused:
    stub = store.ended.records.get(task)
    if stub is None:
        return Refused("not_found", f"there is no task {task}")
    return Refused("already_ended", f"task {task} has ended; its state is {stub.state}")
