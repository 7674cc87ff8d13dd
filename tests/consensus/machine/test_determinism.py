"""The same entries give the same state, events and answers on every peer, for ever."""

import os
import subprocess
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from quorate.consensus.commands import Refused
from quorate.consensus.events import TaskEvent
from quorate.consensus.machine import Change, Machine
from quorate.scheduling.lifecycle import TRANSITIONS, may_lead
from quorate.scheduling.task import State, TaskId
from tests.consensus.machine.log import check, copy_of
from tests.consensus.machine.traffic import Traffic

ROOT = Path(__file__).resolve().parents[3]
SEEDS = range(12)


def traffic(seed: int, steps: int = 400) -> Traffic:
    made = Traffic(seed)
    for _ in range(steps):
        made.step()
    return made


def told(change: Change) -> bytes:
    return msgspec.msgpack.encode([change.events, change.answers, change.ended], order="deterministic")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_machine_that_joins_by_snapshot_is_told_apart_by_nothing(seed: int) -> None:
    made = Traffic(seed)
    other = Machine()
    for step in range(400):
        made.step()
        log = made.log
        change = other.apply(step + 1, 1, log.entries[-1])
        assert told(change) == told(log.changes[-1])
        if step % 40 == 0:
            check(log.machine)
            other = copy_of(log.machine, 300 + step)
    assert other.dump() == made.log.machine.dump()
    assert other.state_hash == made.log.machine.state_hash
    assert other.next_due() == made.log.machine.next_due()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_event_of_any_run_follows_the_transition_table(seed: int) -> None:
    states: dict[TaskId, State] = {}
    fences: list[int] = []
    results: Counter[TaskId] = Counter()
    made = Traffic(seed)
    for _ in range(400):
        made.step()
        for event in made.log.changes[-1].events:
            if not isinstance(event, TaskEvent):
                continue
            before = states.get(event.task)
            assert may_lead(before, event.kind, event.state), (before, event.kind, event.state)
            states[event.task] = event.state
            if event.kind == "running":
                fences.append(event.fence)
            results[event.task] += event.kind == "succeeded"
    assert fences == sorted(set(fences)), "fences strictly rise"
    assert max(results.values()) == 1, "at most one result is committed"


def test_random_traffic_reaches_every_moment_of_the_table_and_every_refusal() -> None:
    """Otherwise the tests above would prove less than they say."""
    kinds: set[str] = set()
    reasons: set[str] = set()
    for seed in SEEDS:
        for change in traffic(seed).log.changes:
            kinds |= {event.kind for event in change.events}
            reasons |= {outcome.reason for *_, outcome in change.answers if isinstance(outcome, Refused)}
    assert kinds >= {moment for moments in TRANSITIONS.values() for moment in moments}
    assert reasons >= {"stale_lookup", "unknown_dependency", "no_session", "stale_fence", "not_found", "already_ended"}
    assert reasons >= {"not_held", "not_failed", "not_ended", "superseded"}


PROGRAM = """
import sys
from tests.consensus.machine.test_determinism import fingerprint
print(fingerprint())
"""


def fingerprint() -> str:
    digest = blake2b(digest_size=16)
    for seed in (1, 2):
        made = Traffic(seed)
        for _ in range(300):
            made.step()
            digest.update(told(made.log.changes[-1]))
        digest.update(made.log.machine.dump())
    return digest.hexdigest()


def test_nothing_depends_on_the_order_of_hashes() -> None:
    fingerprints = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        fingerprints.add(run.stdout)
    assert len(fingerprints) == 1
