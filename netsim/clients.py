"""Clients of a simulated cluster: they ask what a scenario says, ask again under the same key when they do not know,
and remember what they were told.

Laws:
- What is remembered is what a client can know: when it asked, what it was told and when.
- Clients judge nothing: `record` is what checkers judge by.
"""

from collections.abc import Callable
from typing import Literal

from quorate.consensus.commands import Cancel, Done, Outcome, Refused
from quorate.consensus.peer import Peer
from quorate.consensus.ports import PeerId
from quorate.netsim.checkers.record import Asked, Entry, Record, Value
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.faults.kind import resolve
from quorate.netsim.flow import submission
from quorate.netsim.machine import Machine
from quorate.netsim.scenario import Flow, Leaf, Operation
from quorate.netsim.world import World
from quorate.scheduling.task import TaskId

SLACK_S = 1.0
"""What a request may take beyond its deadline, by any clock within the bounds."""
TRIES = 100
"""After the load has ended; before, without end."""
FINAL_REFUSALS = ("key_reused", "unknown_dependency", "too_large")


class Request:
    """One thing asked of one life of one peer."""

    __slots__ = ("answered", "asked", "draw", "given_up", "life", "number", "operation", "peer", "tries")

    def __init__(
        self, number: int, operation: Operation, machine: Machine, asked: Asked, tries: int, draw: SeededEntropy
    ) -> None:
        self.number = number
        self.operation = operation
        self.asked = asked
        self.peer = machine.id
        self.life = machine.life
        self.tries = tries
        self.draw = draw
        self.answered = False
        self.given_up = False


