"""Room for connections that have not said who they are.

Law: there is a limit per address and one for all strangers together; beyond it the one that has waited longest makes
room, so a newcomer that speaks at once always gets in. The addresses of configured peers have places of their own,
which no stranger can take.
"""

from collections import OrderedDict
from collections.abc import Callable

PER_ADDRESS = 16
PER_PEER_ADDRESS = 64
STRANGERS = 128


class Places:
    """`kept_for(address)`: is it the address of a configured peer?"""

    def __init__(self, kept_for: Callable[[str], bool]) -> None:
        self._kept_for = kept_for
        self._waiting: OrderedDict[int, tuple[str, Callable[[], None]]] = OrderedDict()
        """Oldest first."""
        self._by_address: dict[str, OrderedDict[int, None]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, address: str, turn_out: Callable[[], None]) -> int:
        """A place for a connection from `address`; others may be turned out for it, later maybe itself."""
        kept = self._kept_for(address)
        mine = self._by_address.get(address)
        if mine is not None and len(mine) >= (PER_PEER_ADDRESS if kept else PER_ADDRESS):
            self._turn_out(next(iter(mine)))
        elif not kept:
            self._make_room()
        place = self._next
        self._next += 1
        self._waiting[place] = (address, turn_out)
        self._by_address.setdefault(address, OrderedDict())[place] = None
        return place

    def leave(self, place: int) -> None:
        """It has shown who it is, or is gone."""
        waiting = self._waiting.pop(place, None)
        if waiting is None:
            return
        same = self._by_address[waiting[0]]
        del same[place]
        if not same:
            del self._by_address[waiting[0]]

    def _make_room(self) -> None:
        strangers = [place for place, (address, _) in self._waiting.items() if not self._kept_for(address)]
        if len(strangers) >= STRANGERS:
            self._turn_out(strangers[0])

    def _turn_out(self, place: int) -> None:
        turn_out = self._waiting[place][1]
        self.leave(place)
        turn_out()
