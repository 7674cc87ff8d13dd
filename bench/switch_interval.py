"""How long may a thread keep the interpreter? The measurement behind `quorate.node.workers.switch`.

16 threads of CPU-bound Python run beside an event loop that does what a peer's loop does: a timer every 5 ms, and a
request and an answer over sockets, each of them a system call that gives the interpreter away and has to get it back.
Told for each interval: how late the timer was, how long the exchange took, and how much the threads got done compared
with the longest interval.

    python -m bench.switch_interval [SECONDS_EACH]
"""

import asyncio
import socket
import sys
import threading
import time

INTERVALS_MS = (5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05)
THREADS = 16
TIMER_S = 0.005


class Spinners:
    def __init__(self, threads: int) -> None:
        self.stop = False
        self.turns = [0] * threads
        self._threads = [threading.Thread(target=self._spin, args=(n,), daemon=True) for n in range(threads)]

    def __enter__(self) -> "Spinners":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop = True
        for thread in self._threads:
            thread.join()

    def _spin(self, mine: int) -> None:
        while not self.stop:
            total = 0
            for n in range(200):
                total += n * n
            self.turns[mine] += 1


async def timers(until: float, late_ms: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while time.monotonic() < until:
        due = loop.time() + TIMER_S
        await asyncio.sleep(TIMER_S)
        late_ms.append((loop.time() - due) * 1000)


async def exchanges(until: float, took_ms: list[float]) -> None:
    """Both ends in this loop: four system calls an exchange, beside the two of each wait."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    while time.monotonic() < until:
        began = time.monotonic()
        await loop.sock_sendall(ours, b"append")
        await loop.sock_recv(theirs, 64)
        await loop.sock_sendall(theirs, b"acknowledged")
        await loop.sock_recv(ours, 64)
        took_ms.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(TIMER_S)
    ours.close()
    theirs.close()


async def measure(seconds: float) -> tuple[list[float], list[float]]:
    until = time.monotonic() + seconds
    late_ms: list[float] = []
    took_ms: list[float] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(timers(until, late_ms))
        group.create_task(exchanges(until, took_ms))
    return sorted(late_ms), sorted(took_ms)


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    standard = sys.getswitchinterval()
    print(f"{THREADS} CPU-bound threads, {seconds:g} s each")
    print("interval ms | timer late ms p50   p99    max | exchange ms p50   p99    max | work done")
    reference = 0.0
    try:
        for interval_ms in INTERVALS_MS:
            sys.setswitchinterval(interval_ms / 1000)
            with Spinners(THREADS) as spinners:
                began = time.monotonic()
                late, took = asyncio.run(measure(seconds))
                pace = sum(spinners.turns) / (time.monotonic() - began)
            reference = reference or pace
            cells = [f"{quantile(values, share):7.1f}" for values in (late, took) for share in (0.5, 0.99, 1.0)]
            print(
                f"{interval_ms:11.2f} |{' ' * 14}{''.join(cells[:3])} |{' ' * 11}{''.join(cells[3:])} |"
                f"{pace / reference:9.0%}"
            )
    finally:
        sys.setswitchinterval(standard)


if __name__ == "__main__":
    main()