class Clients:
    """`world.clients`, once made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._deadline_s = world.conditions.deadline_s
        self._running = True
        self._asked: set[str] = set()
        self.record = Record()
        self.accepted: dict[str, TaskId] = {}
        """By key, the first task of each submission that was acknowledged."""
        self.acknowledged: list[TaskId] = []
        """All tasks of acknowledged submissions, in that order."""
        self.refused: dict[str, str] = {}
        """By key, why for good."""
        self.requests = 0
        self.open = 0
        self.answers = 0
        world.clients = self

    def plan(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            draw = self._world.stream(f"operation {operation.at!r} {operation.do} {operation.key} {operation.via}")
            self._world.after(operation.at - self._world.now, self._ask, operation, 0, draw)

    def burst(self, peer: PeerId, operations: int) -> None:
        """So many submissions at once."""
        now = self._world.now
        for n in range(operations):
            key = f"burst {now:.6f} {peer} {n}"
            operation = Operation(at=now, do="submit", via=peer, key=key, flow=Leaf(run_s=0.001))
            self._ask(operation, 0, self._world.stream(key))

    def stop(self) -> None:
        """The load is over: what is still unknown is asked for again, but not without end."""
        self._running = False

    def missing(self) -> str:
        """What is still unanswered; "": nothing."""
        if self.open:
            return f"{self.open} requests unanswered"
        unknown = sorted(self._asked - self.accepted.keys() - self.refused.keys())
        return f"{len(unknown)} submissions still without an answer, the first: {unknown[0]}" if unknown else ""

    # --- asking

    def _ask(self, operation: Operation, tries: int, draw: SeededEntropy) -> None:
        key, do = operation.key, operation.do
        if do == "submit":
            self._asked.add(key)
            if key in self.accepted and tries:
                return
        elif do in ("cancel", "retry", "look") and key not in self.accepted:
            return  # nothing was acknowledged that it could speak of
        machine = self._machine(operation, tries, draw)
        if machine is None or machine.peer is None:
            self._again(operation, tries, draw)
            return
        peer = machine.peer
        self.requests += 1
        self.open += 1
        deadline = peer.now() + self._deadline_s
        asked = self.record.ask(machine.id, machine.life, do, key, deadline)
        request = Request(self.requests, operation, machine, asked, tries, draw)
        self._world.after(self._deadline_s + SLACK_S, self._unanswered, request)
        self._world.touch(machine.id)
        _ASK[do](self, request, peer, deadline)

    def _machine(self, operation: Operation, tries: int, draw: SeededEntropy) -> Machine | None:
        """The one it names; a repetition goes to any that lives."""
        live = self._world.live()
        named = resolve(self._world, (operation.via,), []) if operation.via != "any" and not tries else []
        for machine in live:
            if machine.id in named:
                return machine
        return live[draw.below(len(live))] if live else None

    def _submit(self, request: Request, peer: Peer, deadline: float) -> None:
        operation = request.operation
        flow: Flow = operation.flow or Leaf()
        tasks = submission(flow, operation.key, peer.new_id)
        self._invoked(request, str(tasks[0].id))
        request.asked.ids = tuple(task.id for task in tasks)

        def reply(outcome: Outcome, index: int) -> None:
            self.record.tell(request.asked, outcome, index)
            if not self._answered(request):
                return
            if isinstance(outcome, Done):
                self._accept(request, [TaskId(each) for each in outcome.value])
                return
            self._told_outcome(request, outcome)
            if isinstance(outcome, Refused) and outcome.reason in FINAL_REFUSALS:
                self.refused[operation.key] = outcome.reason
                return
            self._again(operation, request.tries, request.draw)

        peer.submit(tasks, deadline, reply)

    def _accept(self, request: Request, tasks: list[TaskId]) -> None:
        key = request.operation.key
        self._told(request, "ok", str(tasks[0]), "done")
        if key not in self.accepted:
            self.accepted[key] = tasks[0]
            self.acknowledged += tasks

    def _cancel(self, request: Request, peer: Peer, deadline: float) -> None:
        task = self.accepted[request.operation.key]
        self._invoked(request, str(task))
        peer.call(Cancel(task), deadline, lambda outcome, _index: self._outcome(request, outcome))

    def _retry(self, request: Request, peer: Peer, deadline: float) -> None:
        task = self.accepted[request.operation.key]
        self._invoked(request, str(task))
        peer.retry(task, deadline, lambda outcome, _index: self._outcome(request, outcome))

    def _read(self, request: Request, peer: Peer, deadline: float) -> None:
        self._at_index(request, peer, deadline, lambda index: index)

    def _look(self, request: Request, peer: Peer, deadline: float) -> None:
        task = self.accepted[request.operation.key]

        def found(_index: int) -> Value:
            record = peer.find(task)
            return (str(task), "", 0) if record is None else (str(task), str(record.state), record.fence)

        self._at_index(request, peer, deadline, found)

    def _list(self, request: Request, peer: Peer, deadline: float) -> None:
        self._at_index(request, peer, deadline, lambda _index: tuple(str(task) for task in peer.machine.tasks))

    def _at_index(self, request: Request, peer: Peer, deadline: float, found: Callable[[int], Value]) -> None:
        """A linearizable question."""
        self._invoked(request, None)
        read = self.record.begin_read(peer.id)

        def answered(index: int | None) -> None:
            self.record.tell(request.asked, None, 0)
            if not self._answered(request):
                return
            if index is None:
                self._told(request, "fail", None, "no_quorum")
                return
            self.record.end_read(read, index, peer.machine.index)
            self._told(request, "ok", found(index), "ok")

        peer.read(deadline, answered)

    # --- being told

    def _outcome(self, request: Request, outcome: Outcome) -> None:
        self.record.tell(request.asked, outcome, 0)
        if self._answered(request):
            self._told_outcome(request, outcome)

    def _answered(self, request: Request) -> bool:
        """Whether the client still waits for it."""
        if request.answered or request.given_up:
            return False
        request.answered = True
        self.open -= 1
        self.answers += 1
        return True

    def _told_outcome(self, request: Request, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            self._told(request, "ok", None, "done")
        elif isinstance(outcome, Refused):
            self._told(request, "fail", outcome.reason, "refused")
        else:
            self._told(request, "info", None, "unknown")

    def _unanswered(self, request: Request) -> None:
        """The peer died with our request, is frozen with it, or broke its promise to answer within the deadline."""
        if request.answered:
            return
        request.given_up = True
        self.open -= 1
        self._told(request, "info", None, "gone")
        if request.operation.do == "submit":
            self._again(request.operation, request.tries, request.draw)

    def _again(self, operation: Operation, tries: int, draw: SeededEntropy) -> None:
        if operation.do == "submit" and (self._running or tries < TRIES):
            self._world.after(0.2 + draw.random() * 0.3, self._ask, operation, tries + 1, draw)

    # --- remembering

    def _invoked(self, request: Request, value: Value) -> None:
        world, operation = self._world, request.operation
        self.record.history.append(Entry(request.number, "invoke", operation.do, operation.key, value, world.now))
        world.trace.note(
            world.now,
            "invoke",
            request.peer,
            n=request.number,
            client=operation.key,
            do=operation.do,
            key=operation.key,
        )

    def _told(self, request: Request, kind: Literal["ok", "fail", "info"], value: Value, outcome: str) -> None:
        world, operation = self._world, request.operation
        self.record.history.append(Entry(request.number, kind, operation.do, operation.key, value, world.now))
        detail = value if isinstance(value, str) else ""
        world.trace.note(
            world.now,
            "told",
            request.peer,
            n=request.number,
            client=operation.key,
            outcome=outcome,
            detail=detail,
        )


_ASK: dict[str, Callable[[Clients, Request, Peer, float], None]] = {
    "submit": Clients._submit,
    "cancel": Clients._cancel,
    "retry": Clients._retry,
    "read": Clients._read,
    "look": Clients._look,
    "list": Clients._list,
}
