"""Handlers in child processes: same contract, but they can be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.scheduling.task import Failed, Returned, Succeeded
from tests.node.workers.pools import error_type, value_of, watched_pool
from tests.polling import eventually

# Child processes are started, and import the test's modules, several times over.
pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[3]


async def test_an_isolated_handler_sees_the_same_context_from_a_process_of_its_own() -> None:
    async with watched_pool() as watched:
        parent = "01J00000000000000000000009"
        attempt = watched.start("t.facts_isolated", results={parent: [1]}, timeout_s=60)
        facts = value_of(await watched.ending(attempt))
        assert facts["pid"] != os.getpid()
        assert (facts["task"], facts["fence"], facts["principal"]) == (attempt.task, attempt.fence, "ann")
        assert facts["results"] == {parent: [1]}
        assert 0 < facts["remaining"] <= 60
        again = value_of(await watched.run("t.facts_isolated"))
        assert again["pid"] == facts["pid"], "the child is kept for the next attempt"


async def test_what_an_isolated_handler_stages_travels_with_its_success() -> None:
    async with watched_pool() as watched:
        ending = await watched.run("t.stage_isolated")
        assert isinstance(ending, Succeeded)
        assert [(task.id, task.handler, task.priority) for task in ending.staged] == [
            (value_of(ending)[0], "t.add", 0),
            (value_of(ending)[1], "t.add", 5),
        ]


async def test_a_handler_that_prints_does_not_disturb_the_frames() -> None:
    async with watched_pool() as watched:
        assert value_of(await watched.run("t.print_isolated")) == "printed"


@pytest.mark.parametrize(("handler", "args", "words"), [("t.die", {"code": 3}, "3"), ("t.segfault", {}, "SIGSEGV")])
async def test_the_death_of_a_child_fails_its_attempt_by_name_and_the_next_gets_a_fresh_one(
    handler: str, args: dict[str, int], words: str
) -> None:
    async with watched_pool(processes=1) as watched:
        ending = await watched.run(handler, args)
        assert error_type(ending) == "ProcessDied"
        assert isinstance(ending, Failed)
        assert words in ending.error.message
        assert value_of(await watched.run("t.print_isolated")) == "printed"


async def test_an_isolated_handler_hears_of_cancellation_and_may_still_answer() -> None:
    async with watched_pool() as watched:
        attempt = watched.start("t.wait_isolated")
        await watched.until(lambda: watched.pool._processes.queued == 0, "it is taken")
        watched.pool.cancel(attempt.task, attempt.fence)
        ending = await watched.ending(attempt)
        assert ending == Returned("cancelled") or value_of(ending) == "cancelled"


async def test_an_isolated_handler_hears_that_its_session_is_lost() -> None:
    async with watched_pool() as watched:
        # A first attempt, so that the child is up and the second surely runs when it is told.
        await watched.run("t.print_isolated")
        attempt = watched.start("t.lost_isolated")
        await watched.until(lambda: watched.pool._processes.queued == 0, "it is taken")
        watched.pool.lose()
        ending = await watched.ending(attempt)
        assert ending == Returned("lost") or value_of(ending) == "lost"


async def test_a_deaf_isolated_handler_is_killed_when_cancelled_and_its_place_is_free_again() -> None:
    async with watched_pool(processes=1) as watched:
        attempt = watched.start("t.hog_isolated")
        await watched.until(lambda: watched.pool._processes.queued == 0, "it is taken")
        watched.pool.cancel(attempt.task, attempt.fence)
        assert await watched.ending(attempt) == Returned("cancelled")
        assert value_of(await watched.run("t.print_isolated")) == "printed"


async def test_a_deaf_isolated_handler_out_of_time_is_reported_at_once_and_killed_without_being_written_off() -> None:
    async with watched_pool(processes=1) as watched:
        await watched.run("t.print_isolated")
        assert error_type(await watched.run("t.hog_isolated", timeout_s=0.1)) == "TimeoutError"
        assert watched.pool.written_off == 0
        assert value_of(await watched.run("t.print_isolated")) == "printed"


async def test_stopping_the_pool_kills_what_does_not_end() -> None:
    async with watched_pool(processes=1) as watched:
        pid = value_of(await watched.run("t.facts_isolated"))["pid"]
        hog = watched.start("t.hog_isolated")
        await watched.until(lambda: watched.pool._processes.queued == 0, "it is taken")
        await watched.pool.stop(0.2)
        assert await watched.ending(hog) == Returned("draining")
        await watched.until(lambda: not is_alive(pid), "the child is gone")


PROGRAM = """
import asyncio
from tests.node.workers.pools import watched_pool, value_of

async def main():
    async with watched_pool() as watched:
        print(value_of(await watched.run("t.facts_isolated"))["pid"], flush=True)
        watched.start("t.hog_isolated")
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_children_do_not_outlive_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, cwd=ROOT, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        eventually(lambda: not is_alive(child), within_s=20, what="the child died with its parent")


def is_alive(pid: int) -> bool:
    """Not gone, and not a zombie that only waits to be reaped by whoever inherited it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or while it was read
        return False
    return state != "Z"
