"""The sending side: the leader's log and snapshots to the followers.

Laws:
- Appends leave at once, without waiting for the leader's own flush; what counts for the commit is the lesser of what
  the follower and the leader have flushed.
- At most so many messages and bytes are on their way to one follower; a correction is made once per flight (L1).
- An answer counts only if its term is ours and its flight is the current one; its figures are bound to one life of
  one disk (S14).
"""

from quorate.consensus.frames import Append, AppendReply, SnapshotReply
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.election import Elections
from quorate.consensus.raft.progress import Progress
from quorate.consensus.raft.sending import SnapshotSending


class Replication:
    def __init__(self, core: Core, elections: Elections, snapshots: SnapshotSending) -> None:
        self._settings = core.settings
        self._clock = core.clock
        self._engine = core.engine
        self._log = core.log
        self._standing = core.standing
        self._elections = elections
        self._wire = core.wire
        self._snapshots = snapshots
        self._counters = core.counters
        self._points = core.points
        self.progress = {peer: Progress() for peer in core.wire.others}
        self._beat_at = float("-inf")
        self.probe = 0
        """Number of the newest read index asked for; followers echo it."""

    # --- connections and terms ----------------------------------------------------------------------------------------

    def connected(self, peer: PeerId) -> None:
        progress = self.progress[peer]
        life = self._standing.life_of(peer)
        if progress.life != life:
            progress.life = life
            progress.match = 0
        progress.connected = True
        progress.restart(self._log.last_index)

    def disconnected(self, peer: PeerId) -> None:
        self.progress[peer].connected = False
        self.progress[peer].restart(self._log.last_index)

    def begin_term(self) -> None:
        """We lead: nothing is known of the followers in this term."""
        for progress in self.progress.values():
            progress.match = 0
            progress.voter = False
            progress.probe_echoed = 0
            progress.restart(self._log.last_index)
        self._beat_at = float("-inf")

    # --- sending ------------------------------------------------------------------------------------------------------

    def send(self, now: float, commit_index: int) -> None:
        """Everything that may leave now."""
        if not self._engine.leading:
            return
        beat = now >= self._beat_at
        if beat:
            self._beat_at = now + self._settings.heartbeat_s
        last_index, probe = self._log.last_index, self.probe
        for peer, progress in self.progress.items():
            if not progress.connected:
                continue
            told_all = progress.commit_told >= commit_index and progress.probe_told >= probe
            if beat or not told_all or progress.next <= last_index or progress.transfer is not None:
                self._send_to(peer, progress, now, commit_index, beat=beat)

    def _send_to(self, peer: PeerId, progress: Progress, now: float, commit_index: int, *, beat: bool) -> None:
        log = self._log
        if progress.transfer is None and progress.next <= log.base_index:
            progress.transfer = self._snapshots.begin(now)
        if progress.transfer is not None:
            self._snapshots.send(peer, progress, now, self._engine.term, self.probe, beat=beat)
            return
        told = False
        last_index = log.last_index
        while progress.next <= last_index and self._has_room(progress):
            entries, size = log.batch(progress.next, self._settings.append_bytes)
            self._points.reach("send.append")
            self._append(peer, progress, entries, commit_index)
            progress.sent(entries[-1][1], size)
            told = True
        news = progress.commit_told < commit_index or progress.probe_told < self.probe
        if not told and (beat or news):
            self._append(peer, progress, [], commit_index)

    def _has_room(self, progress: Progress) -> bool:
        if not progress.confirmed:
            return not progress.inflight
        settings = self._settings
        return len(progress.inflight) < settings.inflight_messages and progress.inflight_bytes < settings.inflight_bytes

    def _append(
        self, peer: PeerId, progress: Progress, entries: list[tuple[bytes, int, int]], commit_index: int
    ) -> None:
        previous = progress.next - 1
        message = Append(
            term=self._engine.term,
            prev_index=previous,
            prev_term=self._log.term_at(previous),
            commit=commit_index,
            epoch=progress.epoch,
            probe=self.probe,
            entries=entries,
        )
        progress.commit_told = commit_index
        progress.probe_told = self.probe
        self._wire.send(peer, message)

    def wake_at(self) -> float:
        return self._beat_at if self._engine.leading else float("inf")

    # --- answers ------------------------------------------------------------------------------------------------------

    def on_append_reply(self, frm: PeerId, message: AppendReply) -> bool:
        """True if it counts."""
        if not self._belongs(frm, message.term):
            return False
        progress = self.progress[frm]
        current = message.epoch == progress.epoch
        if not progress.floor <= message.epoch <= progress.epoch or not (message.ok or current):
            self._counters.stale_epochs += 1
            return False
        if not message.ok:
            self._correct(progress, message.match)
            self._heard(frm, progress, voter=message.voter, probe=message.probe)
            return True
        if message.match > self._log.last_index:
            self._counters.malformed += 1
            return False
        progress.confirmed = progress.confirmed or current
        progress.applied = message.applied
        progress.acknowledged(message.match)
        self._heard(frm, progress, voter=message.voter, probe=message.probe)
        return True

    def on_snapshot_reply(self, frm: PeerId, message: SnapshotReply) -> bool:
        if not self._belongs(frm, message.term):
            return False
        progress = self.progress[frm]
        if message.epoch != progress.epoch:
            self._counters.stale_epochs += 1
            return False
        self._heard(frm, progress, voter=message.voter, probe=message.probe)
        if message.received >= 0:
            self._snapshots.answered(progress, message, self._clock.monotonic())
        elif message.index <= self._log.last_index:
            progress.transfer = None
            progress.acknowledged(message.index)
            progress.new_flight(progress.match + 1)
        return True

    def _belongs(self, frm: PeerId, term: int) -> bool:
        if self._elections.honour(term):
            return False
        if term < self._engine.term or not self._engine.leading:
            self._counters.stale_terms += 1
            return False
        return self.progress[frm].life == self._standing.life_of(frm)

    def _heard(self, frm: PeerId, progress: Progress, *, voter: bool, probe: int) -> None:
        progress.voter = voter
        progress.probe_echoed = max(progress.probe_echoed, probe)
        if self.counts(frm):
            self._engine.answered(frm)

    def _correct(self, progress: Progress, go_on_after: int) -> None:
        self._counters.corrections += 1
        progress.new_flight(max(progress.match, min(go_on_after, self._log.last_index), 1) + 1)

    def sending(self) -> list[int]:
        """Indexes of the snapshots on their way to followers."""
        return [progress.transfer.index for progress in self.progress.values() if progress.transfer is not None]

    # --- counting -----------------------------------------------------------------------------------------------------

    def counts(self, peer: PeerId) -> bool:
        """Its acknowledgements are votes for a commit."""
        return self.progress[peer].voter and self._standing.counts(peer)

    def show_matches(self) -> None:
        """To the engine's commit rule: what a counting follower and our own disk both hold."""
        own = self._log.flushed_index
        for peer, progress in self.progress.items():
            match = progress.match if progress.match < own else own
            self._engine.show_match(peer, match if self.counts(peer) else 0)

    def echoed_by_majority(self) -> int:
        """The newest probe that a majority, us included, has echoed."""
        echoes = [progress.probe_echoed if self.counts(peer) else 0 for peer, progress in self.progress.items()]
        return sorted([*echoes, self.probe], reverse=True)[self._wire.majority - 1]

    def majority_heard_at(self, now: float) -> float:
        """When a majority, us included, had last answered."""
        heard = [self._engine.last_answer(peer) if self.counts(peer) else float("-inf") for peer in self._wire.others]
        return sorted([*heard, now], reverse=True)[self._wire.majority - 1]
