"""How one Raft behaves.

Law: every limit of the replication lives here, with its unit and its reason; none is buried in code.
"""

import msgspec

MIB = 1024 * 1024


class RaftSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Timers in seconds, sizes in bytes. Raises ValueError for what cannot work."""

    heartbeat_s: float = 0.1
    election_min_s: float = 0.6
    election_max_s: float = 1.2
    """A leader that a majority has not answered for this long steps down (check-quorum, Raft thesis section 6.2)."""

    snapshot_entries: int = 50_000
    snapshot_bytes: int = 16 * MIB
    """Log since the last snapshot beyond which a new one is taken; in bytes not before it has the size of that
    snapshot, so that a large state is not written again and again for little."""
    keep_entries: int = 10_000
    keep_bytes: int = 16 * MIB
    """Log kept before a snapshot, so that a peer that lags a little needs no snapshot; whichever is less."""
    walk_bytes: int = 256 * 1024
    """One slice of a snapshot, per step: small enough not to hold up a heartbeat."""

    segment_bytes: int = 8 * MIB
    append_bytes: int = 256 * 1024
    inflight_bytes: int = 4 * MIB
    inflight_messages: int = 64
    """What may be on its way to one follower without an acknowledgement."""
    chunk_bytes: int = 256 * 1024
    inflight_chunks: int = 4

    apply_entries: int = 256
    apply_bytes: int = 256 * 1024
    """Entries applied in one step, and how large together: a peer that catches up on full entries must still hear its
    leader. The entry that goes beyond the bytes is the last of its step.
    """
    waiting_reads: int = 65_536
    found_wait_s: float = 3.0
    """`found=True`: how long to wait for all peers before founding with a majority of them."""

    def __post_init__(self) -> None:
        if not 0 < 3 * self.heartbeat_s < self.election_min_s < self.election_max_s:
            raise ValueError(
                "timers must satisfy 3 * heartbeat < election_min < election_max, got "
                f"heartbeat {self.heartbeat_s:g} s, election {self.election_min_s:g} to {self.election_max_s:g} s"
            )
