"""Who leads and who lives, as far as events tell, and whom a fault struck.

Law: the roles `leader`, `follower`, `all`, `others` are taken as they were when the fault struck.
"""

from collections.abc import Iterable
from typing import NamedTuple

from quorate.netsim.trace import Event

GONE = ("kill", "power", "wipe", "freeze")
BACK = ("start", "thaw")
LINKS = ("partition", "partial", "one_way", "drop", "half_open", "stall", "slow_link", "leftovers", "narrow")
"""Kinds of fault that lie between peers."""
MOMENTS = (
    "drop",
    "leftovers",
    "torn",
    "everybody_kill",
    "everybody_power",
    "rolling",
    "twice",
    "handover",
    "overload",
    "kill_at",
    "power_at",
    "bit_rot",
    "disk_error",
)
"""Kinds whose end says nothing, or is seen by somebody starting."""


class Sides(NamedTuple):
    """`to`: the other side; of faults that lie between peers only."""

    on: tuple[str, ...]
    to: tuple[str, ...]


class Standing:
    """Given the events of a run in order."""

    def __init__(self, peers: Iterable[str]) -> None:
        self._peers = tuple(peers)
        self._live: set[str] = set()
        self._leads: dict[str, int] = {}
        """Peer -> term, of all that believe they lead."""

    def see(self, event: Event) -> None:
        if event.kind in GONE:
            self._live.discard(event.peer)
        elif event.kind in BACK:
            self._live.add(event.peer)
        if event.kind in (*GONE[:-1], "start"):
            self._leads.pop(event.peer, None)
        elif event.kind == "role":
            self._leads.pop(event.peer, None)
            if event.facts.get("role") == "leader":
                self._leads[event.peer] = int(event.facts.get("term", 0))

    def sides(self, fault: Event) -> Sides:
        on = self._named(str(fault.facts.get("on", "")), ()) or self._peers
        if fault.facts.get("do") not in LINKS:
            return Sides(on, ())
        to = self._named(str(fault.facts.get("to", "others")), on)
        return Sides(on, tuple(peer for peer in to if peer not in on))

    def _named(self, names: str, here: tuple[str, ...]) -> tuple[str, ...]:
        found: set[str] = set()
        for name in names.replace(",", " ").split():
            match name:
                case "leader":
                    found.add(self._leader())
                case "follower":
                    leads = self._leader()
                    found.update([peer for peer in self._peers if peer in self._live and peer != leads][:1])
                case "all":
                    found.update(self._peers)
                case "others":
                    found.update(peer for peer in self._peers if peer not in here)
                case _:
                    found.add(name)
        return tuple(peer for peer in self._peers if peer in found)

    def _leader(self) -> str:
        """Of the highest term, among those that live."""
        leaders = [peer for peer in self._leads if peer in self._live]
        return max(leaders, key=lambda peer: self._leads[peer], default="")


def peers_of(events: Iterable[Event]) -> tuple[str, ...]:
    """All that ever started."""
    return tuple(sorted({event.peer for event in events if event.kind == "start"}))
