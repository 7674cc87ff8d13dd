"""A cluster for tests: real peers and the user's own handlers in a virtual world.

Laws:
- Time passes only in calls that say so (`run`, `run_until`, `submit`, `Handle.result`), and costs no real time but what
  is computed.
- Whatever happens is drawn from the seed: the same test on the same seed is the same run, with the same `digest`.
- Used by one thread, the one that made it. Handlers reach it through `effect`, `outside`, `ledger` and `random`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType, TracebackType
from typing import Any, ParamSpec, TypeVar

from quorate.consensus.commands import SessionInfo
from quorate.consensus.ports import Work
from quorate.netsim.faults.rules import KINDS, Rule
from quorate.netsim.machine import Machine
from quorate.netsim.scenario import MAX_PEERS, Conditions
from quorate.netsim.scenario import Fault as FaultData
from quorate.netsim.trace import Trace
from quorate.netsim.violation import Violation
from quorate.netsim.work import Watching
from quorate.netsim.world import PLACES, Done, World
from quorate.node import builtin
from quorate.node.registry import Registry
from quorate.protocol.told import TaskInfo
from quorate.scheduling.handler import Declared, Handler
from quorate.scheduling.task import TaskId
from quorate.testing.asking import Asking
from quorate.testing.chaos import CHAOS, Chaos
from quorate.testing.fault import Fault
from quorate.testing.handle import WITHIN_S, Handle
from quorate.testing.ledger import Ledger
from quorate.testing.outside import Action, Effect, Outside
from quorate.testing.promises import Promises
from quorate.testing.story import story
from quorate.testing.submitting import Submitter
from quorate.testing.work import HandlerWork

P = ParamSpec("P")
R = TypeVar("R")

COMES_UP_WITHIN_S = 15.0
DOWN = frozenset({"kill", "power"})
RUN_MAX_S = 100_000.0
"""Of one call: longer is a mistake in the unit."""


class Cluster(Submitter):
    """In pytest it is the fixture `cluster`; elsewhere `with Cluster(seed=7, peers=5) as cluster:`.

    Its peers start when they are first needed.
    """

    def __init__(self, seed: int = 0, *, peers: int = 3) -> None:
        if not 1 <= peers <= MAX_PEERS:
            raise ValueError(f"peers: got {peers}, expected 1 to {MAX_PEERS}")
        self.seed = seed
        self.random = random.Random(f"{seed} test")
        """For tests and handlers that want chance."""
        self._trace = Trace(keep=True)
        self._world = World(seed, conditions=Conditions(peers=peers), trace=self._trace)
        self._registry = Registry(_builtin_handlers())
        self._works: list[HandlerWork] = []
        self._world.make_work = self._make_work
        self._describe()
        self._outside = Outside(self._world, self._record)
        self._ledgers: dict[str, Ledger] = {}
        self._asking = Asking(self._world, self._registry)
        self._promises = Promises(self._world)
        self._down: dict[str, list[Rule]] = {}
        """What keeps a peer down."""
        self._chaos: list[Chaos] = []
        self._is_up = False
        super().__init__(self, {}, None)

    # --- handlers

    def register(self, *handlers: Declared | Handler | ModuleType) -> None:
        """What every peer serves, besides `builtin.echo`, `.noop`, `.sleep` and `.fail`: functions under
        `@quorate.task`, or whole modules of them. Raises DuplicateHandler, UnusableModule."""
        for handler in handlers:
            if isinstance(handler, ModuleType):
                self._registry.load(handler.__name__)
            else:
                self._registry.add(handler)
        self._describe()

    def _describe(self) -> None:
        self._world.info = SessionInfo(http="", slots=PLACES, handlers=self._registry.names())
        for machine in self._world.machines.values():
            if machine.peer is not None:
                machine.peer.describe(self._world.info)
                self._world.touch(machine.id)

    # --- tasks (and `submit`, `submit_many`, `options`, `via` of Submitter)

    def submit_tasks(self, tasks: Iterable[Mapping[str, Any]], via: str | None) -> list[Handle[Any]]:
        """As `submit_many`, through one peer, or any (None)."""
        self._outside.check_test("submit")
        self._come_up()
        if via is not None:
            self._check_peers((via,))
        made = self._asking.submit(tasks, via)
        for task in made:
            self._trace.note(self.now, "submit", via or "", task=task.id, key=task.key, handler=task.handler)
        return [Handle(self, task.id, task.key) for task in made]

    def info(self, task: str) -> TaskInfo:
        """As the best informed running peer knows it; no time passes. Raises NotFound."""
        return self._asking.info(TaskId(task))

    def cancel(self, task: str, reason: str = "") -> None:
        """Raises Conflict if it has ended, NotFound, and as `submit`."""
        self._outside.check_test("cancel")
        self._asking.cancel(TaskId(task), reason)

    def wait(self, task: str, timeout: float = WITHIN_S) -> bool:
        """Whether it ended within so many virtual seconds."""
        self._outside.check_test("wait")
        return self._go_on(lambda: self._asking.has_ended(TaskId(task)), timeout)

    # --- time

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self._world.now

    def run(self, seconds: float) -> None:
        """Let so much virtual time pass. Raises HandlerStuck, or Violation should the cluster itself be wrong."""
        self._outside.check_test("run")
        if not 0 <= seconds <= RUN_MAX_S:
            raise ValueError(f"seconds: got {seconds!r}, expected 0 to {RUN_MAX_S:g} virtual seconds")
        self._go_on(_never, seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = WITHIN_S) -> None:
        """Let time pass until `condition()`, which may look at anything and do nothing. Raises TimeoutError when it is
        not so within `timeout` virtual seconds."""
        self._outside.check_test("run_until")
        if not self._go_on(condition, timeout):
            raise TimeoutError(f"it did not come true within {timeout:g} virtual seconds")

    def _go_on(self, condition: Callable[[], bool], seconds: float) -> bool:
        self._come_up()
        came_true = self._world.run_until(condition, seconds)
        self._bury_the_dead()
        return came_true

    def _come_up(self) -> None:
        if self._is_up:
            return
        self._is_up = True
        for peer in self._world.ids:
            self._world.start(peer)
        if not self._world.run_until(self._promises.all_serve, COMES_UP_WITHIN_S):
            raise Violation("comes_up", f"no cluster within {COMES_UP_WITHIN_S:g} s", self.now)

    # --- peers and what goes wrong

    @property
    def peers(self) -> tuple[str, ...]:
        """Their names: a, b, c ..."""
        return self._world.ids

    @property
    def leader(self) -> str:
        """Who leads now. Raises LookupError while nobody does."""
        self._come_up()
        leader = self._world.leader()
        if leader is None:
            raise LookupError("nobody leads at this moment; let some time pass: cluster.run(2)")
        return leader.id

    def partition(self, *peers: str, for_s: float | None = None) -> Fault:
        """Cut these from all others, both ways. The outside (`effect`, `outside`, ledgers) stays within their reach."""
        return self._strike("partition", peers, for_s)

    def freeze(self, *peers: str, for_s: float | None = None) -> Fault:
        """SIGSTOP: a peer and its handlers stand still, and go on where they were."""
        return self._strike("freeze", peers, for_s)

    def kill(self, *peers: str, for_s: float | None = None) -> Fault:
        """kill -9: handlers are unwound where they wait. Back when it ends, or by `restart`."""
        return self._strike("kill", peers, for_s)

    def lose_power(self, *peers: str, for_s: float | None = None) -> Fault:
        """As `kill`, and what was not flushed is on the disk or not, sector by sector."""
        return self._strike("power", peers, for_s)

    def fault(self, kind: str, *peers: str, for_s: float | None = None, amount: float | str | None = None) -> Fault:
        """Any kind the simulator knows: `quorate.netsim.faults.rules.KINDS`. Raises ValueError."""
        return self._strike(kind, peers, for_s, amount)

    def restart(self, *peers: str) -> None:
        """Start what was killed. Raises ValueError for a peer that runs."""
        self._outside.check_test("restart")
        self._come_up()
        self._check_peers(peers)
        for peer in peers:
            if self._world.running(peer) is not None:
                raise ValueError(f"peer {peer!r} runs")
            for rule in self._down.pop(peer, []):
                rule.end()
            if self._world.running(peer) is None:
                self._world.try_start(peer)

    def heal(self) -> None:
        """No fault is left, every peer runs."""
        self._outside.check_test("heal")
        self._come_up()
        for chaos in self._chaos:
            chaos.stop()
        self._chaos.clear()
        self._world.heal_everything()
        self._bury_the_dead()

    def chaos(self, seconds: float, *, kinds: Sequence[str] = CHAOS) -> None:
        """For the next `seconds`, faults of a mix that the seed chooses among `kinds`; each ends by itself. Returns at
        once: what the test does next happens in the midst of it."""
        self._outside.check_test("chaos")
        self._come_up()
        self._check_kinds(kinds)
        self._chaos.append(Chaos(self._world, self._outside, seconds, kinds))

    def _strike(self, kind: str, peers: Sequence[str], for_s: float | None, amount: float | str | None = None) -> Fault:
        self._check_kinds((kind,))
        if expected := KINDS[kind].expects(amount):
            raise ValueError(f"amount of {kind}: got {amount!r}, expected {expected}")
        self._outside.check_test(kind)
        self._come_up()
        self._check_peers(peers)
        # Peers that go down together come back one by one.
        groups = [(peer,) for peer in peers] if kind in DOWN else [tuple(peers)]
        rules: list[Rule] = []
        for group in groups:
            rule = self._world.strike(FaultData(at=self.now, do=kind, on=group, for_s=for_s, amount=amount))
            if rule is None:
                raise ValueError(f"{kind} of {', '.join(group)}: there is nothing to strike; does it run?")
            rules.append(rule)
            if kind in DOWN:
                self._down.setdefault(group[0], []).append(rule)
        self._bury_the_dead()
        return Fault(f"{kind} of {', '.join(peers)}", rules)

    def _check_kinds(self, kinds: Sequence[str]) -> None:
        wrong = [kind for kind in kinds if kind not in KINDS]
        if wrong or not kinds:
            got = ", ".join(map(repr, wrong)) or "none"
            raise ValueError(f"fault: got {got}, expected some of {', '.join(sorted(KINDS))}")

    def _check_peers(self, peers: Sequence[str]) -> None:
        wrong = [peer for peer in peers if peer not in self._world.ids]
        if wrong or not peers:
            got = ", ".join(map(repr, wrong)) or "none"
            raise ValueError(f"peers: got {got}, expected some of {', '.join(self._world.ids)}")

    # --- the outside

    def effect(self, name: str, **facts: Any) -> None:
        """In a handler: something happens outside, once, and takes as long as a call takes."""
        self._outside.call(self._outside.effect, name, facts)

    def effects(self, name: str | None = None, **facts: Any) -> list[Effect]:
        """What happened, in order: of that name, with these facts among its own."""
        return [
            effect
            for effect in self._outside.effects
            if name in (None, effect.name) and facts.items() <= effect.facts.items()
        ]

    def outside(self, do: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """In a handler: call something outside, a fake of yours. The call travels, happens once at one moment (even if
        the caller has died meanwhile), and the answer travels back. Raises what `do` raises."""
        return self._outside.call(do, *args, **kwargs)

    def ledger(self, name: str) -> Ledger:
        """Something outside that keeps entries and can refuse stale fences; the same name is the same ledger."""
        return self._ledgers.setdefault(name, Ledger(name, self._outside))

    def when(self, name: str | None, action: Action) -> None:
        """At the moment the next effect of that name (None: of any) has happened, before its caller hears of it:
        `cluster.when("charge", lambda effect: cluster.kill(effect.peer))`."""
        self._outside.when(name, action)

    @property
    def latency(self) -> tuple[float, float]:
        """Virtual seconds, least and most, of each way of a call outside; drawn evenly between. May be set."""
        return self._outside.latency_s

    @latency.setter
    def latency(self, bounds: tuple[float, float]) -> None:
        low, high = bounds
        if not 0 <= low <= high:
            raise ValueError(f"latency: got {bounds!r}, expected (least, most) in virtual seconds")
        self._outside.latency_s = bounds

    # --- the end, and looking back

    def check(self, within: float = WITHIN_S) -> None:
        """Heal, let everything settle, and hold the cluster to its own promises. Raises Violation."""
        if self._is_up:
            self.heal()
            self._promises.settle(within)
            self._bury_the_dead()
            self._promises.check()

    def close(self) -> None:
        """Unwind what still runs. Raises HandlerStuck."""
        works, self._works = self._works, []
        for work in works:
            work.bury()

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the identity of everything that has happened so far."""
        return self._trace.digest

    def story(self) -> str:
        """What happened so far, in words."""
        return story(self._trace.events)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _make_work(self, machine: Machine, done: Done, watching: Watching) -> Work:
        entropy = self._world.stream(f"work {machine.id} {machine.life}")
        work = HandlerWork(self._world, machine, self._registry, done, watching, entropy)
        self._works.append(work)
        return work

    def _bury_the_dead(self) -> None:
        dead, self._works = (
            [work for work in self._works if work.is_over],
            [work for work in self._works if not work.is_over],
        )
        for work in dead:
            work.bury()

    def _record(self, effect: Effect) -> None:
        what = " ".join(f"{name}={value!r}" for name, value in effect.facts.items())
        self._trace.note(
            effect.at, "effect", effect.peer, name=effect.name, what=what, task=effect.task, fence=effect.fence
        )


def _never() -> bool:
    return False


def _builtin_handlers() -> list[Handler]:
    """Those that touch nothing outside."""
    return [
        Handler("builtin.echo", builtin.echo),
        Handler("builtin.noop", builtin.noop),
        Handler("builtin.sleep", builtin.sleep),
        Handler("builtin.fail", builtin.fail),
    ]
