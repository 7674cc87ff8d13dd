"""The connection that carries what this peer sends to one other peer, dialled again whenever it drops.

Law: at most one connection at a time, so that frames never overtake each other; `send` never waits, and what waits to
be sent is bounded.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import cast

import structlog

from quorate.consensus.ports import PeerId
from quorate.node.transport import greeting
from quorate.node.transport.framing import WireError, append_frame
from quorate.node.transport.greeting import GreetingReader
from quorate.node.transport.settings import Address, Callbacks, PeerTls, TransportSettings
from quorate.node.transport.sockets import notice_silence

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
STABLE_AFTER_S = 1.0
"""A connection that stood this long was a good one: the next pause is short again."""

_PORTION_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class Outgoing:
    """`random()`: in [0, 1), for the jitter of pauses."""

    def __init__(
        self,
        settings: TransportSettings,
        callbacks: Callbacks,
        peer: PeerId,
        address: Address,
        tls: PeerTls | None,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._address = address
        self._tls = tls
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._hurry = asyncio.Event()
        self._told = ""
        self.peer = peer
        self.remote_ip = _literal(address[0])
        """Where it was last found, "" so far unknown."""
        self.sent_frames = 0
        self.sent_bytes = 0
        self.dropped_frames = 0

    @property
    def is_up(self) -> bool:
        return self._wire is not None

    @property
    def waiting_bytes(self) -> int:
        return 0 if self._wire is None else self._wire.waiting_bytes()

    def send(self, frame: bytes) -> bool:
        """Queue a frame; False if there is no connection or its queue is full. Raises ValueError beyond
        MAX_FRAME_BYTES."""
        size_bytes = 0 if self._wire is None else self._wire.send(frame)
        if size_bytes == 0:
            self.dropped_frames += 1
            return False
        self.sent_frames += 1
        self.sent_bytes += size_bytes
        return True

    def hurry(self) -> None:
        """The other peer was just heard: it is there, so there is no use in waiting."""
        self._hurry.set()

    async def run(self) -> None:
        """Dial, hold, dial again, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._hurry.clear()
            began = self._loop.time()
            try:
                await self._live_once()
            except (OSError, TimeoutError, WireError) as error:
                self._tell(f"{type(error).__name__}: {error}")
            if self._loop.time() - began > STABLE_AFTER_S + self._settings.dial_s:
                pause_s = FIRST_PAUSE_S
            pause_s = await self._pause(pause_s)

    async def stop(self, patience_s: float) -> None:
        """Send what waits, for at most `patience_s`, then close. `run` must have been cancelled."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.drain_and_close(patience_s)

    async def _pause(self, pause_s: float) -> float:
        """Wait about `pause_s`; the next pause."""
        try:
            async with asyncio.timeout(pause_s * (0.5 + self._random())):
                await self._hurry.wait()
        except TimeoutError:
            return min(2 * pause_s, LONGEST_PAUSE_S)
        return FIRST_PAUSE_S

    async def _live_once(self) -> None:
        wire = Wire(self._settings, self._callbacks, self.peer, self._address, self._tls)
        try:
            await self._dial(wire)
            await wire.greeted
            self.remote_ip = wire.remote_ip
            self._wire = wire
            self._told = ""
            log.info("transport.connected", peer=self.peer)
            self._callbacks.on_connected(self.peer)
            await wire.lost.wait()
        except asyncio.CancelledError:
            if self._wire is None:
                wire.abort()
            raise
        except BaseException:
            wire.abort()
            raise
        self._wire = None
        log.info("transport.disconnected", peer=self.peer, why=wire.why)
        self._callbacks.on_disconnected(self.peer)

    async def _dial(self, wire: "Wire") -> None:
        host, port = self._address
        context = self._tls.client() if self._tls is not None else None
        async with asyncio.timeout(self._settings.dial_s):
            await self._loop.create_connection(
                lambda: wire, host, port, ssl=context, server_hostname=host if context is not None else None
            )

    def _tell(self, trouble: str) -> None:
        """Log a trouble once, until it changes or a connection stood."""
        if trouble != self._told:
            self._told = trouble
            host, port = self._address
            log.warning("transport.unreachable", peer=self.peer, address=f"{host}:{port}", why=trouble)


class Wire(asyncio.Protocol):
    """One dialled connection. `greeted` ends when both have said hello, or with an error; `lost` is set when it is
    gone."""

    def __init__(
        self, settings: TransportSettings, callbacks: Callbacks, peer: PeerId, address: Address, tls: PeerTls | None
    ) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._peer = peer
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = GreetingReader()
        self._deadline: asyncio.TimerHandle | None = None
        self._chunks: list[bytes] = []
        self._chunks_bytes = 0
        self._paused = False
        self._closing = False
        self._handed_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._compress_above_bytes = settings.compress_above_bytes
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self.lost = asyncio.Event()
        self.why = ""
        self.remote_ip = address[0]

    # --- sending ------------------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> int:
        """The bytes it takes; 0: the queue is full. All frames of one turn of the loop leave in one write."""
        if self.waiting_bytes() + len(frame) > self._settings.buffer_bytes:
            return 0
        if not self._chunks:
            self._loop.call_soon(self._flush)
        size_bytes = append_frame(self._chunks, frame, self._compress_above_bytes)
        self._chunks_bytes += size_bytes
        return size_bytes

    def waiting_bytes(self) -> int:
        return self._chunks_bytes + (0 if self._transport is None else self._transport.get_write_buffer_size())

    def _flush(self) -> None:
        """Hand over what waits, a portion at a time, until the transport has enough: its own buffer is slow when it
        is long."""
        if self._transport is None or self._transport.is_closing():
            return
        at, count = 0, len(self._chunks)
        while at < count and not self._paused:
            portion: list[bytes] = []
            portion_bytes = 0
            while at < count and portion_bytes < _PORTION_BYTES:
                portion.append(self._chunks[at])
                portion_bytes += len(self._chunks[at])
                at += 1
            self._handed_bytes += portion_bytes
            self._chunks_bytes -= portion_bytes
            self._transport.write(b"".join(portion))
        del self._chunks[:at]
        if self._closing and not self._chunks:
            self._transport.close()

    def pause_writing(self) -> None:
        self._paused = True
        self._watch_progress(-1)

    def resume_writing(self) -> None:
        self._paused = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._flush()

    def _watch_progress(self, taken_before: int) -> None:
        """While much waits, something must leave within `silent_s`; else the connection is dialled anew."""
        if self._transport is None:
            return
        taken = self._handed_bytes - self._transport.get_write_buffer_size()
        if taken == taken_before:
            self._give_up(f"it took nothing for {self._settings.silent_s:g} s")
            return
        self._watch = self._loop.call_later(self._settings.silent_s, self._watch_progress, taken)

    # --- the life of the connection -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not its subclasses
        self._transport.set_write_buffer_limits(high=_PORTION_BYTES)
        notice_silence(transport.get_extra_info("socket"), self._settings.silent_s)
        peername = transport.get_extra_info("peername")
        if peername is None:  # reset between connecting and this call: a peer killed in that moment
            self._give_up("it was gone as soon as it was connected to")
            return
        self.remote_ip = str(peername[0])
        if ipaddress.ip_address(self.remote_ip.partition("%")[0]).is_loopback:
            self._compress_above_bytes = self._settings.buffer_bytes
        patience_s = self._settings.hello_s
        self._deadline = self._loop.call_later(patience_s, self._give_up, f"it said no hello within {patience_s:g} s")
        self._transport.write(greeting.greeting(self._callbacks.hello()))

    def data_received(self, data: bytes) -> None:
        if self.greeted.done():
            self._give_up("it spoke where only this peer speaks")
            return
        try:
            read = self._reader.feed(data)
            if read is None:
                return
            theirs, rest = read
            greeting.check(theirs, self._callbacks.hello(), frozenset((self._peer,)), self._certificate())
            refusal = self._callbacks.on_hello(theirs)
            if refusal is not None or rest:
                raise WireError("refused", refusal or "it spoke where only this peer speaks")
        except WireError as error:
            self._give_up(str(error))
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self.greeted.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(
            f"{type(exc).__name__}: {exc}" if exc is not None else "it closed the connection; its log may say why"
        )

    def abort(self) -> None:
        self._end("given up")
        if self._transport is not None:
            self._transport.abort()

    async def drain_and_close(self, patience_s: float) -> None:
        if self._transport is None or self.lost.is_set():
            return
        self._closing = True
        self._flush()
        try:
            async with asyncio.timeout(patience_s):
                await self.lost.wait()
        except TimeoutError:
            self.abort()

    def _certificate(self) -> PeerId | None:
        if self._tls is None or self._transport is None:
            return None
        shown = self._tls.verify(self._transport.get_extra_info("ssl_object"))
        if shown is None:
            raise WireError("wrong_certificate", "its certificate is not that of a peer of this cluster")
        return shown

    def _give_up(self, why: str) -> None:
        self.why = self.why or why
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def _end(self, why: str) -> None:
        self.why = self.why or why
        for timer in (self._deadline, self._watch):
            if timer is not None:
                timer.cancel()
        if not self.greeted.done():
            self.greeted.set_exception(WireError("unreachable", self.why))
            self.greeted.exception()  # seen: nobody may be waiting any more
        self.lost.set()


def _literal(host: str) -> str:
    """The host itself if it is an address, "" if it is a name still to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ""
    return host
