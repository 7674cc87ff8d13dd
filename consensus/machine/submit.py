"""Taking in new tasks: of a submission, of what an attempt staged, and of another round of one that failed.

Law: everything is examined before anything is changed, so a refusal changes nothing and a request is taken whole.
"""

import msgspec

from quorate.consensus.commands import Again, Applied, Done, Found, Refused, Submit
from quorate.consensus.machine.dependants import fail_with, recall, stands_in_the_way
from quorate.consensus.machine.moves import place, withhold
from quorate.consensus.machine.nesting import is_shallow
from quorate.consensus.machine.records import Ended, Telling, unpack_task
from quorate.consensus.machine.store import Store
from quorate.scheduling.graph import find_cycle
from quorate.scheduling.task import ENDED, NewTask, State, Task, TaskId

SETTLED = Telling.SETTLED
FAILED = State.FAILED

MOST_MOMENTS = 1 << 32
"""More than any task ever has; a record that claims more is not ours."""
STALE_LOOKUP = Refused("stale_lookup", "history has moved on since it was looked up; look again")


class Plan(msgspec.Struct):
    """A request that was examined and can be carried out whole."""

    ids: list[str] = []
    """Of the tasks in order; a repetition has the id of the first."""
    new: dict[TaskId, NewTask] = {}
    after: dict[TaskId, tuple[TaskId, ...]] = {}
    """What each new task waits for; ids of repetitions replaced by those of the first."""
    aliases: dict[TaskId, TaskId] = {}
    found: dict[TaskId, Found] = {}
    """Ended dependencies that only history knows."""


def submit(store: Store, command: Submit) -> Applied:
    plan = examine(store, command.tasks, command.looked_at, command.found)
    if isinstance(plan, Refused):
        return plan
    carry_out(store, plan)
    return Done(plan.ids)


def examine(store: Store, tasks: tuple[NewTask, ...], looked_at: int, found: tuple[Found, ...]) -> Plan | Refused:
    """Whether these can be taken in, all of them; changes nothing."""
    plan = Plan()
    stale = looked_at < store.now.lookup_floor
    return (
        _identify(store, plan, tasks, stale)
        or _connect(store, plan, {one.id: one for one in found}, stale)
        or _measure(store, plan)
        or plan
    )


def _identify(store: Store, plan: Plan, tasks: tuple[NewTask, ...], stale: bool) -> Refused | None:
    """Which are new, which repeat a task under its key."""
    keys: dict[tuple[str, str], NewTask] = {}
    for task in tasks:
        first = _first_with_key(store, keys, task) if task.key else None
        if first is not None:
            if first.digest != task.digest:
                return Refused("key_reused", f"key {task.key!r} belongs to task {first.id} with other contents", "key")
            plan.aliases[task.id] = first.id
            plan.ids.append(first.id)
            continue
        if task.id in plan.new or task.id in store.tasks.records or task.id in store.ended.records:
            return Refused("duplicate_id", f"there is a task {task.id} already", "id")
        if task.key:
            if stale:
                return STALE_LOOKUP
            keys[task.namespace, task.key] = task
        plan.new[task.id] = task
        plan.ids.append(task.id)
    return None


def _first_with_key(store: Store, here: dict[tuple[str, str], NewTask], task: NewTask) -> Task | Ended | NewTask | None:
    key = (task.namespace, task.key)
    known = store.keys.get(key)
    if known is None:
        return here.get(key)
    return store.tasks.records.get(known) or store.ended.records[known]


def _connect(store: Store, plan: Plan, found: dict[TaskId, Found], stale: bool) -> Refused | None:
    """What each waits for. A request in which every dependency stands earlier cannot have a cycle; others are
    searched."""
    earlier: set[TaskId] = set()
    forward = False
    for task in plan.new.values():
        if task.after:
            after = tuple(dict.fromkeys([plan.aliases.get(name, name) for name in task.after]))
            for dependency in after:
                if dependency in plan.new:
                    forward = forward or dependency not in earlier
                elif (refusal := _known(store, plan, found, dependency, stale)) is not None:
                    return refusal
            plan.after[task.id] = after
        earlier.add(task.id)
    cycle = find_cycle(plan.after) if forward else []
    return Refused("cycle", "these wait for each other: " + " -> ".join(cycle[:8]), "after") if cycle else None


def _known(
    store: Store,
    plan: Plan,
    found: dict[TaskId, Found],
    dependency: TaskId,
    stale: bool,
) -> Refused | None:
    if dependency in store.tasks.records or dependency in store.ended.records:
        return None
    if stale:
        return STALE_LOOKUP
    known = found.get(dependency)
    if known is None or known.state not in ENDED:
        return Refused("unknown_dependency", f"there is no task {dependency}", "after")
    plan.found[dependency] = known
    return None


def _measure(store: Store, plan: Plan) -> Refused | None:
    bounds = store.bounds
    if len(store.tasks.records) + len(plan.new) > bounds.live_tasks and plan.new:
        return Refused(
            "too_many_tasks", f"{len(plan.new)} more would be over the limit of {bounds.live_tasks} live tasks"
        )
    size = sum([len(task.args) for task in plan.new.values()])
    size += sum([len(known.result or b"") for known in plan.found.values()])
    if size and store.live_bytes + size > bounds.live_bytes:
        return Refused(
            "too_many_bytes", f"{size} more would be over the limit of {bounds.live_bytes} bytes in live tasks"
        )
    return None


