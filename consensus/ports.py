"""The ports: everything a `Peer` may touch outside itself.

Law: time, chance, bytes on a wire, bytes on a disk, running handlers and the history of ended tasks reach `consensus`
through these protocols only. `node` implements them with the real world, `netsim` with a virtual one. No call here
blocks for I/O, except the reads marked "at start" or "point look-up".
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from quorate.consensus.points import UNWATCHED, Points
from quorate.scheduling.task import Attempt, Task, TaskId

PeerId = str
"""The id of a peer in the cluster file: `[a-z0-9][a-z0-9-]{0,30}`."""


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds on a clock that never steps and goes on while the machine sleeps (CLOCK_BOOTTIME)."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 by the wall clock, which may step either way."""


class Entropy(Protocol):
    """The two draws everything random is made of, so that a seed decides them all."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


class Network(Protocol):
    def send(self, to: PeerId, frame: bytes) -> bool:
        """Queue a frame on the connection to `to`. False: no connection, or its queue is full; the frame is dropped.

        Frames of one connection arrive in order, each once, or the connection drops (TCP). Frames are at most
        `MAX_FRAME_BYTES` long.
        """


MAX_FRAME_BYTES = 16 * 1024 * 1024


# --- disk: an ordered list of operations, executed as one batch by the flusher, then reported as flushed


class Create(msgspec.Struct, frozen=True, tag=True):
    """A new file of `size` zero bytes (an old one of that name is replaced)."""

    name: str
    size: int


class Write(msgspec.Struct, frozen=True, tag=True):
    """Bytes at an offset of an existing or new file."""

    name: str
    offset: int
    data: bytes


class Sync(msgspec.Struct, frozen=True, tag=True):
    """Everything written to `name` so far, and the name, is durable before the next operation of the batch starts."""

    name: str


class Rename(msgspec.Struct, frozen=True, tag=True):
    """Atomically; the folder is synced after it."""

    old: str
    new: str


class Remove(msgspec.Struct, frozen=True, tag=True):
    """No error if it is not there."""

    name: str


DiskOp = Create | Write | Sync | Rename | Remove


class Disk(Protocol):
    """One flat folder. Names are plain file names."""

    def names(self) -> list[str]:
        """At start: the files there, sorted."""

    def read(self, name: str) -> bytes:
        """At start, or for sending a snapshot: a whole file. Raises OSError."""

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """A slice of a finished file (sending a snapshot). Raises OSError."""

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:
        """Execute `ops` in order, make all of it durable, then the shell calls `peer.on_flushed(ticket)`.

        Batches are executed one after the other in the order given; tickets rise. An error of any operation is fatal:
        the shell calls `peer.on_disk_failed(error)` once and executes nothing more (a failed fsync is never retried).
        """

    def free_bytes(self) -> int:
        """Free space of the folder's file system, as last looked up (at most 1 s old)."""


class Work(Protocol):
    """The local workers."""

    def start(self, attempt: Attempt) -> None:
        """Run one attempt. Later, exactly once, the shell calls `peer.on_work_done(task, fence, ending)`; never from
        inside this call."""

    def cancel(self, task: TaskId, fence: int) -> None:
        """Tell a running handler that its task was cancelled (`ctx.cancelled`); its result will be refused."""

    def lose(self) -> None:
        """Tell every running handler that its session can no longer be trusted (`ctx.lost`)."""


class History(Protocol):
    """The local store of ended tasks (SQLite in `node`), written behind from applied events."""

    def append(self, index: int, rows: Sequence[Task]) -> None:
        """Rows of tasks that ended at log index `index`, in order. Readable at once by `find*` (a bounded buffer),
        durable later.
        """

    def readable_index(self) -> int:
        """Every row of an entry up to this index is found by `find*` and survives a restart."""

    def backlog(self) -> int:
        """Rows appended but not yet durable."""

    def find(self, task: TaskId) -> Task | None:
        """Point look-up by id."""

    def find_key(self, namespace: str, key: str) -> Task | None:
        """Point look-up of the newest row with that idempotency key."""

    def advance(self, index: int) -> None:
        """Nothing more will be appended for entries up to `index`: `readable_index()` may follow once it is durable."""

    def rows_between(self, after_end: int, upto_end: int, limit_bytes: int) -> list[Task]:
        """For a peer that installed a snapshot: rows with `after_end < end_seq <= upto_end`, lowest first, up to about
        `limit_bytes` of payload (at least one row if there is any)."""

    def last_end(self) -> int:
        """The greatest `end_seq` such that every row up to it is here (0: none)."""

    def fill(self, rows: Sequence[Task]) -> None:
        """Rows fetched from another peer for a gap; idempotent."""


class Ports(msgspec.Struct, frozen=True):
    clock: Clock
    entropy: Entropy
    network: Network
    disk: Disk
    work: Work
    history: History
    points: Points = UNWATCHED
