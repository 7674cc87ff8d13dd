"""Requests over many connections, from a process of its own and as cheaply as Python can.

    python -m bench.http_load SECONDS CONNECTIONS PORT ...

Each connection sends the next task when the last one is answered. One JSON line on standard output: answers by status,
seconds, and the latencies' p50 and p99.
"""

import asyncio
import re
import sys
import time
from collections import Counter

import msgspec

BODY = b'{"handler":"builtin.noop"}'
REQUEST = (
    b"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(BODY), BODY)
)
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
WARM_UP_S = 1.0


class Load:
    def __init__(self, seconds: float) -> None:
        self.from_s = time.perf_counter() + WARM_UP_S
        self.until_s = self.from_s + seconds
        self.statuses: Counter[int] = Counter()
        self.took_s: list[float] = []

    def answered(self, status: int, began: float) -> bool:
        """Whether to go on."""
        now = time.perf_counter()
        if self.from_s <= now < self.until_s:
            self.statuses[status] += 1
            self.took_s.append(now - began)
        return now < self.until_s


class Connection(asyncio.Protocol):
    def __init__(self, load: Load, ended: asyncio.Future[None]) -> None:
        self._load = load
        self._ended = ended
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._got = b""
        if self._load.answered(int(head[9:12]), self._began):
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


async def run(seconds: float, connections: int, ports: list[int]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    load = Load(seconds)
    ends: list[asyncio.Future[None]] = []
    for n in range(connections):
        ended = loop.create_future()
        ends.append(ended)
        await loop.create_connection(lambda ended=ended: Connection(load, ended), "127.0.0.1", ports[n % len(ports)])  # type: ignore[misc]  # mypy: default of a lambda
    await asyncio.gather(*ends)
    took = sorted(load.took_s) or [0.0]
    return {
        "statuses": {str(status): count for status, count in load.statuses.items()},
        "seconds": seconds,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    told = asyncio.run(run(float(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
    print(msgspec.json.encode(told).decode())
