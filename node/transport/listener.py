"""The port on which other peers connect.

Law: what has not shown who it is holds one of a few places and goes after `hello_s`; a connection replaces the older
one of the same peer, and from then on nothing of the older one is delivered.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import structlog

from quorate.consensus.frames import Hello
from quorate.consensus.ports import PeerId
from quorate.node.transport import greeting
from quorate.node.transport.framing import WireError
from quorate.node.transport.incoming import Incoming
from quorate.node.transport.places import Places
from quorate.node.transport.refusals import Refusals
from quorate.node.transport.settings import Callbacks, PeerTls, TransportSettings
from quorate.node.transport.sockets import notice_silence

ACCEPTS_PER_TURN = 8
"""Of the loop: a flood of connections must not make the others wait for longer than it takes to accept these."""
BACKLOG = 1024
OUT_OF_FILES_PAUSE_S = 0.2

log = structlog.get_logger(__name__)


class Listener:
    def __init__(
        self,
        settings: TransportSettings,
        callbacks: Callbacks,
        known: frozenset[PeerId],
        tls: PeerTls | None,
        refusals: Refusals,
        is_peer_address: Callable[[str], bool],
        on_heard: Callable[[PeerId], None],
    ) -> None:
        self._settings = settings
        self._callbacks = callbacks
        self._known = known
        self._tls = tls
        self._refusals = refusals
        self._on_heard = on_heard
        self._loop = asyncio.get_running_loop()
        self._places = Places(is_peer_address)
        self._place_of: dict[Incoming, tuple[int, asyncio.TimerHandle]] = {}
        self._established: dict[PeerId, Incoming] = {}
        self._sockets: list[socket.socket] = []
        self.received_frames: Counter[PeerId] = Counter()
        self.received_bytes: Counter[PeerId] = Counter()

    # --- the listening sockets ----------------------------------------------------------------------------------------

    async def open(self) -> int:
        """Listen; the port. Raises OSError that says what to do."""
        host, port = self._settings.listen
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        failure: OSError | None = None
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            try:
                sock = socket.create_server(address[:2], family=family, backlog=BACKLOG)
            except OSError as error:
                failure = error
                continue
            sock.setblocking(False)
            self._sockets.append(sock)
            self._loop.add_reader(sock, self._accept, sock)
        if failure is not None and (not self._sockets or failure.errno == errno.EADDRINUSE):
            self.close()
            taken = failure.errno == errno.EADDRINUSE
            advice = "another process has it: stop that one, or give this peer another `raft` port" if taken else ""
            raise OSError(failure.errno, f"cannot listen on {host}:{port}: {failure.strerror}; {advice}".rstrip("; "))
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        for connection in (*self._place_of, *self._established.values()):
            connection.close()

    def connected(self) -> list[PeerId]:
        """Peers whose frames reach us."""
        return sorted(self._established)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause(listening, error)
                return
            self._bring_in(sock, str(address[0]))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """No file left, most likely: without a pause the loop would spin on the connection it cannot accept."""
        self._refusals.note(self._loop.time(), "", "cannot_accept", str(error))
        self._loop.remove_reader(listening)
        self._loop.call_later(OUT_OF_FILES_PAUSE_S, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    # --- a stranger ---------------------------------------------------------------------------------------------------

    def _bring_in(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)
        with suppress(OSError):  # it is gone already; opening it will tell
            notice_silence(sock, self._settings.silent_s)
        connection = Incoming(self, address)
        place = self._places.enter(address, lambda: self.turn_away(connection, "crowded_out", "newer ones came"))
        patience_s = self._settings.hello_s
        words = f"no hello within {patience_s:g} s"
        deadline = self._loop.call_later(patience_s, self.turn_away, connection, "silent", words)
        self._place_of[connection] = (place, deadline)
        connection.opening = self._loop.create_task(self._open(connection, sock))
        connection.opening.add_done_callback(lambda opening: self._opened(opening, connection, sock))

    async def _open(self, connection: Incoming, sock: socket.socket) -> None:
        if self._tls is None:
            await self._loop.connect_accepted_socket(lambda: connection, sock)
            return
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, sock, ssl=self._tls.server, ssl_handshake_timeout=self._settings.hello_s
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self.turn_away(connection, "tls_failed", f"no TLS handshake: {error}")

    def _opened(self, opening: asyncio.Task[None], connection: Incoming, sock: socket.socket) -> None:
        if not opening.cancelled() and opening.exception() is None:
            return
        sock.close()
        self.gone(connection)

    # --- what its connection tells us ---------------------------------------------------------------------------------

    def certificate_of(self, transport: asyncio.BaseTransport) -> PeerId | None:
        if self._tls is None:
            return None
        shown = self._tls.verify(transport.get_extra_info("ssl_object"))
        if shown is None:
            raise WireError("wrong_certificate", "its certificate is not that of a peer of this cluster")
        return shown

    def admit(self, connection: Incoming, hello: Hello, certificate: PeerId | None) -> bytes:
        ours = self._callbacks.hello()
        greeting.check(hello, ours, self._known, certificate)
        older = self._established.get(hello.peer)
        if older is not None and older.hello is not None and _outdated(hello, older.hello):
            raise WireError("outdated", f"a newer life of {hello.peer!r} is connected")
        refusal = self._callbacks.on_hello(hello)
        if refusal is not None:
            raise WireError("refused", refusal)
        if older is not None:
            older.close()
        self._free_place(connection)
        self._established[hello.peer] = connection
        self._on_heard(hello.peer)
        return greeting.greeting(ours)

    def deliver(self, peer: PeerId, frames: list[bytes], size_bytes: int) -> None:
        self.received_frames[peer] += len(frames)
        self.received_bytes[peer] += size_bytes
        self._callbacks.on_frames(peer, frames)

    def turn_away(self, connection: Incoming, code: str, words: str) -> None:
        self._refusals.note(self._loop.time(), connection.address, code, words)
        self.gone(connection)
        connection.close()

    def gone(self, connection: Incoming) -> None:
        self._free_place(connection)
        peer = connection.hello.peer if connection.hello is not None else ""
        if self._established.get(peer) is connection:
            del self._established[peer]

    def _free_place(self, connection: Incoming) -> None:
        held = self._place_of.pop(connection, None)
        if held is not None:
            self._places.leave(held[0])
            held[1].cancel()


def _outdated(new: Hello, old: Hello) -> bool:
    """Incarnations rise per data folder; those of different disks cannot be compared, and then the newcomer wins."""
    return new.disk == old.disk and new.incarnation < old.incarnation
