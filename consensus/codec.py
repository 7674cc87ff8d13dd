"""How messages, operations and entries become bytes, and back.

Law: what is sent or logged is encoded here and nowhere else; decoding raises `Malformed` and nothing else.
"""

from collections.abc import Sequence

import msgspec

from quorate.consensus.commands import Command, Entry, Op
from quorate.consensus.frames import Message


class Malformed(ValueError):
    """Bytes that are not what they should be."""


GROUP = 0
"""The Raft group a frame belongs to; there is one so far, and the number is on the wire for the day there are more."""

_encoder = msgspec.msgpack.Encoder()
_frames: msgspec.msgpack.Decoder[tuple[int, Message]] = msgspec.msgpack.Decoder(tuple[int, Message])
_ops = msgspec.msgpack.Decoder(Op)
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises on bytes that are not what they should be (ValueError: invalid UTF-8)."""


def encode_message(message: Message) -> bytes:
    return _encoder.encode((GROUP, message))


def decode_message(frame: bytes) -> Message:
    try:
        group, message = _frames.decode(frame)
    except _UNREADABLE as error:
        raise Malformed(f"frame: {error}") from None
    if group != GROUP:
        raise Malformed(f"frame of group {group}; only group {GROUP} exists here")
    return message


def encode_op(peer: str, incarnation: int, number: int, floor: int, command: Command) -> bytes:
    return _encoder.encode(Op(peer, incarnation, number, floor, _encoder.encode(command)))


def decode_op(data: bytes | msgspec.Raw) -> Op:
    try:
        return _ops.decode(data)
    except _UNREADABLE as error:
        raise Malformed(f"operation: {error}") from None


def encode_entry(elapsed: int, stamp: int, fresh: bool, ops: Sequence[bytes]) -> bytes:
    return _encoder.encode(Entry(elapsed, stamp, fresh, [msgspec.Raw(op) for op in ops]))
