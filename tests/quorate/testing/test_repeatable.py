"""The same test on the same seed is the same run."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, random
import quorate
from quorate.testing import Cluster

random.seed(int({seed}))
with Cluster({seed}) as cluster:
    @quorate.task("t.work")
    def work(n: int) -> int:
        context = quorate.current()
        for word in {{"some", "words", "in", "no", "order"}} and range(3):
            context.sleep(random.random())
            cluster.effect("step", n=n, word=word, chance=cluster.random.random())
        return n

    @quorate.task("t.wait")
    async def wait(n: int) -> None:
        await asyncio.gather(*(asyncio.sleep(0.1 * k) for k in range(n)))
        cluster.ledger("book").add("k", n=n)

    cluster.register(work, wait)
    for n in range(6):
        cluster.submit(work, n)
        cluster.submit(wait, n)
    cluster.chaos(10)
    cluster.run(10)
    cluster.check()
    print(cluster.digest, len(cluster.effects()), cluster.now)
    print(cluster.story())
"""


def told_by(seed: int, hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(seed=seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("seed", [1, 2])
def test_same_seed_same_run_whatever_the_hash_order(seed: int) -> None:
    """Handlers that draw from the global generator and from `cluster.random` are part of it."""
    first = told_by(seed, "0")
    assert first == told_by(seed, "4711")
    assert "fault:" in first


def test_another_seed_is_another_run() -> None:
    assert told_by(1, "0") != told_by(3, "0")
