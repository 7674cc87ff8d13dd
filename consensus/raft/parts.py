"""The parts of one Raft and how they are put together, once, after the folder has been read."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from quorate.consensus.frames import AppendReply, RaftMessage
from quorate.consensus.journal import Journal
from quorate.consensus.points import Points
from quorate.consensus.ports import Clock, Disk, Entropy, PeerId
from quorate.consensus.raft.compaction import Compaction, Walk
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.counters import Counters
from quorate.consensus.raft.divergence import Hashes
from quorate.consensus.raft.election import Elections
from quorate.consensus.raft.engine import Engine, Host
from quorate.consensus.raft.following import Following
from quorate.consensus.raft.founding import Founding
from quorate.consensus.raft.gate import Gate
from quorate.consensus.raft.handover import Handover
from quorate.consensus.raft.identity import Identity, read_identity, write_identity
from quorate.consensus.raft.installing import Installer, Installing
from quorate.consensus.raft.log import Log
from quorate.consensus.raft.reading import Reading
from quorate.consensus.raft.recovery import Folder, Recovery, read_folder, snapshot_chunks
from quorate.consensus.raft.replication import Replication
from quorate.consensus.raft.sending import SnapshotSending
from quorate.consensus.raft.settings import RaftSettings
from quorate.consensus.raft.standing import Standing
from quorate.consensus.raft.wire import Wire


class Given(Protocol):
    """What a Raft was constructed with."""

    me: PeerId
    voters: tuple[PeerId, ...]
    cluster: str
    settings: RaftSettings
    clock: Clock
    entropy: Entropy
    disk: Disk
    send: Callable[[PeerId, RaftMessage], object]
    begin_walk: Callable[[], Walk]
    installer: Installer
    state_hash: Callable[[], tuple[int, bytes]]
    on_hashes: Callable[[int, Mapping[PeerId, bytes]], None]
    found: bool
    points: Points


class Parts(msgspec.Struct, frozen=True):
    core: Core
    founding: Founding
    elections: Elections
    following: Following
    replication: Replication
    reading: Reading
    compaction: Compaction
    installing: Installing
    handover: Handover
    hashes: Hashes

    def on_append_reply(self, frm: PeerId, message: AppendReply) -> None:
        if self.replication.on_append_reply(frm, message):
            self.hashes.reported(frm, message.hash_index, message.state_hash)


def assemble(given: Given, host: Host) -> tuple[Parts, Recovery]:
    """Read the folder and build everything on it. Raises what reading raises."""
    found = read_identity(given.disk, given.cluster, given.me, given.voters)
    identity = _next_life(found, given)
    folder = read_folder(given.disk, identity, fresh=found is None)
    given.points.reach("recover.replay")
    journal = Journal(given.cluster, identity.disk, given.settings.segment_bytes, folder.log.tail, given.points)
    if folder.reset and folder.snapshot is not None:
        journal.reset(folder.snapshot.index, folder.snapshot.term)
    log = Log(journal, (folder.log.base_index, folder.log.base_term), folder.log.entries, folder.config)
    covered = folder.snapshot.index if folder.snapshot else log.base_index
    log.covered_to(covered)
    parts = _connect(given, host, log, journal, identity)
    parts.core.gate.write(folder.litter)
    parts.core.engine.jump_to(covered)
    backlog = sum(len(command) for command, index, _ in folder.log.entries if index > covered)
    parts.compaction.opened(folder.snapshot, folder.snapshot_bytes, backlog)
    return parts, _recovery(given, folder, identity, log)


def _next_life(found: Identity | None, given: Given) -> Identity:
    if found is not None:
        return msgspec.structs.replace(found, incarnation=found.incarnation + 1)
    return Identity(
        cluster=given.cluster,
        peer=given.me,
        disk=f"{given.entropy.getrandbits(128):032x}",
        incarnation=_first_incarnation(given),
        founding="",
        voters=(),
        disks={},
        voter=False,
        config_index=0,
        flushed=0,
    )


def _first_incarnation(given: Given) -> int:
    """Not 1: a wiped disk forgets how often its peer has lived, and the state still remembers what earlier lives were
    answered under their numbers. Milliseconds and chance make the first life of a folder new, and later than all
    before, also when a folder is replaced within a second. In bounds until the year 2109."""
    return given.clock.wall_ms() << 6 | given.entropy.getrandbits(6)


def _connect(given: Given, host: Host, log: Log, journal: Journal, identity: Identity) -> Parts:
    wire = Wire(given.me, given.voters, given.send)
    # A journal whose folder cannot say whose it is would be refused: who we are comes first.
    first = write_identity(identity)

    def save(changed: Identity) -> None:
        given.points.reach("identity.save")
        gate.write(write_identity(changed))

    standing = Standing(identity, log, save)
    gate = Gate(given.disk, journal, log, wire.send, given.points, first, standing.remember_flush)
    core = Core(
        cluster=given.cluster,
        settings=given.settings,
        clock=given.clock,
        disk=given.disk,
        log=log,
        engine=Engine(given.me, given.voters, given.settings, given.clock, given.entropy, log, host),
        gate=gate,
        wire=wire,
        standing=standing,
        counters=Counters(),
        points=given.points,
    )
    elections = Elections(core)
    following = Following(core, elections, given.state_hash)
    sending = SnapshotSending(given.settings, given.disk, wire, lambda: compaction.newest, given.points)
    replication = Replication(core, elections, sending)
    compaction = Compaction(core, journal, given.begin_walk, replication.sending)
    installer = Installer(given.installer.begin, given.installer.feed, _then(compaction.abandon, given.installer))
    return Parts(
        core=core,
        founding=Founding(core, found=given.found),
        elections=elections,
        following=following,
        replication=replication,
        reading=Reading(core, given.entropy, replication),
        compaction=compaction,
        installing=Installing(core, following, installer, compaction.durable),
        handover=Handover(core, replication),
        hashes=Hashes(given.me, wire.majority, given.state_hash, given.on_hashes),
    )


def _then(first: Callable[[], None], installer: Installer) -> Callable[[int, int], None]:
    def finish(index: int, term: int) -> None:
        first()
        installer.finish(index, term)

    return finish


def _recovery(given: Given, folder: Folder, identity: Identity, log: Log) -> Recovery:
    restarted = "restarted" if identity.voter else "learner"
    return Recovery(
        kind=restarted if identity.founding else "fresh",
        snapshot_index=folder.snapshot.index if folder.snapshot else 0,
        snapshot_chunks=snapshot_chunks(given.disk, folder),
        last_index=log.last_index,
        incarnation=identity.incarnation,
        dropped_tail_bytes=folder.log.dropped_bytes,
        noticed=folder.noticed,
    )
