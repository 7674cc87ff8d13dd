"""Our own operations on their way into the log: numbered, sent to the leader, sent again, answered.

Laws:
- Every operation is answered exactly once: `Done` or `Refused` when the own replica has applied it, `Unknown` when
its deadline passed and
  some sending may have reached a log, `Refused` when surely none did.
- Sending again is always safe: the state remembers (client, number).
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from quorate.consensus import codec
from quorate.consensus.batch import ENTRY_BYTES
from quorate.consensus.commands import Applied, Command, Outcome, Refused, Unknown
from quorate.consensus.ports import PeerId

Reply = Callable[[Outcome, int], None]
"""Called once with the outcome and the log index it reflects (0: none)."""

RESEND_S = 1.0
"""A sent operation without an answer is sent again after this: a forward lost with its connection leaves no other
trace.
"""
BACKOFF_S = 0.02
"""Pause after a leader said its batch is full."""
RESERVED_EXTRA = 4_096
"""Room for completions, renewals and releases beyond `pending_ops`."""
MAX_OP_BYTES = ENTRY_BYTES
"""A request is bounded where it comes in; the results of ended tasks it depends on join it only here."""
WINDOW = 8_000
"""Numbers in use at once, from the lowest unanswered one: a little less than the state accepts (8,192)."""


class Pending:
    __slots__ = ("data", "deadline", "exposed", "number", "reply", "reserved", "sent_at", "why")

    def __init__(self, number: int, data: bytes, deadline: float, reserved: bool, reply: Reply) -> None:
        self.number = number
        self.data = data
        self.deadline = deadline
        self.reserved = reserved
        self.reply = reply
        self.exposed = 0  # sendings that may have reached a log
        self.sent_at = -1.0  # < 0: waits to be sent
        self.why = "no_quorum"  # the refusal to give if it never left


class Proposer:
    """`me`, `incarnation`: the client in whose name operations are numbered. `limit`: unanswered operations at once."""

    def __init__(self, me: PeerId, incarnation: int, limit: int) -> None:
        self.me = me
        self.incarnation = incarnation
        self._limit = limit
        self._next = 1
        # Invariant: keys rise; the first key is the floor we tell the state.
        self._pending: dict[int, Pending] = {}
        self._unsent: dict[int, Pending] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._beyond: deque[tuple[Command, float, Reply]] = deque()
        """Completions, renewals and releases that wait for the window to move on."""
        self._target: tuple[PeerId, int] | None = None
        self._paused_until = 0.0
        self._oldest_sent = 0.0

    def __len__(self) -> int:
        return len(self._pending)

    def has_room(self) -> bool:
        return len(self._pending) < self._limit and self._window_is_open()

    def _window_is_open(self) -> bool:
        return self._next - next(iter(self._pending), self._next) < WINDOW

    def offer(self, command: Command, deadline: float, reply: Reply) -> None:
        if not self.has_room():
            reply(Refused("overloaded", f"{self._limit} operations of this peer are unanswered already"), 0)
            return
        self._add(command, deadline, False, reply)

    def offer_reserved(self, command: Command, deadline: float, reply: Reply) -> None:
        """For renewals, completions and releases, which have room beyond everybody's limit."""
        if len(self._pending) + len(self._beyond) >= self._limit + RESERVED_EXTRA:
            reply(Refused("overloaded", "too many completions are unanswered"), 0)
        elif self._beyond or not self._window_is_open():
            self._beyond.append((command, deadline, reply))
        else:
            self._add(command, deadline, True, reply)

    def _add(self, command: Command, deadline: float, reserved: bool, reply: Reply) -> None:
        number = self._next
        floor = next(iter(self._pending), number)
        data = codec.encode_op(self.me, self.incarnation, number, floor, command)
        if len(data) > MAX_OP_BYTES:
            detail = f"it takes {len(data):,} bytes with the results it needs, at most {MAX_OP_BYTES:,} go into the log"
            reply(Refused("too_large", detail), 0)
            return
        self._next += 1
        pending = Pending(number, data, deadline, reserved, reply)
        self._pending[number] = pending
        self._unsent[number] = pending
        heapq.heappush(self._deadlines, (deadline, number))

    # --- sending

    def aim(self, leader: PeerId | None, term: int) -> None:
        """Who takes operations now. A new leader or term makes everything unanswered due again, in order."""
        target = None if leader is None else (leader, term)
        if target == self._target:
            return
        self._target = target
        self._paused_until = 0.0
        self.resend_all()

    def resend_all(self) -> None:
        for pending in self._pending.values():
            pending.sent_at = -1.0
        self._unsent = dict(self._pending)

    def due(self, now: float) -> list[Pending]:
        """What is to be sent to the leader now, in order of number."""
        if not (self._pending or self._beyond):
            return []
        while self._beyond and self._window_is_open():
            command, deadline, reply = self._beyond.popleft()
            self._add(command, deadline, True, reply)
        if self._target is None or now < self._paused_until:
            return []
        if self._pending and now - self._oldest_sent > RESEND_S:
            self._resend_late(now)
            self._oldest_sent = now
        return list(self._unsent.values())

    def _resend_late(self, now: float) -> None:
        """Each time after a longer wait: a cluster that is slow must not be slowed down by repetitions."""
        late = {n: p for n, p in self._pending.items() if 0.0 <= p.sent_at < now - RESEND_S * max(1, p.exposed)}
        for pending in late.values():
            pending.sent_at = -1.0
        if late:
            self._unsent = dict(sorted({**self._unsent, **late}.items()))

    def sent(self, pending: Pending, now: float) -> None:
        pending.sent_at = now
        pending.exposed += 1
        self._unsent.pop(pending.number, None)

    def pause(self, now: float) -> None:
        """The leader cannot be told anything at the moment."""
        self._paused_until = now + BACKOFF_S

    def not_taken(self, numbers: Iterable[int], why: str, now: float) -> None:
        """The leader surely did not take these from one sending."""
        for number in numbers:
            pending = self._pending.get(number)
            if pending is None or pending.sent_at < 0:
                continue
            pending.sent_at = -1.0
            pending.exposed = max(0, pending.exposed - 1)
            pending.why = "overloaded" if why == "full" else "no_quorum"
            self._unsent[number] = pending
        self._unsent = dict(sorted(self._unsent.items()))
        self._paused_until = now + BACKOFF_S

    # --- answers

    def applied(self, number: int, outcome: Applied, index: int) -> None:
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        self._unsent.pop(number, None)
        pending.reply(outcome, index)

    def numbers(self) -> Iterator[int]:
        return iter(list(self._pending))

    def expire(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            pending = self._pending.pop(number, None)
            if pending is None:
                continue
            self._unsent.pop(number, None)
            if pending.exposed:
                pending.reply(Unknown("no answer from the cluster within the deadline"), 0)
            else:
                pending.reply(Refused(pending.why, _WORDS[pending.why]), 0)

    def wake_at(self) -> float:
        """When something happens here even if nobody calls: a deadline, the end of a pause, a resend."""
        if not self._pending:
            return float("inf")
        while self._deadlines and self._deadlines[0][1] not in self._pending:
            heapq.heappop(self._deadlines)
        wake = self._deadlines[0][0] if self._deadlines else float("inf")
        if self._target is None:
            return wake
        due = self._paused_until
        if not self._unsent and self._oldest_sent + RESEND_S > due:
            due = self._oldest_sent + RESEND_S
        return due if due < wake else wake


_WORDS = {
    "no_quorum": "this peer reached no leader with a majority within the deadline; nothing was done",
    "overloaded": "the leader's queue was full until the deadline; nothing was done",
}
