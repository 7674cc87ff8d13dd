"""The attempts this peer holds: claimed, started, ended, told to the log.

Laws:
- A handler starts only after its claim is applied here, and never without a trusted session.
- What a handler returned becomes one `Finish` with its fence; the state decides whether it still counts.
- Claims travel with completions: a place is free for planning as soon as its completion is on its way.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from quorate.consensus.commands import (
    Claim,
    Finish,
    GiveBack,
    Outcome,
    Refused,
    SetError,
    SetResult,
    Stage,
    Staged,
    Unknown,
)
from quorate.consensus.events import Event, TaskEvent
from quorate.consensus.lookup import look_up_submission
from quorate.consensus.machine import Machine
from quorate.consensus.planner import Planner
from quorate.consensus.ports import Ports
from quorate.consensus.proctor import Offer, Proctor
from quorate.consensus.proposer import Proposer
from quorate.consensus.settings import PeerSettings
from quorate.scheduling.priority import virtual_start_ms
from quorate.scheduling.retry import next_retry_ms
from quorate.scheduling.task import (
    Attempt,
    Ending,
    Failed,
    NewTask,
    Returned,
    State,
    Succeeded,
    Task,
    TaskError,
    TaskId,
)

FINISH_DEADLINE_S = 3_600.0
"""A completion is offered until the cluster has answered, anew after each of these: without it the task would be held
for ever by a peer that does not run it.
"""
CLAIM_DEADLINE_S = 5.0
WORTH_A_CLAIM = 4
"""While a claim is under way, free places below this share of all (one in so many) wait for its answer: one claim for
many tasks instead of many for one. Nothing waits while none is under way.
"""


def _enough(_outcome: Outcome) -> None:
    """Nothing follows from the answer: the state has decided."""


class Surroundings(Protocol):
    """What attempts need of their peer."""

    machine: Machine
    ports: Ports
    proposer: Proposer
    proctor: Proctor

    def find(self, task: TaskId) -> Task | None: ...

    @property
    def history_complete(self) -> bool: ...

    @property
    def serving(self) -> bool: ...

    def now(self) -> float: ...


class Attempts:
    def __init__(self, settings: PeerSettings, ports: Ports, incarnation: int, peer: Surroundings) -> None:
        self.places = 0
        """Attempts this peer wants to hold now."""
        self._settings = settings
        self._ports = ports
        self._reach = ports.points.reach
        self._incarnation = incarnation
        self._peer = peer
        self._planner = Planner(settings.me, settings.claim_patience_s)
        self._held: dict[TaskId, int] = {}
        """Started here and not yet reported by the workers: task -> fence."""
        self._finishing: set[tuple[TaskId, int]] = set()
        """Reported here, not yet answered by the log."""
        self._before_history: list[tuple[TaskId, int, Succeeded]] = []
        """Ended here with staged tasks, which only a peer with the whole history can look up."""

    @property
    def held(self) -> int:
        return len(self._held)

    def free(self) -> int:
        """Places to claim for now, by our own count and by the state's."""
        session = self._peer.machine.sessions.get(self._settings.me)
        if session is None or session.incarnation != self._incarnation or not self._peer.serving:
            return 0
        if not self._peer.proctor.trusted(self._peer.now()):
            return 0
        own = self.places - len(self._held)
        granted = session.slots - max(0, session.running - len(self._finishing))
        return min(own, granted) - self._planner.claiming

    def step(self, now: float) -> None:
        if self._before_history and self._peer.history_complete:
            ended, self._before_history = self._before_history, []
            for task, fence, ending in ended:
                self._finish_with_staged(task, fence, ending)
        if self._planner.sees_nothing(self._peer.machine):
            return
        free = self.free()
        if self._planner.claiming and free * WORTH_A_CLAIM < self.places:
            free = 0  # the answer of the claim under way finds more places free
        chosen = self._planner.choose(self._peer.machine, self._held, free, now)
        if chosen:
            self._claim([(task.id, task.attempt) for task in chosen], self._peer.proposer.offer_reserved)

    def claim_with_submission(self, tasks: Sequence[NewTask]) -> None:
        """Submit and claim share a batch when nothing is ready ahead: two commits from request to result. If the
        submission is refused so is the claim; if the claim is refused the submission stands.
        """
        machine = self._peer.machine
        session = machine.sessions.get(self._settings.me)
        if machine.ready_count > self._planner.claiming or session is None:
            return
        free = self.free()
        if free <= 0:
            return
        at_once = [
            t for t in tasks if t.handler in session.info.handlers and not (t.held or t.not_before_ms or t.after)
        ]
        at_once.sort(key=lambda task: virtual_start_ms(0, task.priority))
        if at_once:
            self._claim([(task.id, 0) for task in at_once[:free]], self._peer.proposer.offer)

    def _claim(self, wanted: list[tuple[TaskId, int]], offer: Offer) -> None:
        """`offer`: a claim that belongs to a submission waits in line behind it; one of its own has reserved room."""
        self._reach("claim.ask")
        for task, _ in wanted:
            self._planner.claimed(task)

        def settled(_outcome: Outcome, _index: int) -> None:
            for task, _ in wanted:
                self._planner.settled(task)

        command = Claim(self._settings.me, self._incarnation, tuple(wanted))
        offer(command, self._peer.now() + CLAIM_DEADLINE_S, settled)

    # --- what the log says

    def follow(self, events: Sequence[Event]) -> None:
        me, incarnation, held = self._settings.me, self._incarnation, self._held
        for event in events:
            if not isinstance(event, TaskEvent):
                continue
            if event.kind == "running" and event.peer == me and event.incarnation == incarnation:
                self._start(event.record, event.fence)
            elif event.task in held:
                self._ports.work.cancel(event.task, held[event.task])

    def _start(self, task: Task, fence: int) -> None:
        self._reach("claim.grant")
        if not self._peer.serving or not self._peer.proctor.trusted(self._peer.now()):
            self._finish(task.id, fence, (GiveBack("the peer was leaving, or its session was in doubt"),))
            return
        old = self._held.get(task.id)
        if old is not None:
            # A written-off attempt of the same task is still in a thread here; two at once would blur whose context
            # is whose.
            self._ports.work.cancel(task.id, old)
            self._finish(task.id, fence, (GiveBack("an earlier attempt has not let go of its thread"),))
            return
        self._reach("work.start")
        self._held[task.id] = fence
        self._ports.work.start(
            Attempt(
                task=task.id,
                handler=task.handler,
                args=task.args,
                attempt=task.attempt,
                fence=fence,
                timeout_ms=task.timeout_ms,
                deadline_ms=task.deadline_ms,
                results=self._peer.machine.results_for(task),
                namespace=task.namespace,
                queue=task.queue,
                principal=task.principal,
                labels=task.labels or {},
                trace=task.trace,
                seq=task.seq,
            )
        )

    def ended(self, task: TaskId, fence: int, ending: Ending) -> None:
        """The workers report: exactly once for each start."""
        if self._held.get(task) != fence:
            return
        self._reach("work.done")
        del self._held[task]
        if isinstance(ending, Succeeded) and ending.staged:
            self._finish_with_staged(task, fence, ending)
        else:
            self._finish(task, fence, self._operations(task, ending))

    def _finish_with_staged(self, task: TaskId, fence: int, ending: Succeeded) -> None:
        """What only history knows of the staged tasks is looked up here, again if that was too long ago."""
        if not self._peer.history_complete:
            self._finishing.add((task, fence))
            self._before_history.append((task, fence, ending))
            return
        looked = look_up_submission(self._peer, ending.staged)
        if isinstance(looked, Refused):
            self._refuse_staged(task, fence, looked)
            return

        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, Refused) and outcome.reason == "stale_lookup":
                self._finish_with_staged(task, fence, ending)
            elif isinstance(outcome, Refused) and outcome.reason == "too_large":
                self._refuse_staged(task, fence, outcome)

        stage = Stage(looked.fresh, self._peer.machine.index, looked.found)  # what is missing, the state names
        self._finish(task, fence, (stage, SetResult(ending.result)), answered)

    def _refuse_staged(self, task: TaskId, fence: int, refused: Refused) -> None:
        """As the state does it: the attempt has failed."""
        message = f"a staged submission was refused: {refused.reason}: {refused.detail}"
        self._finish(task, fence, self._operations(task, Failed(TaskError("StagedRefused", message, refused.reason))))

    def _operations(self, task: TaskId, ending: Ending) -> tuple[Staged, ...]:
        if isinstance(ending, Succeeded):
            return (SetResult(ending.result),)
        if isinstance(ending, Returned):
            return (GiveBack(ending.why),)
        return (SetError(ending.error, self._retry_ms(task, ending)),)

    def _retry_ms(self, task: TaskId, ending: Failed) -> int | None:
        record = self._peer.machine.tasks.get(task)
        if record is None:
            return None
        return next_retry_ms(record.retry, task, record.failures + 1, ending.error.type)

    def _finish(
        self, task: TaskId, fence: int, ops: tuple[Staged, ...], then: Callable[[Outcome], None] = _enough
    ) -> None:
        self._reach("work.finish")
        attempt = (task, fence)
        self._finishing.add(attempt)

        def answered(outcome: Outcome, _index: int) -> None:
            self._finishing.discard(attempt)
            if isinstance(outcome, Unknown):
                self._finish(task, fence, ops, then)
            else:
                then(outcome)

        self._peer.proposer.offer_reserved(Finish(task, fence, ops), self._peer.now() + FINISH_DEADLINE_S, answered)

    def lost(self) -> None:
        self._ports.work.lose()

    def compare(self, machine: Machine) -> None:
        """After an installed snapshot: events between our old state and the new one never came by."""
        current = {
            task.id: task
            for task in machine.running_on(self._settings.me)
            if task.state is State.RUNNING and task.incarnation == self._incarnation
        }
        for task_id, fence in list(self._held.items()):
            task = current.pop(task_id, None)
            if task is None or task.fence != fence:
                self._ports.work.cancel(task_id, fence)
        for task in current.values():
            if (task.id, task.fence) not in self._finishing:
                self._start(task, task.fence)

    def wake_at(self) -> float:
        return self._planner.wake_at()
