"""What a leader stamps on its entries: the two times of the cluster.

Laws:
- `elapsed` goes on from the last entry in the leader's log, by the leader's own monotonic clock: never faster than
  real time, whoever leads.
- `stamp` is a hybrid logical clock: never behind any stamp applied, close to the wall clock otherwise.
- A leader whose wall clock is further than `max_skew_ms` from the voters' median does not stamp but hands leadership
  on.
"""

from quorate.consensus.ports import Clock, PeerId
from quorate.scheduling import hlc

SKEW_FORGOTTEN_S = 10.0


class LeaderClock:
    """Built when leadership is confirmed (an entry of the current term is applied), with the times of the state at
    that moment.
    """

    def __init__(self, clock: Clock, elapsed: int, stamp: int) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._since = clock.monotonic()
        self._stamp = stamp

    def elapsed(self) -> int:
        return self._elapsed + int((self._clock.monotonic() - self._since) * 1000)

    def stamp(self) -> int:
        self._stamp = hlc.next_stamp(self._stamp, self._clock.wall_ms())
        return self._stamp


class Skew:
    """The other voters' wall clocks as the leader hears them, each as an offset to its own (transit time included,
    hence a bound in seconds, not milliseconds)."""

    def __init__(self) -> None:
        self._offsets: dict[PeerId, tuple[float, int]] = {}
        self._median_ms = 0
        self._reckon_at = float("-inf")
        """Until then the median is what it was: nothing new was heard, and nothing heard is forgotten."""

    def heard(self, peer: PeerId, wall_ms: int, own_wall_ms: int, now: float) -> None:
        self._offsets[peer] = (now, wall_ms - own_wall_ms)
        self._reckon_at = float("-inf")

    def fresh(self, now: float) -> list[int]:
        """Of the voters heard not long ago."""
        return [offset for at, offset in self._offsets.values() if now - at < SKEW_FORGOTTEN_S]

    def is_known(self, now: float, voters: int) -> bool:
        """A majority was heard, us included."""
        return 1 + len(self.fresh(now)) > voters // 2

    def own_from_median_ms(self, now: float, voters: int) -> int:
        """How far this peer's wall clock is ahead of the voters' median; 0 when less than a majority was heard. Of an
        even number the lower median counts: a stamp that ran ahead can never be taken back.
        """
        if now >= self._reckon_at:
            heard = [at for at, _ in self._offsets.values() if now - at < SKEW_FORGOTTEN_S]
            self._reckon_at = min(heard, default=float("inf")) + SKEW_FORGOTTEN_S
            self._median_ms = self._reckon(now, voters)
        return self._median_ms

    def _reckon(self, now: float, voters: int) -> int:
        offsets = sorted([0, *self.fresh(now)])
        if len(offsets) <= voters // 2:
            return 0
        return -offsets[(len(offsets) - 1) // 2]
