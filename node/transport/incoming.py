"""One accepted connection: a stranger until its hello is accepted, then the frames of one peer.

Law: nothing is delivered after `close()`, whatever the socket still holds.
"""

import asyncio
from typing import Protocol, cast

from quorate.consensus.frames import Hello
from quorate.consensus.ports import PeerId
from quorate.node.transport.framing import FrameReader, WireError
from quorate.node.transport.greeting import GreetingReader


class Door(Protocol):
    """What an accepted connection needs of the listener."""

    def admit(self, connection: "Incoming", hello: Hello, certificate: PeerId | None) -> bytes:
        """Our hello for the answer. Raises WireError."""

    def certificate_of(self, transport: asyncio.BaseTransport) -> PeerId | None:
        """Raises WireError if TLS is configured and the certificate is not a peer's."""

    def deliver(self, peer: PeerId, frames: list[bytes], size_bytes: int) -> None: ...

    def turn_away(self, connection: "Incoming", code: str, words: str) -> None: ...

    def gone(self, connection: "Incoming") -> None: ...


class Incoming(asyncio.Protocol):
    def __init__(self, door: Door, address: str) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._greeting = GreetingReader()
        self._frames = FrameReader()
        self._closed = False
        self._certificate: PeerId | None = None
        self.address = address
        self.hello: Hello | None = None
        """Once accepted."""
        self.opening: asyncio.Task[None] | None = None
        """The task that brings the connection up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not its subclasses
        if self._closed:
            self._transport.abort()
            return
        try:
            self._certificate = self._door.certificate_of(transport)
        except WireError as error:
            self._door.turn_away(self, error.code, str(error))

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            if self.hello is None:
                self._greet(data)
            else:
                self._deliver(self.hello.peer, data)
        except WireError as error:
            self._door.turn_away(self, error.code, str(error))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closed = True
        self._door.gone(self)

    def close(self) -> None:
        """At once, without a word."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def _greet(self, data: bytes) -> None:
        read = self._greeting.feed(data)
        if read is None:
            return
        hello, rest = read
        answer = self._door.admit(self, hello, self._certificate)
        self.hello = hello
        assert self._transport is not None
        self._transport.write(answer)
        if rest:
            self._deliver(hello.peer, rest)

    def _deliver(self, peer: PeerId, data: bytes) -> None:
        frames = self._frames.feed(data)
        if frames:
            self._door.deliver(peer, frames, len(data))
