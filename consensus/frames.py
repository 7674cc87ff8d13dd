"""Every message between peers.

Law: a frame is `[group, message]` in msgpack, at most `ports.MAX_FRAME_BYTES` long; nothing else crosses the wire
after the hello. Frames of a kind unknown here are counted and dropped.
"""

import msgspec


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """First on every connection, both ways, within 5 s and 4 KiB; anything else closes it."""

    version: int
    cluster: str
    founding: str
    """Founding id, "" while the folder is empty."""
    peer: str
    disk: str
    incarnation: int
    map: dict[str, str]
    """Founding map if founded, else what this peer has heard so far (peer id -> disk id of empty folders)."""
    wall_ms: int


# --- Raft -------------------------------------------------------------------------------------------------------------
class PreVote(msgspec.Struct, frozen=True, array_like=True, tag="pv"):
    term: int
    last_index: int
    last_term: int


class PreVoteReply(msgspec.Struct, frozen=True, array_like=True, tag="pvr"):
    asked: int
    granted: bool
    term: int


class RequestVote(msgspec.Struct, frozen=True, array_like=True, tag="rv"):
    term: int
    last_index: int
    last_term: int


class Vote(msgspec.Struct, frozen=True, array_like=True, tag="v"):
    term: int
    granted: bool


class Append(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """Entries after `prev_index`, or none (a heartbeat). `epoch`: of the leader's flight to this follower; `probe`:
    of reads.
    """

    term: int
    prev_index: int
    prev_term: int
    commit: int
    epoch: int
    probe: int
    entries: list[tuple[bytes, int, int]]
    """(command, index, term), as PySyncObj keeps them; consecutive, the first one after `prev_index`."""


class AppendReply(msgspec.Struct, frozen=True, array_like=True, tag="ar"):
    term: int
    ok: bool
    match: int
    """ok: verified against this leader's log and flushed, up to here. Not ok: continue after this index."""
    voter: bool
    """Its disk is the one of a committed configuration; otherwise it follows without counting."""
    epoch: int
    probe: int
    applied: int
    hash_index: int
    """Last multiple of 1,000 at which `state_hash` was taken (0: none yet)."""
    state_hash: bytes


class SnapshotChunk(msgspec.Struct, frozen=True, array_like=True, tag="sc"):
    """A slice of the leader's snapshot file, byte for byte. It says nothing about what is committed."""

    term: int
    index: int
    index_term: int
    offset: int
    total: int
    data: bytes
    epoch: int
    probe: int


class SnapshotReply(msgspec.Struct, frozen=True, array_like=True, tag="sr"):
    term: int
    index: int
    received: int
    """Next offset wanted; -1: installed (or not needed), flushed up to `index`."""
    voter: bool
    epoch: int
    probe: int


class Heard(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """Founding, after the hello: what the sender has heard of everybody's disks so far, or the map it was founded
    with.
    """

    founding: str
    """Founding id, "" while it is not founded."""
    disk: str
    map: dict[str, str]


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag="tn"):
    term: int


class AskIndex(msgspec.Struct, frozen=True, array_like=True, tag="ri"):
    request: int


class ReadIndex(msgspec.Struct, frozen=True, array_like=True, tag="rir"):
    request: int
    index: int
    """0: not leader, ask again."""


# --- operations and history -------------------------------------------------------------------------------------------
class Forward(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """Encoded `Op`s for the leader's batch. `reserved`: renewals, completions and releases, never refused by
    backpressure.
    """

    ops: list[msgspec.Raw]
    reserved: bool


class NotTaken(msgspec.Struct, frozen=True, array_like=True, tag="nt"):
    """Surely not put into any batch by this peer on this sending. why: `not_leader`, `full`, `malformed`."""

    numbers: list[int]
    why: str


class AskHistory(msgspec.Struct, frozen=True, array_like=True, tag="ah"):
    after_end: int
    upto_end: int


class HistoryRows(msgspec.Struct, frozen=True, array_like=True, tag="hr"):
    """Rows as msgpack Tasks; `upto_end`: every row up to here is included or was pruned by retention (0: the sender
    has a gap of its own)."""

    rows: list[bytes]
    upto_end: int


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Once a second from every peer to the leader: its wall clock, for the skew of the cluster."""

    wall_ms: int


class BeatReply(msgspec.Struct, frozen=True, array_like=True, tag="br"):
    """The leader's answer. `median_skew_ms`: the receiver's wall clock minus the median of the voters' as the leader
    sees them.
    """

    median_skew_ms: int


class HashVerdict(msgspec.Struct, frozen=True, array_like=True, tag="hv"):
    """What a majority's state hash at `index` was; b"": no majority of equals, nobody may write."""

    index: int
    state_hash: bytes


RaftMessage = (
    PreVote | PreVoteReply | RequestVote | Vote | Append | AppendReply | SnapshotChunk | SnapshotReply | TimeoutNow
    | AskIndex | ReadIndex | Heard
)  # fmt: skip
Message = RaftMessage | Forward | NotTaken | AskHistory | HistoryRows | Beat | BeatReply | HashVerdict
