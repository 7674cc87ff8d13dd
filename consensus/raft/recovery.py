"""What a data folder says at start.

Laws:
- The newest snapshot that is whole, and the journal after it, together are everything this disk ever acknowledged.
- If the journal does not reach back to a whole snapshot, entries are missing in between: refused, with the way out.
- Nothing is written here: what is to be cleaned up is handed on and written with the first batch.
"""

from collections.abc import Iterator

import msgspec

from quorate.consensus.journal_recovery import WAY_OUT, DamagedJournal, RecoveredLog, recover
from quorate.consensus.ports import Disk, DiskOp, Remove
from quorate.consensus.raft.identity import Identity
from quorate.consensus.raft.log import Config
from quorate.consensus.snapshot import (
    INCOMING,
    BadSnapshot,
    SnapshotHeader,
    check_snapshot,
    read_snapshot,
    snapshot_index,
    snapshot_name,
)


class MissingSnapshot(Exception):
    """The log begins after entries that no whole snapshot covers."""


class Recovery(msgspec.Struct, frozen=True):
    """`kind`: "fresh" (not founded yet), "restarted" (its log goes on) or "learner" (its disk does not vote yet)."""

    kind: str
    snapshot_index: int
    """0: none."""
    snapshot_chunks: Iterator[bytes]
    last_index: int
    incarnation: int
    dropped_tail_bytes: int
    """Of a torn tail, which nobody was told of."""
    noticed: str
    """Damage that the rest of the folder makes good; "" if there is none."""


class Folder(msgspec.Struct):
    log: RecoveredLog
    snapshot: SnapshotHeader | None
    snapshot_bytes: int
    config: Config
    reset: bool
    """The journal does not continue the snapshot: the log begins anew after it."""
    litter: list[DiskOp]
    noticed: str


def read_folder(disk: Disk, identity: Identity, *, fresh: bool) -> Folder:
    """Raises DamagedJournal, ForeignJournal, MissingSnapshot, OSError."""
    names = disk.names()
    litter: list[DiskOp] = [Remove(name) for name in names if name.endswith(".tmp") or name.startswith(INCOMING)]
    snapshot, size, bad = _newest_whole(disk, names)
    log = recover(disk, identity.cluster, identity.disk, snapshot.index if snapshot else 1, identity.flushed)
    if identity.founding and not fresh and not log.tail.segments:
        raise DamagedJournal("journal", 0, "the folder was in use and has no journal any more")
    if log.base_index > (snapshot.index if snapshot else 1):
        found = f"; {bad}" if bad else ""
        raise MissingSnapshot(
            f"the log begins after entry {log.base_index} and the newest whole snapshot covers "
            f"{snapshot.index if snapshot else 'nothing'}{found}. {WAY_OUT}"
        )
    if snapshot is None:
        return Folder(log, None, 0, Config(0, identity.disks), reset=False, litter=litter, noticed=bad)
    covered = {snapshot_name(snapshot.index)}
    litter += [Remove(name) for name in names if snapshot_index(name) is not None and name not in covered]
    config = Config(snapshot.config_index, snapshot.disks)
    if _continues(log, snapshot):
        return Folder(log, snapshot, size, config, reset=False, litter=litter, noticed=bad)
    log.base_index, log.base_term, log.entries = snapshot.index, snapshot.term, []
    return Folder(log, snapshot, size, config, reset=True, litter=litter, noticed=bad)


def _newest_whole(disk: Disk, names: list[str]) -> tuple[SnapshotHeader | None, int, str]:
    """And what was wrong with a newer one."""
    bad = ""
    for name in sorted((name for name in names if snapshot_index(name) is not None), reverse=True):
        try:
            header, size = check_snapshot(disk, name)
        except BadSnapshot as error:
            bad = bad or f"{name} is damaged: {error}"
            continue
        return header, size, bad
    return None, 0, bad


def _continues(log: RecoveredLog, snapshot: SnapshotHeader) -> bool:
    """The log holds the snapshot's last entry, so that what follows it is worth keeping."""
    if log.base_index == snapshot.index:
        return log.base_term == snapshot.term
    place = snapshot.index - log.base_index - 1
    return place < len(log.entries) and log.entries[place][2] == snapshot.term


def snapshot_chunks(disk: Disk, folder: Folder) -> Iterator[bytes]:
    return read_snapshot(disk, snapshot_name(folder.snapshot.index)) if folder.snapshot else iter(())
