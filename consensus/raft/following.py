"""The receiving side of replication.

Laws:
- What matches is never cut (S2): only a real conflict, and never at or below the commit index.
- The commit index moves only over entries verified against this leader's log (S1).
- An acknowledgement says what is verified *and* flushed, in a term that is flushed; it is one value, not one message
  per append.
"""

from collections.abc import Callable

from quorate.consensus.frames import Append, AppendReply
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.election import Elections

SIGN_AFTER_BEATS = 2
"""Silent for so many heartbeats, a follower answers the next one though its disk has not finished."""


class Following:
    def __init__(self, core: Core, elections: Elections, state_hash: Callable[[], tuple[int, bytes]]) -> None:
        self._quiet_s = core.settings.heartbeat_s / 2
        self._sign_s = core.settings.heartbeat_s * SIGN_AFTER_BEATS
        self._clock = core.clock
        self._engine = core.engine
        self._log = core.log
        self._standing = core.standing
        self._elections = elections
        self._gate = core.gate
        self._wire = core.wire
        self._counters = core.counters
        self._points = core.points
        self._state_hash = state_hash
        self._term = 0
        self._verified = 0
        self._epoch = 0
        self._probe = 0
        self._told_probe = 0
        self._told_epoch = -1
        self._told_at = float("-inf")
        self._owed = False
        self._sign_due = False
        """The leader has waited long enough for any word of ours."""

    def accepts(self, frm: PeerId, term: int) -> bool:
        """Take `frm` for the leader of `term`, if it can be. Resets what was verified when the term is new."""
        engine = self._engine
        if term < engine.term:
            self._counters.stale_terms += 1
            self._wire.send(frm, self._reply(ok=False, match=0, epoch=0, probe=0))
            return False
        if term > engine.term:
            self._points.reach("term.adopt")
            engine.adopt_term(term)
        if engine.leading or engine.leader not in (None, frm):
            self._counters.two_leaders += 1  # election safety forbids it; believing neither is the safe answer
            return False
        engine.follow(frm)
        self._elections.heard_from_leader()
        if self._term != term:
            self._term, self._verified, self._epoch = term, 0, 0
            self._probe = self._told_probe = 0
            self._told_epoch = -1
        return True

    def on_append(self, frm: PeerId, message: Append) -> None:
        if not self.accepts(frm, message.term):
            return
        if not _is_consecutive(message):
            self._counters.malformed += 1
            return
        self._epoch = message.epoch
        fresh_probe = message.probe > self._probe
        if fresh_probe:
            self._probe = message.probe
        last, log = self._log.last_index, self._log
        if message.prev_index > last:
            self._reject(frm, last)
            return
        if message.prev_index >= log.base_index and log.term_at(message.prev_index) != message.prev_term:
            self._reject(frm, max(min(message.prev_index - 1, self._engine.commit_index), log.base_index))
            return
        if not self._take(message):
            return
        self._verified = max(self._verified, message.prev_index + len(message.entries))
        if message.commit > self._engine.commit_index:
            self._engine.commit_to(min(message.commit, self._verified))
        silent_s = self._clock.monotonic() - self._told_at
        due = silent_s >= self._quiet_s
        self._sign_due = self._sign_due or silent_s >= self._sign_s
        if message.entries or fresh_probe or due or message.epoch != self._told_epoch:
            self._owed = True

    def _take(self, message: Append) -> bool:
        """Append what is new. False: the leader contradicts what is committed here."""
        if not message.entries:
            return True
        log = self._log
        first = max(message.prev_index, log.base_index) + 1
        entries = message.entries[first - message.prev_index - 1 :]
        known = 0
        while known < len(entries) and log.has(first + known) and log.term_at(first + known) == entries[known][2]:
            known += 1
        new = entries[known:]
        if not new:
            return True
        if log.has(first + known):
            if first + known <= self._engine.commit_index:
                self._counters.contradictions += 1
                return False
            self._counters.cuts += 1
            log.cut_from(first + known)
        for command, index, term in new:
            log.add(command, index, term)
        return True

    def installed(self, frm: PeerId, index: int, term: int) -> None:
        """A snapshot of this leader's log up to `index` is in place."""
        if self._term == term and self._engine.leader == frm:
            self._verified = max(self._verified, index)

    def _reject(self, frm: PeerId, go_on_after: int) -> None:
        """One jump: to our end, or to what is surely common."""
        self._counters.rejects += 1
        self._owed = False
        self._points.reach("send.reject")
        reply = self._reply(ok=False, match=go_on_after, epoch=self._epoch, probe=self._probe)
        self._gate.send(frm, reply)

    def settle(self) -> None:
        """Acknowledge, if it is owed and durable. With news still on their way to the disk, only echo a fresh probe, or
        answer a heartbeat with what is durable so far: a slow disk is no reason to take this peer for gone.
        """
        if not self._owed:
            return
        engine = self._engine
        leader = engine.leader
        if leader is None or engine.leading or self._term != engine.term:
            self._owed = False
            return
        if self._log.flushed_term != engine.term:
            return
        verified, flushed = self._verified, self._log.flushed_index
        match = verified if verified < flushed else flushed
        complete = match == verified
        if not complete and self._probe == self._told_probe and not self._sign_due:
            return
        self._owed, self._sign_due = not complete, False
        self._told_probe, self._told_epoch = self._probe, self._epoch
        self._told_at = self._clock.monotonic()
        self._points.reach("send.ack")
        self._wire.send(leader, self._reply(ok=True, match=match, epoch=self._epoch, probe=self._probe))

    def _reply(self, *, ok: bool, match: int, epoch: int, probe: int) -> AppendReply:
        index, state_hash = self._state_hash()
        return AppendReply(
            term=self._engine.term,
            ok=ok,
            match=match,
            voter=self._standing.voter,
            epoch=epoch,
            probe=probe,
            applied=self._engine.applied_index,
            hash_index=index,
            state_hash=state_hash,
        )


def _is_consecutive(message: Append) -> bool:
    entries = message.entries
    if not entries:
        return True
    first, last = message.prev_index + 1, message.prev_index + len(entries)
    return entries[0][1] == first and entries[-1][1] == last and entries[-1][2] <= message.term
