"""What a peer is told about itself and its cluster at start. Seconds and milliseconds as the names say; defaults are
the contract's.
"""

import msgspec

from quorate.consensus.commands import Limits
from quorate.consensus.ports import PeerId


class PeerSettings(msgspec.Struct, frozen=True, kw_only=True):
    me: PeerId
    voters: tuple[PeerId, ...]
    cluster: str
    http: str = ""
    region: str = ""
    capabilities: tuple[str, ...] = ()
    version: str = ""

    heartbeat_s: float = 0.1
    election_min_s: float = 0.6
    election_max_s: float = 1.2
    session_ttl_s: float = 5.0
    session_renew_s: float = 1.0
    clock_rate_bound: float = 0.05
    """Two clocks of the cluster differ in rate by less than this share; a session is distrusted that much earlier."""
    claim_patience_s: float = 0.05
    """A ready task unclaimed for k times this is open to the peer ranked k-th for it."""
    max_skew_ms: int = 2_000
    """A leader whose wall clock is further than this from the voters' median hands leadership on."""
    limits: Limits = Limits()

    pending_ops: int = 6_000
    """Operations of this peer that may be unanswered at once; more are refused as `overloaded`."""
    waiting_reads: int = 16_384
    events_kept: int = 10_000
    history_backlog_rows: int = 50_000
    """Ended tasks not yet durable in history beyond which this peer stops applying until the writer has caught up."""
    free_space_floor_bytes: int = 64 * 1024 * 1024
    """Below this much free space on the data disk submissions are refused as `disk_full` while everything else goes
    on.
    """
    snapshot_entries: int = 50_000
    snapshot_bytes: int = 16 * 1024 * 1024
    segment_bytes: int = 8 * 1024 * 1024
    """Of one file of the journal."""
    keep_entries: int = 10_000
    """Log entries kept before a snapshot: a peer that missed no more than these needs no snapshot."""
