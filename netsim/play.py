"""Playing a scenario: start, load and faults, heal, settle, final checks. The one loop of all runs.

Law: safety is checked at every step; at the end every accepted task has ended, every request was answered, all
replicas are equal. What breaks is told as a `Violation`, never raised out of `play`.
"""

import gc
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from quorate.netsim.checkers import HEAL_WITHIN_S, Watch, standard
from quorate.netsim.clients import Clients
from quorate.netsim.profiles import Profile
from quorate.netsim.scenario import Scenario
from quorate.netsim.swarm import draw, expand
from quorate.netsim.trace import Trace
from quorate.netsim.violation import Violation
from quorate.netsim.world import World

STUBS_GONE_S = 17.0
"""By then the state has forgotten what has ended, and only history can answer for it."""
LEADER_WITHIN_S = 10.0
LOOK_S = 0.1
LINES_TOLD = 6

Observer = Callable[[World], None]
"""Given the world before anything starts; it may add watchers."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`faults`: struck, by kind. `points`: fault points reached, by name. `checks`: made, by name."""

    name: str
    seed: int
    digest: str
    virtual_s: float
    operations: int
    """Requests answered."""
    accepted: int
    """Tasks acknowledged."""
    attempts: int
    faults: dict[str, int]
    points: dict[str, int]
    checks: dict[str, int]


class Outcome(msgspec.Struct, frozen=True):
    report: Report
    violation: Violation | None


def run(seed: int, profile: Profile) -> Report:
    """One drawn run. Raises the `Violation` that it ends in."""
    outcome = play(draw(seed, profile))
    if outcome.violation is not None:
        raise outcome.violation
    return outcome.report


def play(scenario: Scenario, *, trace: Trace | None = None, observers: Sequence[Observer] = ()) -> Outcome:
    """Never raises for what peers, checkers or clients find wrong: that is the outcome's `violation`."""
    scenario = expand(scenario)
    world = World(scenario.seed, conditions=scenario.conditions, trace=trace)
    clients = Clients(world)
    watch = Watch(world, standard(world, clients.record))
    world.watchers.append(watch.step)
    violation: Violation | None = None
    with _no_garbage_collection():
        try:
            for observe in observers:
                observe(world)
            _play(world, scenario, clients, watch)
        except Violation as broken:
            violation = broken
        except AssertionError as broken:
            violation = Violation("assertion", _last_lines(broken))
        except Exception as broken:  # noqa: BLE001 - whatever a peer raises is what is looked for
            violation = Violation("no_exception", _last_lines(broken))
    if violation is not None:
        violation.at = world.now
        world.trace.note(world.now, "violation", check=violation.check, text=violation.text)
    return Outcome(_report(world, scenario, clients, watch), violation)


def _play(world: World, scenario: Scenario, clients: Clients, watch: Watch) -> None:
    clients.plan(scenario.operations)
    for fault in scenario.faults:
        world.plan(fault)
    for peer in world.ids:
        world.try_start(peer)
    if not scenario.faults and not world.run_until(lambda: world.leader() is not None, LEADER_WITHIN_S):
        raise Violation("progress", f"no leader within {LEADER_WITHIN_S:g} s of a quiet start")
    world.run(max(0.0, scenario.seconds - world.now))
    world.heal_everything()
    clients.stop()
    within = world.now + HEAL_WITHIN_S
    while what := clients.missing() or watch.missing():
        if world.now > within:
            watch.end()  # the checker that demands it says so
            raise Violation("progress", f"not settled {HEAL_WITHIN_S:g} s after healing: {what}")
        world.run(LOOK_S)
    world.trace.note(world.now, "settled")
    watch.end()
    world.run(STUBS_GONE_S)
    watch.end()


def _report(world: World, scenario: Scenario, clients: Clients, watch: Watch) -> Report:
    return Report(
        name=scenario.name,
        seed=scenario.seed,
        digest=world.digest,
        virtual_s=round(world.now, 3),
        operations=clients.answers,
        accepted=len(clients.acknowledged),
        attempts=len(world.ran),
        faults=dict(sorted(world.struck.items())),
        points=dict(sorted(world.reached.items())),
        checks=watch.made(),
    )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A run makes little that refers to itself, and looking for it takes a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _last_lines(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(lines[-LINES_TOLD:])
