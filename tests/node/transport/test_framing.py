"""Laws of frames on the wire."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.ports import MAX_FRAME_BYTES
from quorate.node.transport.framing import HEADER, FrameReader, WireError, append_frame

NEVER = 1 << 60


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 200), max_size=30), st.integers(0, 100))
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(
    frames: list[bytes], cuts: list[int], compress_above_bytes: int
) -> None:
    chunks: list[bytes] = []
    size = sum(append_frame(chunks, frame, compress_above_bytes) for frame in frames)
    stream = b"".join(chunks)
    assert size == len(stream)
    reader = FrameReader()
    got: list[bytes] = []
    for cut in cuts:
        got += reader.feed(stream[:cut])
        stream = stream[cut:]
    got += reader.feed(stream)
    assert got == frames


def test_a_frame_of_the_greatest_size_arrives_and_a_greater_one_is_not_sent() -> None:
    chunks: list[bytes] = []
    append_frame(chunks, bytes(MAX_FRAME_BYTES), NEVER)
    assert [len(frame) for frame in FrameReader().feed(b"".join(chunks))] == [MAX_FRAME_BYTES]
    with pytest.raises(ValueError, match="at most"):
        append_frame(chunks, bytes(MAX_FRAME_BYTES + 1), NEVER)


def test_what_shrinks_is_deflated_and_what_does_not_is_sent_as_it_is() -> None:
    chunks: list[bytes] = []
    noise = random.Random(1).randbytes(100_000)
    assert append_frame(chunks, b"a line of text\n" * 1000, 4096) < 2000
    assert append_frame(chunks, noise, 4096) == len(noise) + HEADER.size
    assert FrameReader().feed(b"".join(chunks)) == [b"a line of text\n" * 1000, noise]


@pytest.mark.parametrize(
    "stream",
    [
        HEADER.pack(MAX_FRAME_BYTES + 1, 0),
        HEADER.pack(10, 2),
        HEADER.pack(4, 1) + b"junk",
        HEADER.pack(5, 1) + zlib.compress(b"x" * 100)[:5],
        HEADER.pack(len(zlib.compress(b"x")) + 1, 1) + zlib.compress(b"x") + b"y",
    ],
)
def test_what_is_not_a_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(WireError) as refusal:
        FrameReader().feed(stream)
    assert refusal.value.code == "bad_frame"


def test_a_bomb_is_not_blown_up_beyond_the_limit() -> None:
    bomb = zlib.compress(bytes(MAX_FRAME_BYTES + 1))
    with pytest.raises(WireError, match="more than"):
        FrameReader().feed(HEADER.pack(len(bomb), 1) + bomb)
