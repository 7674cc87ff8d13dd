"""What one Raft has counted since it was opened, for metrics and for tests."""

import msgspec


class Counters(msgspec.Struct):
    elections: int = 0
    """Times it became leader."""
    stale_terms: int = 0
    rejects: int = 0
    cuts: int = 0
    """Times a real conflict cut the log."""
    contradictions: int = 0
    """Appends that contradict what is committed here; must stay 0."""
    two_leaders: int = 0
    """Appends of a second leader in one term; must stay 0."""
    malformed: int = 0
    strangers: int = 0
    """Messages from peers that are not in the cluster."""
    stale_epochs: int = 0
    corrections: int = 0
    snapshots_taken: int = 0
    snapshots_sent: int = 0
    snapshots_installed: int = 0
    transfers_broken: int = 0
    proposed: int = 0
    applied: int = 0
    flushes: int = 0
    reads: int = 0

    def as_dict(self) -> dict[str, int]:
        return msgspec.structs.asdict(self)
