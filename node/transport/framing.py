"""How frames stand on the wire.

Law: a frame is its length (4 bytes, big-endian), one flag byte, and the payload: as it is, or deflated. A length
beyond the limit is refused before a byte of it is kept, and a deflated payload is never blown up beyond that limit.
"""

import struct
import zlib

from quorate.consensus.ports import MAX_FRAME_BYTES

HEADER = struct.Struct("!IB")

_PLAIN = 0
_DEFLATED = 1
_WORTH_IT = 0.9  # a payload that shrinks less than this is sent as it is
_SAMPLE_BYTES = 4096
_LEVEL = 1  # higher levels cost several times the processor for a few percent


class WireError(Exception):
    """What came is not ours. `code`: a stable word, for counting."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def append_frame(chunks: list[bytes], frame: bytes, compress_above_bytes: int) -> int:
    """Append what is to be sent for `frame` to `chunks`; its size. Raises ValueError beyond MAX_FRAME_BYTES."""
    size = len(frame)
    if size > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes, at most {MAX_FRAME_BYTES} can be sent")
    flag = _PLAIN
    if size > compress_above_bytes:
        deflated = _deflated(frame)
        if deflated is not None:
            frame, size, flag = deflated, len(deflated), _DEFLATED
    chunks.append(HEADER.pack(size, flag))
    chunks.append(frame)
    return HEADER.size + size


class FrameReader:
    """The frames in a stream of bytes. One reader per connection."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted_bytes = HEADER.size
        """With fewer than this many bytes there is no use in looking."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now, in order. Raises WireError; the connection is then to be closed."""
        if not self._rest:
            frames, used = self._parse(data)
            self._rest += data[used:]
            return frames
        self._rest += data
        if len(self._rest) < self._wanted_bytes:
            return []
        frames, used = self._parse(self._rest)
        del self._rest[:used]
        return frames

    def _parse(self, data: bytes | bytearray) -> tuple[list[bytes], int]:
        frames: list[bytes] = []
        start, end = 0, len(data)
        self._wanted_bytes = HEADER.size
        with memoryview(data) as view:
            while end - start >= HEADER.size:
                size, flag = HEADER.unpack_from(view, start)
                if size > MAX_FRAME_BYTES or flag > _DEFLATED:
                    raise WireError("bad_frame", f"a frame header of {size} bytes with flag {flag}")
                body = start + HEADER.size
                if body + size > end:
                    self._wanted_bytes = HEADER.size + size
                    break
                payload = bytes(view[body : body + size])
                frames.append(_inflated(payload) if flag == _DEFLATED else payload)
                start = body + size
        return frames, start


def _deflated(frame: bytes) -> bytes | None:
    """The payload deflated, if that helps; a sample decides for what cannot shrink."""
    if len(frame) > 4 * _SAMPLE_BYTES:
        sample = frame[_SAMPLE_BYTES : 2 * _SAMPLE_BYTES]
        if len(zlib.compress(sample, _LEVEL)) > _WORTH_IT * len(sample):
            return None
    deflated = zlib.compress(frame, _LEVEL)
    return deflated if len(deflated) <= _WORTH_IT * len(frame) else None


def _inflated(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        frame = inflater.decompress(payload, MAX_FRAME_BYTES)
    except zlib.error as error:
        raise WireError("bad_frame", f"a payload that does not inflate: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise WireError("bad_frame", f"a payload that inflates to more than {MAX_FRAME_BYTES} bytes, or is cut short")
    return frame
