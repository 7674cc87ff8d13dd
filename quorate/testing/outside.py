"""What handlers do to the world outside the cluster, as a test sees it.

Laws:
- A call travels there, happens once, at one moment, and its answer travels back. Whoever sent it may die or be frozen
  meanwhile: what is on its way still happens.
- Whatever happened is an `Effect`, in order, with the attempt that asked for it.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple, ParamSpec, TypeVar

from quorate.netsim.world import World
from quorate.node.context import NoContext, current
from quorate.testing.attempt import VirtualContext
from quorate.testing.strand import WrongThread

P = ParamSpec("P")
R = TypeVar("R")

LATENCY_S = (0.001, 0.05)
"""Of each way."""
EFFECTS_MAX = 100_000


class Effect(NamedTuple):
    """at: virtual seconds. facts: as given. task, attempt, fence, peer: who did it; "" and 0 for the test itself."""

    at: float
    name: str
    facts: Mapping[str, Any]
    task: str
    attempt: int
    fence: int
    peer: str

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        by = f" by attempt {self.attempt} on {self.peer}" if self.task else ""
        return f"<{self.at:.3f} {self.name}({facts}){by}>"


Action = Callable[[Effect], object]


class TooManyEffects(RuntimeError):
    """A handler that repeats itself without end."""


class Outside:
    """record: told of each effect, at its moment."""

    def __init__(self, world: World, record: Callable[[Effect], None]) -> None:
        self.effects: list[Effect] = []
        self.latency_s = LATENCY_S
        self._world = world
        self._record = record
        self._entropy = world.stream("outside")
        self._thread = threading.get_ident()
        self._acting: VirtualContext | None = None
        """For whom something happens at this moment."""
        self._actions: dict[str | None, list[Action]] = {}

    def call(self, do: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """`do(...)` at the moment the call arrives; raises what it raises. From the test itself: here and now. Raises
        WrongThread."""
        context = self._caller()
        if context is None:
            return do(*args, **kwargs)
        answer: Future[R] = Future()

        def arrive() -> None:
            with self._acting_for(context):
                try:
                    answer.set_result(do(*args, **kwargs))
                # Whatever it raises is the caller's.
                except Exception as error:  # noqa: BLE001
                    answer.set_exception(error)
            self._world.after(self._way_s(), context.wake)

        context.check_may_act()
        self._world.after(self._way_s(), arrive)
        context.bell.wait_until(answer.done, None)
        return answer.result()

    def effect(self, name: str, facts: Mapping[str, Any]) -> None:
        """Happens now, for whoever acts. Raises TooManyEffects."""
        if len(self.effects) >= EFFECTS_MAX:
            raise TooManyEffects(f"{EFFECTS_MAX:,} effects were recorded, the last is {name!r}: does a handler repeat?")
        by = self._acting
        who = ("", 0, 0, "") if by is None else (by.task, by.attempt, by.fence, by.peer)
        effect = Effect(self._world.now, name, dict(facts), *who)
        self.effects.append(effect)
        self._record(effect)
        for action in (*self._actions.pop(name, ()), *self._actions.pop(None, ())):
            action(effect)

    def when(self, name: str | None, action: Action) -> None:
        """At the next effect of that name (None: of any), in the moment it has happened, once."""
        self._actions.setdefault(name, []).append(action)

    def check_test(self, what: str) -> None:
        """Raises WrongThread unless the test itself calls, or something outside acts."""
        if self._acting is None and self._caller() is not None:
            raise WrongThread(
                f"{what} was called inside a handler, where time cannot pass twice; it can be reached by"
                " cluster.outside(...), which does it from outside"
            )

    def _caller(self) -> VirtualContext | None:
        """Whose code calls: a handler, or (None) the test, or what acts outside."""
        if threading.get_ident() == self._thread:
            return None
        try:
            context = current()
        except NoContext:
            context = None
        if not isinstance(context, VirtualContext):
            raise WrongThread(
                "a simulated cluster is used by the test and by its handlers; this thread is neither (one that a"
                " handler started runs beside virtual time: start none, or fake what needs it)"
            )
        return context

    @contextmanager
    def _acting_for(self, context: VirtualContext) -> Iterator[None]:
        self._acting = context
        try:
            yield
        finally:
            self._acting = None

    def _way_s(self) -> float:
        low, high = self.latency_s
        return low + (high - low) * self._entropy.random()
