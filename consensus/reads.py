"""Linearizable reads without a disk write (Raft thesis, section 6.4): all reads waiting at one moment share one
confirmed index.

Law: a read that began before the index was asked for may use it; a read that comes while a question is on its way
waits for the next one.
"""

from collections import deque
from collections.abc import Callable

ReadReply = Callable[[int | None], None]
"""The log index the own replica has reached, at or beyond every write answered before the read began; None: not
within the deadline.
"""

RETRY_S = 0.02
QUESTION_S = 1.0
"""A question unanswered for this long was lost with its connection."""


class Reads:
    def __init__(self, ask: Callable[[Callable[[int | None], None]], None], limit: int) -> None:
        self._ask = ask
        self._limit = limit
        self._waiting: deque[tuple[float, ReadReply]] = deque()
        self._asked: deque[tuple[float, ReadReply]] = deque()
        self._confirmed: deque[tuple[int, float, ReadReply]] = deque()
        self._retry_at = 0.0
        self._question = 0
        self._asked_at = 0.0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._asked) + len(self._confirmed)

    @property
    def busy(self) -> bool:
        """Somebody waits for an answer."""
        return bool(self._waiting or self._asked or self._confirmed)

    def add(self, deadline: float, reply: ReadReply) -> None:
        if len(self) >= self._limit:
            reply(None)
            return
        self._waiting.append((deadline, reply))

    def step(self, now: float, applied: int) -> None:
        self._expire(now)
        while self._confirmed and self._confirmed[0][0] <= applied:
            index, _, reply = self._confirmed.popleft()
            reply(max(index, applied))
        if self._asked and now - self._asked_at > QUESTION_S:
            self._give_up_question(now)
        if self._waiting and not self._asked and now >= self._retry_at:
            self._asked, self._waiting = self._waiting, self._asked
            self._question += 1
            self._asked_at = now
            question = self._question
            self._ask(lambda index: self._answered(question, index, now))

    def _answered(self, question: int, index: int | None, now: float) -> None:
        if question != self._question or not self._asked:
            return
        if index is None:
            self._give_up_question(now)
            return
        self._confirmed.extend((index, deadline, reply) for deadline, reply in self._asked)
        self._asked.clear()

    def _give_up_question(self, now: float) -> None:
        self._question += 1
        self._waiting.extendleft(reversed(self._asked))
        self._asked.clear()
        self._retry_at = now + RETRY_S

    def _expire(self, now: float) -> None:
        if not self.busy:
            return
        for queue in (self._waiting, self._asked):
            late = [item for item in queue if item[0] <= now]
            if late:
                kept = [item for item in queue if item[0] > now]
                queue.clear()
                queue.extend(kept)
                for _, reply in late:
                    reply(None)
        if any(deadline <= now for _, deadline, _ in self._confirmed):
            gone = [reply for _, deadline, reply in self._confirmed if deadline <= now]
            self._confirmed = deque(item for item in self._confirmed if item[1] > now)
            for reply in gone:
                reply(None)

    def wake_at(self) -> float:
        if not (self._waiting or self._asked or self._confirmed):
            return float("inf")
        deadlines = [deadline for deadline, _ in (*self._waiting, *self._asked)]
        deadlines += [deadline for _, deadline, _ in self._confirmed]
        if self._waiting and not self._asked:
            deadlines.append(self._retry_at)
        if self._asked:
            deadlines.append(self._asked_at + QUESTION_S)
        return min(deadlines, default=float("inf"))
