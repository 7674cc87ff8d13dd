"""What it costs to hand an attempt to a worker thread and its result back: no-op handlers, no cluster.

    python -m bench.hand_over [TASKS]

Told for several numbers of attempts held at once: tasks a second, and CPU time (user and system, all threads) a task.
"""

import asyncio
import sys
import time

from quorate.node.registry import Registry
from quorate.node.workers.pool import WorkerPool
from quorate.scheduling.handler import Handler
from quorate.scheduling.task import Attempt, Ending, TaskId

HELD = (1, 16, 64, 256)


async def measure(tasks: int, held: int) -> tuple[float, float]:
    """(tasks a second, CPU microseconds a task)."""
    loop = asyncio.get_running_loop()
    all_ended: asyncio.Future[None] = loop.create_future()
    started = ended = 0

    def start() -> None:
        nonlocal started
        started += 1
        name = TaskId(f"{started:026d}")
        pool.start(Attempt(name, "noop", b"{}", 1, 1, 300_000, 0, {}, "default", "default", "", {}, ""))

    def on_done(_task: TaskId, _fence: int, _ending: Ending) -> None:
        nonlocal ended
        ended += 1
        if started < tasks:
            start()
        elif ended == tasks:
            all_ended.set_result(None)

    pool = WorkerPool(Registry([Handler("noop", lambda: None)]), 2, 16, on_done, loop, max_processes=1)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(min(held, tasks)):
        start()
    await all_ended
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await pool.stop(1.0)
    return tasks / wall, cpu / tasks * 1e6


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print("held at once | tasks/s | CPU us a task")
    for held in HELD:
        pace, cpu_us = asyncio.run(measure(tasks, held))
        print(f"{held:12} | {pace:7,.0f} | {cpu_us:13.1f}")


if __name__ == "__main__":
    main()
