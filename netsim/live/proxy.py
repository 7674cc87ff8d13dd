"""One link between two peers: a TCP proxy that can hold, break and slow what passes.

Laws
- What passes arrives unchanged and in order, or the connection breaks: never a gap.
- Rules add up: a link is open when no rule holds it, as slow as its slowest rule.
- What is held is kept (at most `QUEUED_CHUNKS` chunks of a connection, then the sender feels it) and goes on when the
  rule ends.
"""

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from enum import StrEnum
from socket import SO_LINGER, SOL_SOCKET

import msgspec

CHUNK_BYTES = 64 * 1024
QUEUED_CHUNKS = 64
MAX_CONNECTIONS = 64
"""Of one link: two peers need one; the rest are old ones not yet seen to be dead."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """Which bytes: those of the peer that dialled, those of the other, or all."""

    THERE = "there"
    BACK = "back"
    BOTH = "both"


class Hold(msgspec.Struct, frozen=True):
    """Nothing passes and nothing is said, as where packets are lost on their way."""

    way: Way = Way.BOTH


class Reset(msgspec.Struct, frozen=True):
    """Connections break at once, and so do new ones, as where a firewall refuses."""


class Delay(msgspec.Struct, frozen=True):
    """Everything arrives this much later; what was sent together arrives together."""

    seconds: float


class Narrow(msgspec.Struct, frozen=True):
    """No more than this passes, each way."""

    bytes_per_s: float


Rule = Hold | Reset | Delay | Narrow
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """Listens on `port` and passes on to `target`, both on 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._rules: list[Rule] = []
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Raises OSError where no port can be had."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def add(self, rule: Rule) -> None:
        self._rules.append(rule)
        if isinstance(rule, Reset):
            self.drop()
        await self._tell()

    async def remove(self, rule: Rule) -> None:
        self._rules.remove(rule)
        await self._tell()

    def drop(self) -> None:
        """Break every connection there is now, once."""
        for writer in self._writers:
            self._break(writer)

    # --- connections -------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve((reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # the peer behind it is down, or the run is over; the connection breaks either way
        finally:
            self._serving.discard(task)
            self._break(writer)

    async def _serve(self, dialled: Stream) -> None:
        with self._counted(dialled[1]):
            if self._of(Reset) or len(self._writers) > 2 * MAX_CONNECTIONS:
                return
            await self._until(Way.THERE)
            answering = await asyncio.open_connection("127.0.0.1", self.target)
            with self._counted(answering[1]):
                there = asyncio.ensure_future(self._pass_on(dialled[0], answering[1], Way.THERE))
                back = asyncio.ensure_future(self._pass_on(answering[0], dialled[1], Way.BACK))
                try:
                    await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.gather(there, back, return_exceptions=True)
                    self._break(answering[1])

    @contextlib.contextmanager
    def _counted(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        """Until one side ends. Reading and writing take turns through a queue, so that a delay costs no throughput."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_CHUNKS)
        reading = asyncio.ensure_future(self._read(reader, queue))
        try:
            await self._write(queue, writer, way)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        now = asyncio.get_running_loop().time
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK_BYTES)
            except OSError:
                data = b""  # broken is an end too
            delay_s = max((rule.seconds for rule in self._of(Delay)), default=0.0)
            await queue.put((now() + delay_s, data))

    async def _write(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: Way) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - now()))
            if rates := [rule.bytes_per_s for rule in self._of(Narrow)]:
                await asyncio.sleep(len(data) / min(rates))
            await self._until(way)
            if not data:
                return
            writer.write(data)
            try:
                await writer.drain()
            except OSError:
                return

    # --- rules -------------------------------------------------------------------------------------------------------

    def _of(self, kind: type[msgspec.Struct]) -> list:  # type: ignore[type-arg]  # of that kind, which mypy cannot say
        return [rule for rule in self._rules if isinstance(rule, kind)]

    def _is_held(self, way: Way) -> bool:
        return any(rule.way in (way, Way.BOTH) for rule in self._of(Hold))

    async def _until(self, way: Way) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_held(way))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _break(self, writer: asyncio.StreamWriter) -> None:
        """RST, not FIN: nobody mistakes it for an end in peace."""
        if writer.transport.is_closing():
            return
        with contextlib.suppress(OSError, AttributeError):
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
