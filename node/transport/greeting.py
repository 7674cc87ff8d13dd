"""The hello at the start of every connection, both ways.

Law: the first bytes are the magic, a length (2 bytes, big-endian) of at most 4 KiB, and a `frames.Hello` in msgpack.
What differs is refused at the first byte that differs, and nothing else is read from a connection before its hello
has been accepted.
"""

import struct

import msgspec

from quorate.consensus.frames import Hello
from quorate.consensus.ports import PeerId
from quorate.node.transport.framing import WireError

MAGIC = b"QUORATE\x01"
MAX_HELLO_BYTES = 4096

_LENGTH = struct.Struct("!H")
_HEADER_BYTES = len(MAGIC) + _LENGTH.size
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Hello).decode
_HTTP_METHODS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
_TLS_HANDSHAKE = b"\x16\x03"


def greeting(hello: Hello) -> bytes:
    """The bytes that open a connection. Raises ValueError if the hello is too long to be understood."""
    encoded = _encode(hello)
    if len(encoded) > MAX_HELLO_BYTES:
        raise ValueError(f"a hello of {len(encoded)} bytes, at most {MAX_HELLO_BYTES} are read")
    return MAGIC + _LENGTH.pack(len(encoded)) + encoded


class GreetingReader:
    """Reads one hello from the start of a stream; keeps at most its size."""

    def __init__(self) -> None:
        self._got = bytearray()

    def feed(self, data: bytes) -> tuple[Hello, bytes] | None:
        """The hello and what came after it, or None while it is incomplete. Raises WireError."""
        self._got += data
        seen = bytes(self._got[: len(MAGIC)])
        if seen != MAGIC[: len(seen)]:
            raise _stranger(bytes(self._got[:8]))
        if len(self._got) < _HEADER_BYTES:
            return None
        (size,) = _LENGTH.unpack_from(self._got, len(MAGIC))
        if size > MAX_HELLO_BYTES:
            raise WireError("bad_hello", f"a hello of {size} bytes, expected at most {MAX_HELLO_BYTES}")
        end = _HEADER_BYTES + size
        if len(self._got) < end:
            return None
        try:
            hello = _decode(self._got[_HEADER_BYTES:end])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError("bad_hello", f"a hello that does not decode: {error}") from None
        return hello, bytes(self._got[end:])


def check(theirs: Hello, ours: Hello, known: frozenset[PeerId], shown: PeerId | None) -> None:
    """Raises WireError if `theirs` is not from a peer of this cluster. `shown`: the id in its certificate; None
    without TLS."""
    if theirs.cluster != ours.cluster:
        raise WireError("wrong_cluster", f"it belongs to cluster {theirs.cluster!r}, this peer to {ours.cluster!r}")
    if theirs.version != ours.version:
        raise WireError("wrong_version", f"it speaks version {theirs.version}, this peer {ours.version}")
    if theirs.peer == ours.peer:
        raise WireError("own_id", f"it calls itself {theirs.peer!r}, which is this peer's own id: is an address wrong?")
    if theirs.peer not in known:
        raise WireError("unknown_peer", f"it calls itself {theirs.peer!r}, which the cluster file does not name")
    if shown is not None and shown != theirs.peer:
        raise WireError("wrong_certificate", f"it calls itself {theirs.peer!r} but shows the certificate of {shown!r}")


def _stranger(first: bytes) -> WireError:
    if first.startswith(_HTTP_METHODS):
        return WireError("http", "an HTTP request: this is the port between peers, HTTP is served on the other one")
    if first.startswith(_TLS_HANDSHAKE):
        return WireError("tls", "a TLS handshake: this peer has no TLS configured between peers")
    return WireError("garbage", f"expected a hello, got {first!r}")
