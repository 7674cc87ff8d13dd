"""What a leader knows of one follower."""

from collections import deque


class Progress:
    """`match`: verified and flushed there. `next`: what goes out next.

    `epoch` counts this leader's flights to it: a correction of `next`, or a new connection, begins a new one, and
    answers to an older flight moves nothing (L1). `floor` is the first flight of this connection and term: answers to
    older ones are leftovers and dropped. `confirmed`: the follower has accepted something of this flight, so that the
    pipeline may fill.
    """

    __slots__ = (
        "applied",
        "commit_told",
        "confirmed",
        "connected",
        "epoch",
        "floor",
        "inflight",
        "inflight_bytes",
        "life",
        "match",
        "next",
        "probe_echoed",
        "probe_told",
        "transfer",
        "voter",
    )

    def __init__(self) -> None:
        self.match = 0
        self.next = 1
        self.epoch = self.floor = 0
        self.confirmed = False
        self.connected = False
        self.voter = False
        self.inflight: deque[tuple[int, int]] = deque()
        """(last index, bytes) of each append that is not acknowledged."""
        self.inflight_bytes = 0
        self.commit_told = -1
        self.probe_told = 0
        self.probe_echoed = 0
        self.applied = 0
        self.life: tuple[str, int] | None = None
        """Disk id and incarnation of the process these figures are about."""
        self.transfer: Transfer | None = None

    def new_flight(self, next_index: int) -> None:
        self.epoch += 1
        self.next = next_index
        self.confirmed = False
        self.inflight.clear()
        self.inflight_bytes = 0
        self.commit_told = -1
        self.probe_told = 0

    def restart(self, last_index: int) -> None:
        """A new connection or a new term: nothing is on its way."""
        self.transfer = None
        self.new_flight(max(self.match, last_index) + 1)
        self.floor = self.epoch

    def sent(self, last_index: int, size: int) -> None:
        self.next = last_index + 1
        self.inflight.append((last_index, size))
        self.inflight_bytes += size

    def acknowledged(self, match: int) -> None:
        self.match = max(self.match, match)
        while self.inflight and self.inflight[0][0] <= match:
            self.inflight_bytes -= self.inflight.popleft()[1]
        self.next = max(self.next, self.match + 1)


class Transfer:
    """A snapshot on its way to the follower."""

    __slots__ = ("acknowledged", "index", "moved_at", "name", "progressed_at", "sent", "size", "term")

    def __init__(self, name: str, index: int, term: int, size: int, now: float) -> None:
        self.name = name
        self.index = index
        self.term = term
        self.size = size
        self.sent = 0
        self.acknowledged = 0
        self.moved_at = self.progressed_at = now
