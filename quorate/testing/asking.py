"""The client of a simulated cluster: what a `quorate.Client` does, in virtual time and without a network.

Laws:
- What is asked passes the very checks of `POST /v1/tasks`, and is refused with the same errors.
- As a real client: it keeps to one peer, goes to the next when that one fails, repeats under the same key, and ends
  within its time as done, `Refused`, `NoQuorum`, `CannotConnect` or `Unknown`.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from quorate.consensus import commands as consensus
from quorate.consensus.commands import Cancel, Done, Outcome
from quorate.consensus.peer import Peer
from quorate.errors import CannotConnect, NotFound, QuorateError, Refused, Unknown, refusal
from quorate.netsim.world import World
from quorate.node.http.decode import decode
from quorate.node.http.handlers import unknown_words
from quorate.node.http.model import TaskAsked
from quorate.node.http.problems import Problem, bad, from_outcome
from quorate.node.http.submission import Submitted, many, one
from quorate.node.http.told import encode, task_told
from quorate.node.registry import Registry
from quorate.node.staging import BY_CONTRACT
from quorate.protocol.asked import encoded
from quorate.protocol.failover import ATTEMPT_S, PASSING
from quorate.protocol.told import TaskInfo, read_task
from quorate.scheduling.task import ENDED, NewTask, Task, TaskId

TIMEOUT_S = 30.0
"""As long as a real client tries, over all peers."""
PAUSE_S = 0.1
"""Before the next peer is asked."""
PRINCIPAL = "test"

Reply = Callable[[Outcome, int], None]
Start = Callable[[Peer, float, Reply], None]


class Accepted(NamedTuple):
    id: TaskId
    key: str
    handler: str


class Asking:
    def __init__(self, world: World, registry: Registry) -> None:
        self._world = world
        self._registry = registry
        self._keys = itertools.count(1)
        self._turn = int(world.stream("client").random() * len(world.ids))

    def submit(self, tasks: Iterable[Mapping[str, Any]], via: str | None) -> list[Accepted]:
        """All or none. Raises QuorateError."""
        keyed = [task if task.get("key") else {**task, "key": f"auto-{next(self._keys)}"} for task in tasks]
        try:
            asked = [decode(body, TaskAsked) for body in encoded(keyed)]
            self._check_handlers(asked)
        except Problem as problem:
            raise _as_error(problem) from None

        def start(peer: Peer, deadline: float, reply: Reply) -> None:
            peer.submit(_new_tasks(asked, peer), deadline, reply)

        ids = self._until_done(start, via)
        return [Accepted(TaskId(task), sent["key"], sent["handler"]) for task, sent in zip(ids, keyed, strict=True)]

    def cancel(self, task: TaskId, reason: str) -> None:
        """Raises Conflict if it has ended, NotFound, and as `submit`."""
        self._until_done(lambda peer, deadline, reply: peer.call(Cancel(task, reason), deadline, reply), None)

    def find(self, task: TaskId) -> tuple[Task, Peer] | None:
        """As the running peer knows it that has applied most."""
        best: tuple[Task, Peer] | None = None
        for machine in self._world.live():
            peer = machine.peer
            found = None if peer is None else peer.find(task)
            if peer is None or found is None:
                continue
            if best is None or peer.machine.index > best[1].machine.index:
                best = found, peer
        return best

    def info(self, task: TaskId) -> TaskInfo:
        """Raises NotFound when no running peer knows it."""
        found = self.find(task)
        if found is None:
            raise NotFound(404, {"detail": f"no running peer knows the task {task}"})
        return read_task(encode(task_told(found[0], found[1].machine)))

    def has_ended(self, task: TaskId) -> bool:
        """For good: an end that one replica has applied is committed."""
        for machine in self._world.live():
            found = None if machine.peer is None else machine.peer.find(task)
            if found is not None and found.state in ENDED:
                return True
        return False

    # --- one request, over all peers

    def _until_done(self, start: Start, via: str | None) -> Sequence[str]:
        until = self._world.now + TIMEOUT_S
        error: QuorateError = CannotConnect("no peer runs")
        while self._world.now < until:
            outcome = self._ask(via or self._world.ids[self._turn], start, until)
            if isinstance(outcome, Done):
                return list(outcome.value or ())
            failure = _failure(outcome)
            if not _may_pass(failure):
                raise failure
            # What may have been done stays unknown, whatever the next peer says of its own try.
            error = error if isinstance(error, Unknown) else failure
            self._turn = (self._turn + 1) % len(self._world.ids)
            self._world.run(PAUSE_S)
        raise error

    def _ask(self, peer_id: str, start: Start, until: float) -> Outcome | None:
        """None: nothing was sent. A frozen peer's kernel takes the request; it is read when the peer thaws."""
        machine = self._world.machines[peer_id]
        process = machine.peer
        if process is None:
            return None
        answers: list[Outcome] = []
        deadline = process.now() + min(ATTEMPT_S, until - self._world.now)

        def arrive(peer: Peer) -> None:
            start(peer, deadline, lambda outcome, _index: answers.append(outcome))

        self._world.surviving(self._world.give, machine, arrive)
        self._world.run_until(lambda: bool(answers) or machine.peer is not process, ATTEMPT_S)
        return answers[0] if answers else _NO_ANSWER

    def _check_handlers(self, asked: Sequence[TaskAsked]) -> None:
        for n, task in enumerate(asked):
            if not task.allow_unknown_handler and self._registry.get(task.handler) is None:
                field = "handler" if len(asked) == 1 else f"tasks[{n}].handler"
                raise bad(field, f"{unknown_words(task)}; in a test: cluster.register(...)")


def _new_tasks(asked: Sequence[TaskAsked], peer: Peer) -> list[NewTask]:
    by = Submitted(PRINCIPAL, "", BY_CONTRACT.attempt_timeout_ms, BY_CONTRACT.args_max_bytes)
    try:
        if len(asked) == 1:
            return [one(asked[0], "", by, {}, peer.new_id)]
        making = many(asked, "", by, peer.new_id)
        while True:
            making.send(None)  # it only ever yields to let others go on
    except StopIteration as made:
        tasks: list[NewTask] = made.value
        return tasks
    except Problem as problem:
        raise _as_error(problem) from None


def _may_pass(failure: QuorateError) -> bool:
    """Another peer or a later time may do it."""
    return isinstance(failure, Unknown | CannotConnect) or (isinstance(failure, Refused) and failure.status in PASSING)


def _failure(outcome: Outcome | None) -> QuorateError:
    if outcome is None or isinstance(outcome, Done):
        return CannotConnect("the peer that was asked does not run, or is frozen")
    return _as_error(from_outcome(outcome))


def _as_error(problem: Problem) -> QuorateError:
    told = problem.told()
    if told.outcome == "unknown":
        return Unknown(told.detail)
    return refusal(told.status, {**msgspec.to_builtins(told), "type": told.kind}, problem.retry_after_s)


_NO_ANSWER = consensus.Unknown("the peer died, or did not answer within the deadline")
