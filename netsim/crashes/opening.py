"""Opening a folder as a peer does at its start, and measuring what comes out against what was promised.

Laws:
- Of what a crash leaves, recovery makes the acknowledged log and some of the promises not yet acknowledged, in order,
  and nothing else; it never refuses.
- A peer opens on it, its state is the one the cluster had at that index, and what it cleans up changes nothing that
  was recovered.
"""

from collections.abc import Mapping, Sequence

import msgspec

from quorate.consensus.journal_recovery import DamagedJournal, Entry, ForeignJournal
from quorate.consensus.peer import Peer
from quorate.consensus.ports import DiskOp, Ports, Rename
from quorate.consensus.raft.identity import ForeignFolder, read_identity
from quorate.consensus.raft.recovery import MissingSnapshot, Recovery, read_folder
from quorate.consensus.settings import PeerSettings
from quorate.consensus.snapshot import snapshot_index
from quorate.netsim.clock import SeededEntropy, Ticking, VirtualClock
from quorate.netsim.crashes.folder import Folder
from quorate.netsim.crashes.promises import Log, Promise
from quorate.netsim.history import SimHistory
from quorate.netsim.violation import Violation
from quorate.scheduling.task import Attempt, TaskId

REFUSALS = (DamagedJournal, ForeignJournal, MissingSnapshot, ForeignFolder)
CHECK = "crash_states"
Files = Mapping[str, bytes]


class StillDisk:
    """`ports.Disk` on given files; keeps what is to be written."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.submitted: list[DiskOp] = []

    def names(self) -> list[str]:
        return sorted(self._files)

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise FileNotFoundError(name)
        return self._files[name]

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        return self.read(name)[offset : offset + size]

    def submit(self, ticket: int, ops: Sequence[DiskOp]) -> None:  # noqa: ARG002 - nobody waits for it
        self.submitted += ops

    def free_bytes(self) -> int:
        return 1 << 40


class Found(msgspec.Struct, frozen=True):
    """What recovery made of a folder. `incarnation` 0: the folder is empty to it."""

    incarnation: int = 0
    who: tuple[object, ...] = ()
    term: int = 0
    vote: str | None = None
    base: tuple[int, int] = (1, 0)
    entries: list[Entry] = []
    snapshot: tuple[int, int] = (0, 0)
    """Index and term."""
    anew: bool = False
    """The log begins after the snapshot: what the journal holds does not continue it."""

    def same_promises(self, other: "Found") -> bool:
        """Equal but for how far older entries reach back, and the number of the life."""
        if (self.who, self.term, self.vote) != (other.who, other.term, other.vote):
            return False
        low = max(self.base[0], other.base[0])
        return self.entries[low - self.base[0] :] == other.entries[low - other.base[0] :]


def find(files: Files, settings: PeerSettings) -> Found:
    """Raises one of `REFUSALS`."""
    disk = StillDisk(files)
    identity = read_identity(disk, settings.cluster, settings.me, settings.voters)
    if identity is None:
        return Found()
    folder = read_folder(disk, identity, fresh=False)
    snapshot = (folder.snapshot.index, folder.snapshot.term) if folder.snapshot else (0, 0)
    log = folder.log
    who = (identity.disk, identity.founding, sorted(identity.disks.items()), identity.voter, identity.config_index)
    return Found(
        identity.incarnation,
        who,
        log.tail.term,
        log.tail.vote,
        (log.base_index, log.base_term),
        log.entries,
        snapshot,
        folder.reset,
    )


def kept(found: Found, log: Log, promises: Sequence[Promise], durable: Files) -> int | None:
    """How many of the open promises are there; None: something acknowledged is not, or something else is."""
    if not found.incarnation:
        nothing = not (log.entries or log.term or "identity" in durable)
        return 0 if nothing else None
    if found.snapshot[0] < max((snapshot_index(name) or 0 for name in durable), default=0):
        return None
    return kept_of_log(found, log, promises)


def kept_of_log(found: Found, log: Log, promises: Sequence[Promise]) -> int | None:
    """The same for the journal alone, whichever snapshot stands for the entries before it."""
    told = log.copy()
    for number in range(len(promises) + 1):
        if _equal(found, told):
            return number
        if number < len(promises):
            told.keep(promises[number])
    return None


def _equal(found: Found, told: Log) -> bool:
    if (found.term, found.vote) != (told.term, told.vote):
        return False
    if found.anew:
        return told.term_at(found.snapshot[0]) != found.snapshot[1]
    last = found.entries[-1][1] if found.entries else found.base[0]
    if last != max(told.last_index, found.base[0]) or told.base[0] > found.base[0]:
        return False
    if told.last_index >= found.base[0] and told.term_at(found.base[0]) != found.base[1]:
        return False
    return told.after(found.base[0]) == found.entries


class _Silence:
    """`ports.Network` and `ports.Work` of a peer that is only opened."""

    def send(self, to: str, frame: bytes) -> bool:  # noqa: ARG002 - nobody hears it
        return False

    def start(self, attempt: Attempt) -> None:
        raise AssertionError(f"{attempt.task} was started by a peer that was only opened")

    def cancel(self, task: TaskId, fence: int) -> None:
        """Nothing runs."""

    def lose(self) -> None:
        """Nothing runs."""


def open_peer(files: Files, settings: PeerSettings) -> tuple[Peer, StillDisk, Recovery]:
    """Raises one of `REFUSALS`."""
    disk = StillDisk(files)
    silence = _Silence()
    ports = Ports(
        clock=VirtualClock(Ticking()),
        entropy=SeededEntropy("opening"),
        network=silence,
        disk=disk,
        work=silence,
        history=SimHistory(lambda *_later: None),
    )
    peer = Peer(settings, ports)
    return peer, disk, peer.open()


def open_whole(files: Files, settings: PeerSettings, found: Found, hashes: Mapping[int, bytes]) -> None:
    """Open a peer, look at its state, carry out its first batch, and recover again. `hashes`: the cluster's state
    hashes by index. Raises one of `REFUSALS`, Violation.
    """
    peer, disk, recovery = open_peer(files, settings)
    index = peer.machine.index
    if index and index in hashes and hashes[index] != peer.machine.state_hash:
        raise Violation(CHECK, f"the state restored at index {index} is not the one the cluster had")
    if found.incarnation and recovery.incarnation != found.incarnation + 1:
        raise Violation(CHECK, f"incarnation {recovery.incarnation} follows {found.incarnation}")
    folder = Folder.holding(dict(files))
    ops = disk.submitted
    named = next(place + 1 for place, op in enumerate(ops) if isinstance(op, Rename))
    for part in (ops[:named], ops[named:]):  # killed after its first rename, or not at all
        folder.execute(part)
        again = _again(folder, settings)
        if again.incarnation != recovery.incarnation:
            raise Violation(CHECK, f"incarnation {recovery.incarnation} was written, {again.incarnation} is read")
        if found.incarnation and not found.anew and not again.same_promises(found):
            raise Violation(CHECK, "its first batch changed what was recovered")


def _again(folder: Folder, settings: PeerSettings) -> Found:
    try:
        return find(folder.visible(), settings)
    except REFUSALS as refusal:
        raise Violation(CHECK, f"after its first batch, or the start of it, it is refused: {refusal}") from refusal
