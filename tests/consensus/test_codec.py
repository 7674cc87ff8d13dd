"""Whatever another peer sends, decoding it ends in a message or in `Malformed` (promise 9)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus import codec
from quorate.consensus.frames import NotTaken


def test_a_frame_with_invalid_utf_8_is_malformed_and_nothing_worse() -> None:
    """Text that is no text must not end the peer that reads it."""
    frame = codec.encode_message(NotTaken([1], "full")).replace(b"full", b"ful\xff")
    with pytest.raises(codec.Malformed):
        codec.decode_message(frame)


@given(frame=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(frame: bytes) -> None:
    """Nothing else comes out of a stranger's bytes: any other exception fails this test."""
    with contextlib.suppress(codec.Malformed):
        codec.encode_message(codec.decode_message(frame))
