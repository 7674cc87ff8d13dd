"""What a million tasks cost.

Law: work per operation does not grow with the table. Counted where it can be, so that a busy computer cannot fail it.
"""

from collections.abc import Callable

import pytest

from quorate.consensus.commands import Claim, Submit
from quorate.scheduling.task import Retry
from tests.consensus.machine.log import TTL_MS, Log, id_of, new

BUDGET = 1_000


@pytest.mark.parametrize("kind", ["retries", "starts", "attempts", "stubs"])
def test_a_due_crowd_is_worked_off_a_thousand_per_entry(kind: str) -> None:
    log = Log()
    count = 2_500
    prepare: dict[str, Callable[[], object]] = {
        "starts": lambda: log.submit(*[new(n, not_before_ms=log.wall_ms + 60_000) for n in range(1, count)]),
        "retries": lambda: crowd_of_retries(log, count),
        "attempts": lambda: crowd_of_attempts(log, count),
        "stubs": lambda: crowd_of_stubs(log, count),
    }
    prepare[kind]()
    log.wait(60_000)
    entries = 1
    while log.machine.due(log.elapsed, log.wall_ms):
        tasks, stubs = len(log.machine.tasks), len(log.machine.ended)
        log.entry([])
        entries += 1
        assert len(log.changes[-1].events) + stubs - len(log.machine.ended) - (tasks - len(log.machine.tasks)) <= BUDGET
    assert entries >= 3


def open_many(log: Log, count: int) -> list[str]:
    peers = [f"p{number}" for number in range(count // 900 + 1)]
    for peer in peers:
        log.open(peer, slots=900)
    return peers


def crowd_of_attempts(log: Log, count: int) -> None:
    peers = open_many(log, count)
    log.submit(*[new(number, timeout_ms=1) for number in range(1, count)])
    for nth, peer in enumerate(peers):
        wanted = tuple((id_of(number), 0) for number in range(1 + nth * 900, min(count, 1 + (nth + 1) * 900)))
        log.done(Claim(peer, 1, wanted), peer)


def crowd_of_retries(log: Log, count: int) -> None:
    peers = open_many(log, count)
    log.submit(*[new(number, retry=Retry(max=1)) for number in range(1, count)])
    for number in range(1, count):
        log.claim(number, peers[number // 900])
        log.fail(number, retry_ms=50_000 - number)


def crowd_of_stubs(log: Log, count: int) -> None:
    log.submit(*[new(number) for number in range(1, count)])
    for number in range(1, count):
        log.cancel(number)


# Slow: a million records have to be made.
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_million_tasks_are_taken_claimed_and_walked() -> None:
    log = Log()
    log.open(slots=999)
    for first in range(1, 1_000_001, 10_000):
        log.done(Submit(tuple(new(number, priority=number % 7) for number in range(first, first + 10_000))))
        log.entries[-1] = b""
        log.changes[-1].events.clear()
    machine = log.machine
    assert len(machine.tasks) == machine.ready_count == 1_000_000
    head = machine.ready_head(("h", "other"), 100)
    assert len(log.done(Claim("a", 1, tuple((task.id, 0) for task in head)))) == 100
    assert len(machine.running_on("a")) == 100
    walk = machine.begin_walk()
    longest, chunks = 0, 0
    while (chunk := walk.chunk(256 * 1024)) is not None:
        longest, chunks = max(longest, len(chunk)), chunks + 1
        if chunks == 3:
            log.wait(TTL_MS)
    assert machine.ready_count == 1_000_000
    assert chunks > 400
    assert longest < 512 * 1024
