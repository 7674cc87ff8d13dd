"""A snapshot file on its way to a follower that lags behind the log.

Laws:
- The file goes over byte for byte, a few slices in flight; the follower says which offset it wants next, and that is
  where we go on.
- A file that is being sent is not removed, and the log after it is kept, so that the follower can go on from it.
"""

from collections.abc import Callable

from quorate.consensus.frames import SnapshotChunk, SnapshotReply
from quorate.consensus.points import Points
from quorate.consensus.ports import Disk, PeerId
from quorate.consensus.raft.progress import Progress, Transfer
from quorate.consensus.raft.settings import RaftSettings
from quorate.consensus.raft.wire import Wire
from quorate.consensus.snapshot import snapshot_name

STALLED_S = 30.0
"""A transfer that has not moved for so long is given up."""


class SnapshotSending:
    def __init__(
        self,
        settings: RaftSettings,
        disk: Disk,
        wire: Wire,
        newest: Callable[[], tuple[int, int, int]],
        points: Points,
    ) -> None:
        """`newest`: index, term and size of the newest durable snapshot."""
        self._settings = settings
        self._disk = disk
        self._wire = wire
        self._newest = newest
        self._points = points

    def begin(self, now: float) -> Transfer:
        index, term, size = self._newest()
        return Transfer(snapshot_name(index), index, term, size, now)

    def send(self, peer: PeerId, progress: Progress, now: float, term: int, probe: int, *, beat: bool) -> None:
        transfer = progress.transfer
        assert transfer is not None
        if now - transfer.progressed_at > STALLED_S:
            progress.transfer = None  # begun anew with the newest snapshot, so that this one need not be kept
            return
        if transfer.sent > transfer.acknowledged and now - transfer.moved_at > self._settings.election_min_s:
            transfer.sent = transfer.acknowledged
            transfer.moved_at = now
        window = transfer.acknowledged + self._settings.inflight_chunks * self._settings.chunk_bytes
        sent = False
        while transfer.sent < min(transfer.size, window):
            size = min(self._settings.chunk_bytes, transfer.size - transfer.sent)
            data = self._disk.read_at(transfer.name, transfer.sent, size)
            self._points.reach("send.snapshot_chunk")
            self._wire.send(peer, self._chunk(transfer, data, term, progress.epoch, probe))
            transfer.sent += size
            sent = True
        if not sent and (beat or progress.probe_told < probe):
            self._wire.send(peer, self._chunk(transfer, b"", term, progress.epoch, probe))
        progress.probe_told = probe

    @staticmethod
    def _chunk(transfer: Transfer, data: bytes, term: int, epoch: int, probe: int) -> SnapshotChunk:
        return SnapshotChunk(
            term=term,
            index=transfer.index,
            index_term=transfer.term,
            offset=transfer.sent,
            total=transfer.size,
            data=data,
            epoch=epoch,
            probe=probe,
        )

    @staticmethod
    def answered(progress: Progress, reply: SnapshotReply, now: float) -> None:
        transfer = progress.transfer
        if transfer is None or reply.index != transfer.index or not 0 <= reply.received <= transfer.size:
            return
        if reply.received > transfer.acknowledged:
            transfer.moved_at = transfer.progressed_at = now
        if reply.received > transfer.sent or reply.received < transfer.acknowledged:
            transfer.sent = reply.received
        transfer.acknowledged = reply.received
