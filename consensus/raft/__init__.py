"""Raft for one peer: PySyncObj 0.3.17 as the engine, its holes closed (the table in ../DESIGN.md says where)."""

from quorate.consensus.journal_recovery import DamagedJournal, ForeignJournal
from quorate.consensus.raft.compaction import Walk
from quorate.consensus.raft.engine import UnauditedEngine
from quorate.consensus.raft.identity import ForeignFolder
from quorate.consensus.raft.log import Config
from quorate.consensus.raft.raft import Raft
from quorate.consensus.raft.recovery import MissingSnapshot, Recovery
from quorate.consensus.raft.settings import RaftSettings

__all__ = [
    "Config",
    "DamagedJournal",
    "ForeignFolder",
    "ForeignJournal",
    "MissingSnapshot",
    "Raft",
    "RaftSettings",
    "Recovery",
    "UnauditedEngine",
    "Walk",
]
