"""Read index: from which log index on an answer is linearizable, without a disk write (Raft thesis, section 6.4).

Laws:
- An index is given out when a majority echoed a probe that was sent after the read was asked for, and an entry of the
  leader's own term is committed. Reads that wait at the same moment share one probe.
- Followers ask the leader; a read asked for while a question is out goes into the next one, never into an older answer.
"""

from collections.abc import Callable

from quorate.consensus.frames import AskIndex, ReadIndex
from quorate.consensus.ports import Entropy, PeerId
from quorate.consensus.raft.core import Core
from quorate.consensus.raft.replication import Replication

IndexReply = Callable[[int | None], None]


class _Round:
    """Reads that share one probe (at the leader) or one question (at a follower)."""

    __slots__ = ("deadline", "index", "number", "replies")

    def __init__(self, number: int, index: int, deadline: float, replies: list[IndexReply]) -> None:
        self.number = number
        self.index = index
        self.deadline = deadline
        self.replies = replies


class Reading:
    def __init__(self, core: Core, entropy: Entropy, replication: Replication) -> None:
        self._core = core
        self._settings = core.settings
        self._clock = core.clock
        self._engine = core.engine
        self._replication = replication
        self._wire = core.wire
        self._points = core.points
        self._counters = core.counters
        self._waiting: list[IndexReply] = []
        self._since = 0.0
        self._rounds: list[_Round] = []
        self._question: _Round | None = None
        self._asked: PeerId | None = None
        self._next_question = entropy.getrandbits(48) << 12

    def read_index(self, reply: IndexReply) -> None:
        """`reply(None)`: not confirmed, ask again."""
        self._counters.reads += 1
        if self._engine.leader is None or len(self._waiting) >= self._settings.waiting_reads:
            reply(None)
            return
        if not self._waiting:
            self._since = self._clock.monotonic()
        self._waiting.append(reply)

    @property
    def busy(self) -> bool:
        """Somebody waits for an index."""
        return bool(self._waiting or self._rounds) or self._question is not None

    def step(self, now: float) -> None:
        if self._engine.leading:
            self._drop_question()
            self._lead(now)
        else:
            self._drop_rounds()
            self._ask(now)
        if self._waiting and now > self._since + self._settings.election_max_s:
            self._fail(self._take_waiting())

    # --- at the leader ------------------------------------------------------------------------------------------------

    def _lead(self, now: float) -> None:
        commit_index = self._core.commit_index
        if self._waiting and commit_index >= self._engine.first_of_term:
            self._replication.probe += 1
            deadline = now + self._settings.election_max_s
            self._rounds.append(_Round(self._replication.probe, commit_index, deadline, self._take_waiting()))
        if not self._rounds:
            return
        confirmed = self._replication.echoed_by_majority()
        while self._rounds and self._rounds[0].number <= confirmed:
            self._points.reach("read.confirm")
            done = self._rounds.pop(0)
            for reply in done.replies:
                reply(done.index)
        while self._rounds and self._rounds[0].deadline < now:
            self._fail(self._rounds.pop(0).replies)

    def on_ask(self, frm: PeerId, message: AskIndex) -> None:
        def answer(index: int | None) -> None:
            self._wire.send(frm, ReadIndex(message.request, index or 0))

        if self._engine.leading:
            self.read_index(answer)
        else:
            answer(None)

    def _drop_rounds(self) -> None:
        rounds, self._rounds = self._rounds, []
        for dropped in rounds:
            self._fail(dropped.replies)

    # --- at a follower ------------------------------------------------------------------------------------------------

    def _ask(self, now: float) -> None:
        leader = self._engine.leader
        if leader is None:
            self._drop_question()
            self._fail(self._take_waiting())
            return
        question = self._question
        if question is not None and (self._asked != leader or question.deadline < now):
            self._drop_question()
        if self._question is None and self._waiting:
            self._next_question += 1
            deadline = now + self._settings.election_max_s
            self._question = _Round(self._next_question, 0, deadline, self._take_waiting())
            self._asked = leader
            self._wire.send(leader, AskIndex(self._next_question))

    def on_index(self, frm: PeerId, message: ReadIndex) -> None:
        question = self._question
        if question is None or frm != self._asked or message.request != question.number:
            return
        self._question = None
        for reply in question.replies:
            reply(message.index or None)

    def _drop_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            self._fail(question.replies)

    def disconnected(self, peer: PeerId) -> None:
        """Its answer may be lost with the connection."""
        if peer == self._asked:
            self._drop_question()

    # --- both ---------------------------------------------------------------------------------------------------------

    def _take_waiting(self) -> list[IndexReply]:
        waiting, self._waiting = self._waiting, []
        return waiting

    @staticmethod
    def _fail(replies: list[IndexReply]) -> None:
        for reply in replies:
            reply(None)

    def wake_at(self) -> float:
        if not (self._rounds or self._waiting or self._question):
            return float("inf")
        waits = [rounds.deadline for rounds in self._rounds[:1]]
        if self._question is not None:
            waits.append(self._question.deadline)
        if self._waiting:
            waits.append(self._clock.monotonic() if self._can_go() else self._since + self._settings.election_max_s)
        return min(waits, default=float("inf"))

    def _can_go(self) -> bool:
        """The next step sends what waits on its way."""
        if self._engine.leading:
            return self._core.commit_index >= self._engine.first_of_term
        return self._question is None
