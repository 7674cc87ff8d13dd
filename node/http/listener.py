"""Accepts connections, the door's word first: a place is taken before a handshake is begun or memory is spent."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from quorate.node.http.answers import raw_problem
from quorate.node.http.door import Door, Visitor
from quorate.node.http.problems import Problem

GOODBYE_S: Final = 1.0
"""How long a TLS client may take to take leave."""
BACKLOG: Final = 1024
ACCEPTS_AT_ONCE: Final = 64
PAUSE_S: Final = 0.2
"""After the system has run out of descriptors or memory."""
OUT_OF_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)


class Listener:
    """`connection` makes the protocol of a visitor."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        door: Door,
        connection: Callable[[Visitor], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_s: float,
    ) -> None:
        self._loop = loop
        self._door = door
        self._connection = connection
        self._tls = tls
        self._handshake_s = handshake_s
        self._sockets: list[socket.socket] = []
        self._welcoming: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    async def listen(self, host: str, port: int) -> int:
        """The port that was taken. Raises OSError naming the address."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            bound_port = self._sockets[0].getsockname()[1] if self._sockets else port
            listening = _bound(family, (address[0], bound_port, *address[2:]))
            if listening is not None:
                self._sockets.append(listening)
                self._loop.add_reader(listening, self._accept, listening)
        if not self._sockets:
            raise OSError(errno.EADDRNOTAVAIL, f"cannot listen at {host}:{port}: this machine has no such address")
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        while self._sockets:
            listening = self._sockets.pop()
            self._loop.remove_reader(listening)
            listening.close()
        for pause in self._pauses.values():
            pause.cancel()
        for task in self._welcoming:
            task.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                connected, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as failure:
                if failure.errno not in OUT_OF_ROOM:
                    raise
                log.warning("http.no_room_for_connections", why=failure.strerror, pause_s=PAUSE_S)
                self._pause(listening)
                return
            self._admit(connected, str(address[0]))

    def _admit(self, connected: socket.socket, address: str) -> None:
        connected.setblocking(False)
        try:
            visitor = self._door.arrive(address, self._loop.time())
        except Problem as full:
            if self._tls is None:
                with contextlib.suppress(OSError):  # whoever does not take the words misses them
                    connected.send(raw_problem(full))
            connected.close()
            return
        task = self._loop.create_task(self._welcome(connected, visitor))
        visitor.close = lambda _why: _cancel(task)
        self._welcoming.add(task)
        task.add_done_callback(self._welcoming.discard)

    async def _welcome(self, connected: socket.socket, visitor: Visitor) -> None:
        """The handshake, where there is one. From then on the connection speaks for itself."""
        secured = self._tls is not None
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._connection(visitor),
                connected,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_s if secured else None,
                ssl_shutdown_timeout=GOODBYE_S if secured else None,
            )
        except (
            OSError,
            asyncio.CancelledError,
        ):  # what strangers do in a handshake is no news (ssl.SSLError is an OSError)
            connected.close()
            self._door.leave(visitor)

    def _pause(self, listening: socket.socket) -> None:
        self._loop.remove_reader(listening)

        def resume() -> None:
            del self._pauses[listening]
            self._loop.add_reader(listening, self._accept, listening)

        self._pauses[listening] = self._loop.call_later(PAUSE_S, resume)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _bound(family: int, address: tuple[object, ...]) -> socket.socket | None:
    """None if this machine has no such address. Raises OSError naming it when the port is taken or forbidden."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as failure:
        listening.close()
        if failure.errno == errno.EADDRNOTAVAIL:
            return None
        raise OSError(failure.errno, f"cannot listen at {address[0]}:{address[1]}: {failure.strerror}") from failure
    return listening
