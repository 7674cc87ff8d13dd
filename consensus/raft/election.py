"""Votes: pre-vote before, and the receiving side of the engine's elections.

Laws:
- Nobody campaigns before a majority said that it would vote for him (Raft thesis, section 9.6), and nobody says so
  who has heard from a leader within the least election timeout.
- A vote leaves when it is durable; one voter is counted once, and only with the disk the configuration names.
- A higher term is always honoured.
"""

from quorate.consensus.frames import PreVote, PreVoteReply, RequestVote, TimeoutNow, Vote
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.core import Core


class Elections:
    def __init__(self, core: Core) -> None:
        self._settings = core.settings
        self._clock = core.clock
        self._engine = core.engine
        self._log = core.log
        self._standing = core.standing
        self._gate = core.gate
        self._wire = core.wire
        self._points = core.points
        self._round: set[PeerId] = set()
        self._round_term = 0
        self._retry_at = float("-inf")
        self._won_term = 0
        self._votes: tuple[int, set[PeerId]] = (0, set())
        self.heard_leader_at = float("-inf")

    # --- campaigning --------------------------------------------------------------------------------------------------

    def may_campaign(self) -> bool:
        """Asked by the engine when its election timer has run out."""
        return self._standing.voter and self._won_term == self._engine.term + 1

    def step(self, now: float) -> None:
        """Begin a round of pre-votes when the election timer has run out and the last round is over."""
        engine = self._engine
        if now <= engine.election_at or now < self._retry_at or engine.leading or not self._standing.voter:
            return
        self._retry_at = now + engine.random_timeout()
        self._round_term = engine.term + 1
        self._round = {self._standing.me}
        for peer in self._wire.others:
            self._wire.send(peer, PreVote(self._round_term, self._log.last_index, self._log.last_term))
        self._count_round()

    def wake_at(self) -> float:
        if self._engine.leading or not self._standing.voter:
            return float("inf")
        election_at = self._engine.election_at
        return election_at if election_at > self._retry_at else self._retry_at

    def _count_round(self) -> None:
        if self._round_term == self._engine.term + 1 and len(self._round) >= self._wire.majority:
            self._won_term = self._round_term

    def heard_from_leader(self) -> None:
        """Any message of the leader of our term: no election is due."""
        self.heard_leader_at = self._clock.monotonic()
        self._engine.postpone_election()
        self._round_term = self._won_term = 0

    # --- messages -----------------------------------------------------------------------------------------------------

    def on_pre_vote(self, frm: PeerId, message: PreVote) -> None:
        engine = self._engine
        lately = self._clock.monotonic() - self.heard_leader_at < self._settings.election_min_s
        granted = (
            self._standing.voter
            and self._standing.counts(frm)
            and not engine.leading
            and not lately
            and message.term > engine.term
            and self._is_up_to_date(message)
        )
        self._wire.send(frm, PreVoteReply(message.term, granted, engine.term))

    def on_pre_vote_reply(self, frm: PeerId, message: PreVoteReply) -> None:
        if self.honour(message.term):
            return
        if message.granted and message.asked == self._round_term and self._standing.counts(frm):
            self._round.add(frm)
            self._count_round()

    def on_request_vote(self, frm: PeerId, message: RequestVote) -> None:
        if not self._standing.counts(frm):
            return
        self.honour(message.term)
        engine = self._engine
        granted = (
            self._standing.voter
            and message.term == engine.term
            and not engine.leading
            and self._log.vote in (None, frm)
            and self._is_up_to_date(message)
        )
        if granted:
            self._points.reach("vote.grant")
            engine.vote_for(frm)
            engine.postpone_election()
            self._gate.send(frm, Vote(message.term, granted=True))
        else:
            self._wire.send(frm, Vote(engine.term, granted=False))

    def on_vote(self, frm: PeerId, message: Vote) -> None:
        engine = self._engine
        if self.honour(message.term) or not message.granted or message.term != engine.term:
            return
        if engine.role != "candidate" or not self._standing.counts(frm):
            return
        if self._votes[0] != engine.term:
            self._votes = (engine.term, set())
        if frm not in self._votes[1]:
            self._votes[1].add(frm)
            self._points.reach("vote.count")
            engine.count_vote()

    def on_timeout_now(self, frm: PeerId, message: TimeoutNow) -> None:
        """The leader hands on: campaign at once; a pre-vote would only meet the stickiness it is there for."""
        engine = self._engine
        if message.term == engine.term and frm == engine.leader and self._standing.voter:
            self._points.reach("handover.take")
            self._won_term = engine.term + 1
            engine.call_election()

    def honour(self, term: int) -> bool:
        """Adopt a higher term. True if it was one."""
        if term <= self._engine.term:
            return False
        self._points.reach("term.adopt")
        self._engine.adopt_term(term)
        return True

    def _is_up_to_date(self, message: PreVote | RequestVote) -> bool:
        """Raft section 5.4.1."""
        return (message.last_term, message.last_index) >= (self._log.last_term, self._log.last_index)
