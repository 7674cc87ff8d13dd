"""What the parts of one Raft share."""

import msgspec

from quorate.consensus.points import Points
from quorate.consensus.ports import Clock, Disk
from quorate.consensus.raft.counters import Counters
from quorate.consensus.raft.engine import Engine
from quorate.consensus.raft.gate import Gate
from quorate.consensus.raft.log import Log
from quorate.consensus.raft.settings import RaftSettings
from quorate.consensus.raft.standing import Standing
from quorate.consensus.raft.wire import Wire


class Core(msgspec.Struct, frozen=True):
    cluster: str
    settings: RaftSettings
    clock: Clock
    disk: Disk
    log: Log
    engine: Engine
    gate: Gate
    wire: Wire
    standing: Standing
    counters: Counters
    points: Points

    @property
    def commit_index(self) -> int:
        """Committed by the cluster, and flushed here."""
        committed, flushed = self.engine.commit_index, self.log.flushed_index
        return committed if committed < flushed else flushed
