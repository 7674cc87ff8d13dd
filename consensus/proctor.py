"""Keeps this peer's session alive and knows, by its own clock alone, until when it may be trusted.

Laws:
- The session is trusted from the moment an opening or renewal was *sent*, for its TTL less the clock-rate bound: the
cluster counts the TTL
  from when it stamped the entry, which is later; so trust ends here before the cluster may give away what the session
  holds.
- No two wall clocks are compared.
"""

from collections.abc import Callable

from quorate.consensus.commands import CloseSession, Command, Done, OpenSession, Outcome, RenewSession, SessionInfo
from quorate.consensus.proposer import Reply
from quorate.consensus.settings import PeerSettings

RETRY_S = 0.1
"""Pause after a refused or unanswered opening."""

Offer = Callable[[Command, float, Reply], None]


class Proctor:
    def __init__(self, settings: PeerSettings, incarnation: int, offer: Offer, lost: Callable[[], None]) -> None:
        self._settings = settings
        self._incarnation = incarnation
        self._offer = offer
        self._lost = lost
        self._open = False
        self._busy = False
        self._closing = False
        self._trusted_until = float("-inf")
        self._was_trusted = False
        self._next_at = float("-inf")
        self._info: SessionInfo | None = None
        self._slots = 0

    def trusted(self, now: float) -> bool:
        return now < self._trusted_until

    def describe(self, info: SessionInfo) -> None:
        """What the session says of this peer; a change is told at once."""
        if info == self._info:
            return
        self._info = info
        self._slots = info.slots
        self._open = False
        self._next_at = float("-inf")

    @property
    def slots(self) -> int:
        return self._slots

    def resize(self, slots: int, now: float) -> None:
        """How many attempts this peer can hold. Growth is told at once, shrinking with the next renewal."""
        if slots > self._slots:
            self._next_at = min(self._next_at, now)
        self._slots = slots

    def step(self, now: float) -> None:
        if self._was_trusted and now >= self._trusted_until:
            self._was_trusted = False
            self._lost()
        if now < self._next_at or self._busy or self._closing or self._info is None:
            return
        self._busy = True
        self._next_at = now + self._settings.session_renew_s
        told = self._info
        self._offer(
            self._command(), now + self._settings.session_ttl_s, lambda outcome, _: self._answered(outcome, now, told)
        )

    def _command(self) -> Command:
        assert self._info is not None
        me, ttl_ms = self._settings.me, int(self._settings.session_ttl_s * 1000)
        if self._open:
            return RenewSession(me, self._incarnation, self._slots)
        return OpenSession(me, self._incarnation, ttl_ms, self._info)

    def _answered(self, outcome: Outcome, sent_at: float, told: SessionInfo | None) -> None:
        self._busy = False
        if isinstance(outcome, Done):
            self._open = told is self._info  # otherwise it was described anew meanwhile
            lasts = self._settings.session_ttl_s * (1.0 - self._settings.clock_rate_bound)
            self._trusted_until = max(self._trusted_until, sent_at + lasts)
            self._was_trusted = True
            return
        self._open = False
        self._next_at = sent_at + RETRY_S

    def close(self, deadline: float, reply: Reply) -> None:
        """Leave in peace: what is still held is put back at once, without counting as a death."""
        self._closing = True
        self._offer(CloseSession(self._settings.me, self._incarnation), deadline, reply)

    def wake_at(self) -> float:
        if self._info is None or self._closing:
            return float("inf")
        wake = float("inf") if self._busy else self._next_at
        return self._trusted_until if self._was_trusted and self._trusted_until < wake else wake
