"""Server-sent events, cut out of the bytes of a stream (HTML Living Standard, section 9.2.6).

Law: an event counts when the blank line after it has come; what a broken connection leaves unfinished is dropped and
comes again.
"""

from quorate.protocol.told import Event, read_json

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventReader:
    """Feed it bytes as they come; it gives the events completed by them."""

    def __init__(self) -> None:
        self._rest = b""
        self.last_id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises ValueError when an event is larger than any peer sends."""
        *blocks, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of more than {MAX_EVENT_BYTES} bytes: this is no event stream of a peer")
        return [event for block in blocks if (event := self._event(block)) is not None]

    def _event(self, block: bytes) -> Event | None:
        kind, data = "message", []
        for line in block.decode("utf-8", "replace").split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
        if not data:
            return None  # a comment, sent to keep the connection alive
        return Event(self.last_id, kind, read_json("\n".join(data)))
