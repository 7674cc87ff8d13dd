"""Histories of objects that really exist, and histories of nothing at all."""

import random
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
from hypothesis import strategies as st

from quorate.netsim.linear import NEVER, UNKNOWN, Operation
from quorate.netsim.linear.operation import Value

Happened = tuple[bool, Value]
"""Whether it was done, and what is told of it."""


class Register:
    def __init__(self) -> None:
        self.value: Value = None

    def do(self, _process: int, f: str, given: Value) -> Happened:
        if f == "read":
            return True, self.value
        if f == "write":
            self.value = given
            return True, given
        assert isinstance(given, tuple)
        if self.value != given[0]:
            return False, None
        self.value = given[1]
        return True, given


class Lock:
    def __init__(self) -> None:
        self.by: int | None = None
        self.fence = 0

    def do(self, process: int, f: str, _given: Value) -> Happened:
        if f == "acquire" and self.by is None:
            self.by, self.fence = process, self.fence + 1
            return True, self.fence
        if f == "release" and self.by == process:
            self.by = None
            return True, None
        return False, None


class Queue:
    def __init__(self) -> None:
        self.values: deque[Value] = deque()

    def do(self, _process: int, f: str, given: Value) -> Happened:
        if f == "enqueue":
            self.values.append(given)
            return True, given
        return True, self.values.popleft() if self.values else None


class Submitted:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.task: Value = None
        self.state = ""
        self.fence = 0

    def do(self, _process: int, f: str, given: Value) -> Happened:
        if self.state in ("ready", "running") and self.chance.random() < 0.5:
            self.fence += 1
            self.state = self.chance.choice(["running", "ready", "succeeded", "failed"])
        if f == "submit":
            if self.task is None:
                self.task, self.state = given, "ready"
            return True, self.task
        if f == "look":
            return True, None if self.task is None else (self.task, self.state, self.fence)
        alive = self.state in ("ready", "running")
        if f == "cancel" and (alive or self.state == "cancelled"):
            self.state = "cancelled"
            return True, None
        if f == "retry" and self.state == "failed":
            self.state = "ready"
            return True, None
        return False, None


Asking = Callable[[random.Random, int], tuple[str, Value]]


def asks_register(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("read", None), ("write", chance.randrange(4))])


def asks_unique_register(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("read", None), ("write", n)])


def asks_cas_register(chance: random.Random, n: int) -> tuple[str, Value]:
    old = chance.choice([None, 0, 1, 2])
    return chance.choice([("read", None), ("write", chance.randrange(3)), ("cas", (old, chance.randrange(3)))])


def asks_unique_cas_register(chance: random.Random, n: int) -> tuple[str, Value]:
    old = chance.randrange(max(0, n - 6), n + 1)
    return chance.choice([("read", None), ("write", n), ("cas", (old, n))])


def asks_lock(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("acquire", None), ("release", None)])


def asks_queue(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("enqueue", chance.randrange(3)), ("dequeue", None)])


def asks_unique_queue(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("enqueue", n), ("dequeue", None)])


def asks_submissions(chance: random.Random, n: int) -> tuple[str, Value]:
    return chance.choice([("submit", f"t{n}"), ("look", None), ("cancel", None), ("retry", None)])


KINDS: dict[str, tuple[str, Callable[[random.Random], Register | Lock | Queue | Submitted], Asking]] = {
    "register": ("register", lambda _: Register(), asks_register),
    "register, unique values": ("register", lambda _: Register(), asks_unique_register),
    "cas-register": ("cas-register", lambda _: Register(), asks_cas_register),
    "cas-register, unique values": ("cas-register", lambda _: Register(), asks_unique_cas_register),
    "lock": ("lock", lambda _: Lock(), asks_lock),
    "queue": ("queue", lambda _: Queue(), asks_queue),
    "queue, unique values": ("queue", lambda _: Queue(), asks_unique_queue),
    "submissions": ("submissions", Submitted, asks_submissions),
}
"""What it is -> model, the object, what it is asked."""


class _UnderWay(msgspec.Struct):
    process: int
    f: str
    given: Value
    call: int
    happened: Happened | None = None


