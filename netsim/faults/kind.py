"""What all kinds of faults share: whom they hit, what they draw."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from quorate.consensus.ports import PeerId
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.scenario import Fault

if TYPE_CHECKING:
    from quorate.netsim.world import World

End = Callable[[], None]


class Kind(ABC):
    """`strike` says how to end it, or None: there was nothing to strike. `tells_itself`: what it does is counted where
    it happens, not when it is prepared.

    Of `amount`: `bounds`, least and most, where it is a number; `words` where it is one of these; `needs_amount`: there
    is none to take where a fault names none.
    """

    tells_itself: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float] | None] = None
    words: ClassVar[frozenset[str]] = frozenset()
    needs_amount: ClassVar[bool] = False

    def __init__(self, fault: Fault, draw: SeededEntropy) -> None:
        self.fault = fault
        self.draw = draw

    @abstractmethod
    def strike(self, world: "World") -> End | None: ...

    def on(self, world: "World") -> list[PeerId]:
        """Whom it hits, roles taken as they are now; all, if it names nobody."""
        return resolve(world, self.fault.on, []) if self.fault.on else list(world.ids)

    def to(self, world: "World") -> list[PeerId]:
        """The other side; everybody else, if it names nobody."""
        here = self.on(world)
        return [peer for peer in resolve(world, self.fault.to or ("others",), here) if peer not in here]

    @classmethod
    def expects(cls, amount: float | str | None) -> str:
        """What `amount` should have been; "": it is right."""
        if isinstance(amount, str):
            is_right = amount in cls.words
        elif amount is None:
            is_right = not cls.needs_amount
        else:
            is_right = cls.bounds is not None and cls.bounds[0] <= amount <= cls.bounds[1]
        if is_right:
            return ""
        if cls.bounds is not None:
            return f"a number from {cls.bounds[0]:g} to {cls.bounds[1]:g}"
        return f"one of {', '.join(sorted(cls.words))}" if cls.words else "none"

    def number(self, default: float) -> float:
        return float(self.fault.amount) if isinstance(self.fault.amount, int | float) else default

    def for_s(self, default: float) -> float:
        return default if self.fault.for_s is None else self.fault.for_s


def resolve(world: "World", names: tuple[str, ...], here: list[PeerId]) -> list[PeerId]:
    """Peers of names and roles, each once, in the order of the world; `others`: all that are not `here`."""
    leader = world.leader()
    leads = leader.id if leader is not None else ""
    followers = [machine.id for machine in world.live() if machine.id != leads]
    found: set[PeerId] = set()
    for name in names:
        if name == "leader":
            found.add(leads)
        elif name == "follower":
            found.update(followers[:1])
        elif name == "all":
            found.update(world.ids)
        elif name == "others":
            found.update(peer for peer in world.ids if peer not in here)
        else:
            found.add(name)
    return [peer for peer in world.ids if peer in found]


def over_at_once() -> None:
    """What struck has nothing that lasts."""
