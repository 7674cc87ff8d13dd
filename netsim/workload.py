"""Clients of a simulated cluster: they submit through any peer, retry what is unknown under the same key, and
remember what they were told.
"""

import random
from typing import NamedTuple

from quorate.consensus.commands import Cancel, Done, Outcome, Refused
from quorate.netsim.world import World
from quorate.scheduling.task import NewTask, Retry, TaskId


class Told(NamedTuple):
    at: float
    key: str
    outcome: str
    task: TaskId | None


class Request:
    def __init__(self, key: str) -> None:
        self.key = key
        self.answers = 0
        self.given_up = False


class Clients:
    """`rate` requests per virtual second until `stop()`."""

    def __init__(self, world: World, rate: float, deadline_s: float) -> None:
        self._world = world
        self._rate = rate
        self._deadline_s = deadline_s
        self._entropy = world.stream("clients")
        self._number = 0
        self._running = True
        self.open = 0
        self.accepted: dict[str, TaskId] = {}
        self.refused: set[str] = set()
        self.told: list[Told] = []
        self.submitted = 0
        self._next()

    def stop(self) -> None:
        self._running = False

    def _next(self) -> None:
        if not self._running:
            return
        self._number += 1
        self._submit(f"k{self._number}", 0)
        if self._entropy.random() < 0.1 and self.accepted:
            self._cancel()
        self._world.after(self._entropy.random() * 2.0 / self._rate, self._next)

    def _submit(self, key: str, tries: int) -> None:
        live = self._world.live()
        if not live:
            self._again(key, tries)
            return
        machine = live[int(self._entropy.random() * len(live))]
        peer = machine.peer
        assert peer is not None
        task = self._task(key, peer.new_id())
        self.open += 1
        life = machine.life
        request = Request(key)

        def reply(outcome: Outcome, _index: int) -> None:
            request.answers += 1
            if request.answers > 1:
                raise AssertionError(f"request {key} was answered twice")
            if not request.given_up:
                self.open -= 1
                self._told(key, outcome, tries)

        peer.submit([task], peer.now() + self._deadline_s, reply)
        self._world.touch(machine.id)
        self._world.after(self._deadline_s + 1.0, lambda: self._unanswered(machine.id, life, request, tries))
        self.submitted += 1

    def _task(self, key: str, task_id: TaskId) -> NewTask:
        draw = SeededDraw(self._world.seed, key)
        after = tuple(t for t in [self._some_accepted(draw)] if t is not None and draw.share(0.2))
        return NewTask(
            id=task_id,
            handler="sim.work",
            args=b"{}",
            key=key,
            digest=key.encode().ljust(16, b"."),
            priority=draw.below(3) * 10,
            after=after,
            run_after_failure=True,
            timeout_ms=2_000,
            retry=Retry(max=3, schedule=(0.1, 0.5)),
        )

    def _some_accepted(self, draw: "SeededDraw") -> TaskId | None:
        if not self.accepted:
            return None
        keys = list(self.accepted)
        return self.accepted[keys[draw.below(len(keys))]]

    def _told(self, key: str, outcome: Outcome, tries: int) -> None:
        if isinstance(outcome, Done):
            task = TaskId(outcome.value[0])
            first = self.accepted.setdefault(key, task)
            if first != task:
                raise AssertionError(f"key {key} gave task {first} and later {task}")
            self.told.append(Told(self._world.now, key, "done", task))
            return
        self.told.append(Told(self._world.now, key, type(outcome).__name__, None))
        if isinstance(outcome, Refused) and outcome.reason in ("key_reused", "unknown_dependency"):
            self.refused.add(key)
            return
        self._again(key, tries)

    def _again(self, key: str, tries: int) -> None:
        if self._running or tries < 100:
            self._world.after(0.2 + self._entropy.random() * 0.3, lambda: self._submit(key, tries + 1))

    def _unanswered(self, machine: str, life: int, request: "Request", tries: int) -> None:
        """The peer died with our request, is frozen with it, or broke its promise to answer within the deadline."""
        if request.answers:
            return
        now = self._world.machines[machine]
        if now.life == life and now.peer is not None and not now.frozen:
            raise AssertionError(f"{machine} never answered request {request.key}")
        request.given_up = True
        self.open -= 1
        self._again(request.key, tries)

    def _cancel(self) -> None:
        live = self._world.live()
        keys = list(self.accepted)
        if not live:
            return
        machine = live[int(self._entropy.random() * len(live))]
        assert machine.peer is not None
        task = self.accepted[keys[int(self._entropy.random() * len(keys))]]
        machine.peer.call(Cancel(task), machine.peer.now() + 5.0, _whatever)
        self._world.touch(machine.id)


class Readers:
    """Ask any peer for a read index, and hold the answer to its word: all that had been acknowledged when the read
    began is there.
    """

    EVERY_S = 0.2
    LOOKED_FOR = 20

    def __init__(self, world: World, clients: Clients) -> None:
        self._world = world
        self._clients = clients
        self._entropy = world.stream("readers")
        self._running = True
        self.answered = 0
        self._next()

    def stop(self) -> None:
        self._running = False

    def _next(self) -> None:
        if not self._running:
            return
        live = self._world.live()
        if live:
            self._read(live[int(self._entropy.random() * len(live))].id)
        self._world.after(self._entropy.random() * 2.0 * self.EVERY_S, self._next)

    def _read(self, peer_id: str) -> None:
        peer = self._world.running(peer_id)
        assert peer is not None
        acknowledged = list(self._clients.accepted.values())[-self.LOOKED_FOR :]

        def answered(index: int | None) -> None:
            if index is None:
                return
            self.answered += 1
            for task in acknowledged:
                if peer.find(task) is None:
                    raise AssertionError(f"a read on {peer_id} at {index} does not see {task}, acknowledged before")

        peer.read(peer.now() + 5.0, answered)
        self._world.touch(peer_id)


class SeededDraw:
    """Draws that depend on a key only, so that a repetition asks for the same thing."""

    def __init__(self, seed: int, key: str) -> None:
        self._random = random.Random(f"{seed} {key}")

    def below(self, n: int) -> int:
        return int(self._random.random() * n)

    def share(self, p: float) -> bool:
        return self._random.random() < p


def _whatever(_outcome: Outcome, _index: int) -> None:
    """A cancellation may come too late; what counts is what the state says at the end."""