def real(kind: str, chance: random.Random, count: int, processes: int, unknown: float) -> list[Operation]:
    """What an object that exists answers `processes` that ask it at once; it does each thing at some moment between
    question and answer. `unknown`: the share of answers that are lost, before or after it was done.
    """
    _, make, ask = KINDS[kind]
    thing = make(chance)
    idle, busy, lost = list(range(processes)), list[_UnderWay](), list[_UnderWay]()
    operations: list[Operation] = []
    position = asked = 0
    while busy or asked < count:
        position += 1
        draw = chance.random()
        if lost and draw < 0.1:
            late = lost.pop(chance.randrange(len(lost)))
            thing.do(late.process, late.f, late.given)
        elif asked < count and idle and (draw < 0.5 or not busy):
            process = idle.pop(chance.randrange(len(idle)))
            busy.append(_UnderWay(process, *ask(chance, asked), position))
            asked += 1
        elif busy:
            one = busy[chance.randrange(len(busy))]
            if one.happened is None and chance.random() < unknown:
                lost.append(one)
                busy.remove(one)
                idle.append(processes + asked)  # who was never answered does not come back
                operations.append(Operation(one.process, one.f, None, one.given, UNKNOWN, one.call, NEVER))
            elif one.happened is None:
                one.happened = thing.do(one.process, one.f, one.given)
            else:
                busy.remove(one)
                idle.append(one.process)
                is_done, told = one.happened
                if is_done:
                    operations.append(Operation(one.process, one.f, None, one.given, told, one.call, position))
    return sorted(operations, key=lambda operation: operation.call)


_ANSWERS: dict[str, Callable[[random.Random, int], tuple[str, Value, Value]]] = {
    "register": lambda chance, _: chance.choice(
        [("read", None, chance.choice([None, 0, 1])), ("write", chance.randrange(2), None)]
    ),
    "register, unique values": lambda chance, n: chance.choice(
        [("read", None, chance.choice([None, *range(4)])), ("write", n, None)]
    ),
    "cas-register": lambda chance, _: chance.choice(
        [
            ("read", None, chance.choice([None, 0, 1])),
            ("write", chance.randrange(2), None),
            ("cas", (chance.choice([None, 0, 1]), chance.randrange(2)), None),
        ]
    ),
    "cas-register, unique values": lambda chance, n: chance.choice(
        [
            ("read", None, chance.choice([None, *range(4)])),
            ("write", n, None),
            ("cas", (chance.choice([None, *range(4)]), n), None),
        ]
    ),
    "lock": lambda chance, _: chance.choice(
        [("acquire", None, chance.choice([None, 1, 2, 3])), ("release", None, None)]
    ),
    "queue": lambda chance, _: chance.choice(
        [("enqueue", chance.randrange(2), None), ("dequeue", None, chance.choice([None, 0, 1]))]
    ),
    "queue, unique values": lambda chance, n: chance.choice(
        [("enqueue", n, None), ("dequeue", None, chance.choice([None, *range(4)]))]
    ),
    "submissions": lambda chance, n: chance.choice(
        [
            ("submit", chance.choice([None, f"t{n % 2}"]), chance.choice(["t0", "t1"])),
            ("look", None, chance.choice([None, ("t0", "ready"), ("t0", "succeeded", 1), ("t0", "failed", 2)])),
            ("look", None, ("t0", "cancelled")),
            ("cancel", None, None),
            ("retry", None, None),
        ]
    ),
}
"""An operation and an answer that somebody might be told."""


def imagined(kind: str, chance: random.Random, count: int, processes: int, unknown: float) -> list[Operation]:
    """Answers out of thin air: some of these histories have an order, and most have none."""
    operations: list[Operation] = []
    under_way: dict[int, tuple[int, str, Value, Value]] = {}
    position = asked = 0
    while asked < count or under_way:
        position += 1
        process = chance.randrange(processes)
        if process in under_way:
            call, f, given, told = under_way.pop(process)
            is_lost = chance.random() < unknown
            told, ret = (UNKNOWN, NEVER) if is_lost else (told, position)
            operations.append(Operation(process, f, None, given, told, call, ret))
        elif asked < count:
            under_way[process] = (position, *_ANSWERS[kind](chance, asked))
            asked += 1
    return sorted(operations, key=lambda operation: operation.call)


def chances() -> st.SearchStrategy[random.Random]:
    """By seed: a history takes hundreds of draws, and they are small anyhow."""
    return st.integers(0, 1 << 32).map(random.Random)


def mutated(operations: Sequence[Operation], chance: random.Random) -> list[Operation]:
    """One answer says what another said."""
    told = [n for n, operation in enumerate(operations) if not operation.is_open]
    if not told:
        return list(operations)
    changed = list(operations)
    one = chance.choice(told)
    others = [operations[n].told for n in told if operations[n].f == operations[one].f]
    changed[one] = msgspec.structs.replace(operations[one], told=chance.choice(others))
    return changed
