"""Mistakes in votes and configurations."""

from typing import Any

from quorate.consensus.frames import Vote
from quorate.consensus.journal import Journal
from quorate.consensus.raft.election import Elections
from quorate.consensus.raft.engine import Engine
from quorate.consensus.raft.log import Log
from quorate.consensus.raft.raft import Raft
from quorate.consensus.raft.standing import Standing
from quorate.netsim.mutants.of_replication import always
from quorate.netsim.patch import Patching


def grant_two_votes_in_a_term(patch: Patching) -> None:
    """A voter forgets whom it promised."""
    on_request_vote = Elections.on_request_vote

    def forgetful(self: Elections, frm: str, message: Any) -> None:
        self._log.vote = None
        on_request_vote(self, frm, message)

    patch.setattr(Elections, "on_request_vote", forgetful)


def vote_before_it_is_flushed(patch: Patching) -> None:
    """The answer leaves while the disk has not yet heard of it (S12)."""
    on_request_vote = Elections.on_request_vote

    def hasty(self: Elections, frm: str, message: Any) -> None:
        gated = self._gate.send
        self._gate.send = self._wire.send  # type: ignore[method-assign]  # for this one call
        on_request_vote(self, frm, message)
        self._gate.send = gated  # type: ignore[method-assign]  # as it was

    patch.setattr(Elections, "on_request_vote", hasty)


def vote_for_whom_lacks_entries(patch: Patching) -> None:
    """Whoever asks is up to date."""
    patch.setattr(Elections, "_is_up_to_date", always(True))


def let_a_wiped_disk_vote(patch: Patching) -> None:
    """A disk id means nothing: the name is enough."""
    patch.setattr(Standing, "voter", property(always(True)))
    patch.setattr(Standing, "counts", always(True))


def count_a_vote_as_often_as_it_comes(patch: Patching) -> None:
    """Votes are counted without the voter (S15)."""

    def on_vote(self: Elections, _frm: str, message: Vote) -> None:
        engine = self._engine
        current = not self.honour(message.term) and message.term == engine.term
        if current and message.granted and engine.role == "candidate":
            engine.count_vote()

    patch.setattr(Elections, "on_vote", on_vote)


def change_two_things_at_once(patch: Patching) -> None:
    """The next configuration does not wait until the last one is committed (S5)."""
    admit = Raft._admit

    def hasty(self: Raft, parts: Any, _commit_index: int) -> None:
        admit(self, parts, self.last_index)

    def caught_up(self: Raft, parts: Any, commit_index: int) -> None:
        progress = [one for one in parts.replication.progress.values() if one.connected and one.match >= commit_index]
        matches = [one.match for one in progress]
        for one in progress:
            one.match = max(one.match, self.last_index)
        hasty(self, parts, commit_index)
        for one, match in zip(progress, matches, strict=True):
            one.match = match

    patch.setattr(Raft, "_admit", caught_up)


def forget_a_configuration_at_a_start(patch: Patching) -> None:
    """Until its entry is committed again, a restarted peer obeys the founding (S7)."""
    begin = Log.__init__

    def forgetful(self: Log, journal: Any, base: Any, entries: Any, config: Any) -> None:
        begin(self, journal, base, entries, config)
        self._configs = [config]

    patch.setattr(Log, "__init__", forgetful)


def write_no_vote(patch: Patching) -> None:
    """The term is written, and not whom the vote went to."""
    promise = Journal.promise
    patch.setattr(Journal, "promise", lambda self, term, _vote: promise(self, term, None))


def lead_without_a_majority(patch: Patching) -> None:
    """A leader takes everybody for present."""
    tick = Engine.tick

    def tick_among_many(self: Engine, now: float) -> None:
        for peer in self._others:
            self.answered(peer)
        tick(self, now)

    patch.setattr(Engine, "tick", tick_among_many)