def carry_out(store: Store, plan: Plan) -> None:
    """Take in what was examined."""
    for found in plan.found.values():
        keep_found(store, found)
    doomed: list[tuple[Task, Ended]] = []
    for new in plan.new.values():
        after = plan.after.get(new.id, ())
        args = new.args
        for name in plan.aliases if after else ():
            # `$result` names the id minted for the repetition; the result is that of the first. Ids are equally long.
            args = args.replace(name.encode(), plan.aliases[name].encode())
        store.now.seq += 1
        task = _record(store, new, args, after)
        culprit = _begin(store, task, new.held, "submitted")
        if culprit is not None:
            doomed.append((task, culprit))
    # Not before all are in: the end of one may take the stub along that another still has to look at.
    for task, culprit in doomed:
        fail_with(store, task, culprit)


def keep_found(store: Store, found: Found) -> None:
    """A stub for a dependency that only history knows, as long as somebody depends on it."""
    if found.id in store.ended.records:
        return
    size = len(found.result or b"")
    stub = Ended(found.id, 0, "", "", b"", found.state, found.result, 0, 0, 0, size, b"")
    store.ended.put(found.id, stub)
    store.attach_stub(stub)


def _record(store: Store, new: NewTask, args: bytes, after: tuple[TaskId, ...]) -> Task:
    return Task(
        new.id,
        store.now.seq,
        new.handler,
        args,
        new.namespace,
        new.queue,
        new.priority,
        new.key,
        new.digest,
        new.not_before_ms,
        new.deadline_ms,
        new.timeout_ms,
        after,
        new.run_after_failure,
        new.retry,
        new.labels,
        new.principal,
        new.trace,
        store.now.stamp,
        State.HELD,
    )


def _begin(store: Store, task: Task, held: bool, kind: str) -> Ended | None:
    """The first state of a round. Returned: the dependency whose end makes it fail, which the caller then does."""
    culprit = None
    for dependency in task.after:
        stub = store.ended.records.get(dependency)
        if stub is None or (stub.telling is not SETTLED and stub.told < task.seq):
            task.unmet += 1  # word of its end is still to come
        elif culprit is None and stands_in_the_way(task, stub):
            culprit = stub
            task.unmet += 1  # it waits for what can no longer come, for the moment it takes to say so
    store.tasks.put(task.id, task)
    store.attach(task)
    if held:
        withhold(store, task)
    else:
        place(store, task, kind)
    return culprit


def again(store: Store, command: Again) -> Applied:
    """A fresh round for a failed task: same id, same place in lists, counting attempts on."""
    if command.task in store.tasks.records:
        return Refused("not_ended", f"task {command.task} has not ended")
    stub = store.ended.records.get(command.task)
    task = (stub.record if stub is not None else None) or _from_history(store, command)
    if isinstance(task, Refused):
        return task
    if task.state is not FAILED:
        return Refused("not_failed", f"task {task.id} is not failed but {task.state}; only a failed one is tried again")
    return _readmit(store, command, task, stub)


def _from_history(store: Store, command: Again) -> Task | Refused:
    """The record that the submitter found. It was ours once, but comes from outside: what cannot be ours is refused."""
    if not command.record:
        return Refused("not_found", f"there is no task {command.task}")
    if command.looked_at < store.now.lookup_floor:
        return STALE_LOOKUP
    task = _unpack(command.record)
    if task is None or task.id != command.task or not _could_be_ours(store, task):
        return Refused("malformed", f"the record is not that of task {command.task} here", "record")
    if task.key and (task.namespace, task.key) in store.keys:
        return Refused("key_reused", f"key {task.key!r} belongs to another task by now", "key")
    return task


def _unpack(record: bytes) -> Task | None:
    if not is_shallow(record):
        return None
    try:
        return unpack_task(record)
    except (msgspec.MsgspecError, ValueError):
        return None


def _could_be_ours(store: Store, task: Task) -> bool:
    now = store.now
    is_past = 0 < task.seq <= now.seq and task.attempt <= task.fence <= now.fence and task.moments < MOST_MOMENTS
    return is_past and task.seq not in store.by_seq


def _readmit(store: Store, command: Again, task: Task, stub: Ended | None) -> Applied:
    plan = Plan(new={task.id: NewTask(task.id, task.handler, task.args)}, after={task.id: task.after})
    found = {one.id: one for one in command.found}
    for dependency in task.after:
        refusal = _known(store, plan, found, dependency, command.looked_at < store.now.lookup_floor)
        if refusal is not None:
            return refusal
    refusal = _measure(store, plan)
    if refusal is not None:
        return refusal
    for one in plan.found.values():
        keep_found(store, one)
    if stub is not None:
        recall(store, stub)
        store.ended.drop(stub.id)
        store.detach_stub(stub)
    task.failures = task.deaths = task.unmet = 0
    task.peer, task.incarnation, task.result, task.error = "", 0, None, None
    task.ended_stamp = task.end_seq = task.due_ms = 0
    task.due_by_elapsed = False
    culprit = _begin(store, task, False, "again")
    if culprit is not None:
        fail_with(store, task, culprit)
    return Done([task.id])
