"""Handlers for the tests of workers, in a module that a child process can import."""

import asyncio
import ctypes
import os
import sys
import threading
import time
from typing import Any

from quorate.context import current
from quorate.tasks import task

GATES: dict[str, threading.Event] = {}
"""What a test holds a handler with: it goes on when the test opens the gate."""


class GatewayDown(Exception):
    code = "E42"


@task("t.add")
def add(a: int, b: int = 1) -> int:
    return a + b


@task("t.show")
def show(value: Any) -> Any:
    return value


@task("t.spread")
def spread(*args: int) -> list[int]:
    return list(args)


@task("t.raise")
def raise_error() -> None:
    raise GatewayDown("the gateway is down")


@task("t.exit")
def leave() -> None:
    sys.exit("gone")


@task("t.surrogate")
def surrogate() -> None:
    raise ValueError("\udc80" * 5_000)


@task("t.large")
def large(size: int) -> str:
    return "x" * size


@task("t.object")
def give_object() -> object:
    return object()


@task("t.facts")
def facts() -> dict[str, Any]:
    context = current()
    return {
        "task": context.task,
        "attempt": context.attempt,
        "fence": context.fence,
        "namespace": context.namespace,
        "queue": context.queue,
        "principal": context.principal,
        "labels": dict(context.labels),
        "results": dict(context.results),
        "remaining": context.deadline.remaining_s,
        "pid": os.getpid(),
    }


@task("t.facts_isolated", isolation="process")
def facts_isolated() -> dict[str, Any]:
    return facts()


@task("t.async_facts")
async def async_facts() -> list[Any]:
    await asyncio.sleep(0)
    return [current().task, current().fence, threading.current_thread() is threading.main_thread()]


@task("t.async_wait")
async def async_wait() -> None:
    await asyncio.Event().wait()


@task("t.stage")
def stage(many: int = 1) -> list[str]:
    return [current().submit("t.add", a=n).id for n in range(many)]


@task("t.stage_isolated", isolation="process")
def stage_isolated() -> list[str]:
    return [add.submit(1).id, current().submit(add.options(priority=5), 2).id]


@task("t.gate")
def gate(name: str) -> str:
    """Deaf: hears of no cancellation."""
    GATES[name].wait()
    return name


@task("t.wait")
def wait_for_stop() -> str:
    current().cancelled.wait()
    raise InterruptedError(current().cancelled.reason)


@task("t.wait_lost")
def wait_for_loss() -> str:
    current().lost.wait()
    return "finished all the same"


@task("t.nap")
def nap(seconds: float) -> bool:
    return current().sleep(seconds)


@task("t.die", isolation="process")
def die(code: int) -> None:
    os._exit(code)


@task("t.segfault", isolation="process")
def segfault() -> None:
    ctypes.string_at(0)


@task("t.wait_isolated", isolation="process")
def wait_isolated() -> str:
    current().cancelled.wait()
    return current().cancelled.reason


@task("t.lost_isolated", isolation="process")
def lost_isolated() -> str:
    current().lost.wait()
    return current().lost.reason


@task("t.hog_isolated", isolation="process")
def hog_isolated() -> None:
    """Deaf and busy."""
    while True:
        pass


@task("t.print_isolated", isolation="process")
def print_isolated() -> str:
    print("to the peer's log, not into the frames")  # noqa: T201 - printing is what is tested
    os.write(1, b"raw bytes too\n")
    return "printed"


@task("t.spin")
def spin(until: float) -> int:
    """Holds the interpreter until then (monotonic)."""
    count = 0
    while time.monotonic() < until:
        count += 1
    return count
