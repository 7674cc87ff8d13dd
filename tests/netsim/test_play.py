"""A run is its scenario, on every machine; what breaks in it is told, not raised."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
from msgspec.structs import replace

from quorate.netsim.machine import Machine
from quorate.netsim.play import play, run
from quorate.netsim.profiles import PROFILES, shorter
from quorate.netsim.scenario import Fault, Leaf, Operation, Scenario
from quorate.netsim.swarm import draw, expand
from quorate.netsim.trace import Trace
from quorate.netsim.violation import Violation
from quorate.netsim.world import World

SHORT = shorter(PROFILES["anything"], 3.0)
PROGRAM = """
from quorate.netsim.play import run
from quorate.netsim.profiles import PROFILES, shorter
print(run(7, shorter(PROFILES["anything"], 3.0)).digest)
"""
OTHERS = [f"python3.{minor}" for minor in range(11, 16) if minor != sys.version_info.minor]


def digest_in(python: str, hash_seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([python, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True, timeout=100)
    return done.stdout.strip()


def test_a_run_does_not_depend_on_the_order_of_hashes() -> None:
    """The seed of Python's hashes differs from process to process; the run does not."""
    digests = {digest_in(sys.executable, hash_seed) for hash_seed in ("0", "1", "4711")}
    assert digests == {run(7, SHORT).digest}


@pytest.mark.parametrize("python", OTHERS)
def test_a_run_does_not_depend_on_the_version_of_python(python: str) -> None:
    """Where another version is at hand that has what the cluster needs."""
    found = shutil.which(python)
    needed = [found or python, "-c", "import msgspec, pysyncobj, sortedcontainers"]
    if found is None or subprocess.run(needed, capture_output=True, check=False).returncode:
        pytest.skip(f"no {python} with msgspec, pysyncobj and sortedcontainers here")
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([found, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == run(7, SHORT).digest


def test_keeping_events_and_messages_changes_nothing() -> None:
    """What is shown of a run is the run that failed."""
    quiet = play(draw(3, SHORT)).report.digest
    trace = Trace(keep=True, messages=True)
    assert play(draw(3, SHORT), trace=trace).report.digest == quiet
    assert {"start", "role", "commit", "fault", "invoke", "told", "attempt", "message"} <= {
        e.kind for e in trace.events
    }
    assert all(one.at <= other.at for one, other in pairwise(trace.events))


def test_a_load_expands_to_the_same_operations_and_plays_as_they_do() -> None:
    scenario = draw(4, SHORT)
    assert expand(scenario) == expand(scenario)
    assert expand(expand(scenario)) == expand(scenario)
    assert play(scenario).report.digest == play(expand(scenario)).report.digest


def test_seeds_draw_different_mixes_of_faults() -> None:
    """What one seed leaves out gives the rest room to go further."""
    mixes = {frozenset(fault.do for fault in draw(seed, PROFILES["anything"]).faults) for seed in range(20)}
    assert len(mixes) > 15


def test_leaving_a_fault_out_leaves_the_others_what_they_were() -> None:
    """Each draws its small print from a stream of its own: shrinking depends on it."""
    jump = Fault(at=1.0, do="clock_jump", on=("a",))
    other = Fault(at=1.0, do="clock_jump", on=("b",))

    def offset(*faults: Fault) -> int:
        world = World(5)
        for fault in faults:
            world.strike(fault)
        return world.machines["b"].clock.wall_offset_ms

    assert offset(jump, other) == offset(other) != 0


def test_what_a_watcher_finds_is_the_outcome() -> None:
    """With the moment and the check that saw it; the report tells how far the run came."""

    def observe(world: World) -> None:
        def watch(machine: Machine) -> None:
            if world.now > 1.0:
                raise Violation("planted", f"{machine.id} was looked at")

        world.watchers.append(watch)

    outcome = play(draw(1, SHORT), observers=(observe,))
    assert outcome.violation is not None
    assert outcome.violation.check == "planted"
    assert outcome.violation.at > 1.0
    assert outcome.report.virtual_s < 2.0


def test_an_exception_inside_a_peer_is_a_violation_with_the_place_it_came_from() -> None:
    def observe(world: World) -> None:
        def ruin() -> None:
            peer = world.running("a")
            assert peer is not None
            peer.reads = None  # type: ignore[assignment]  # this is what makes it fail

        world.after(1.0, ruin)

    outcome = play(draw(1, SHORT), observers=(observe,))
    assert outcome.violation is not None
    assert outcome.violation.check == "no_exception"
    assert "AttributeError" in outcome.violation.text
    assert "peer.py" in outcome.violation.text


def test_run_raises_what_play_tells() -> None:
    impossible = replace(SHORT, conditions=replace(SHORT.conditions, flush_s=(40.0, 40.0)), faults={"drop": 1.0})
    with pytest.raises(Violation, match="progress"):
        run(1, impossible)


def test_operations_of_every_kind_are_answered() -> None:
    """Nobody is left waiting, whatever was asked."""
    kinds = ("cancel", "retry", "look", "read", "list")
    operations = tuple(Operation(at=3.0 + place / 10, do=do, key="k") for place, do in enumerate(kinds))
    scenario = Scenario(seed=1, seconds=4.0, operations=(Operation(at=1.5, do="submit", via="a", key="k"), *operations))
    outcome = play(scenario)
    assert outcome.violation is None
    assert outcome.report.operations == len(operations) + 1


def test_what_a_process_had_in_its_hands_ends_with_it() -> None:
    """A handler of a killed process has no effect any more, and nothing is found to have succeeded there."""
    scenario = Scenario(
        name="killed at work",
        seed=1,
        seconds=6.0,
        faults=(Fault(at=2.5, do="kill", on=("all",), for_s=1.0),),
        operations=tuple(
            Operation(at=2.0, do="submit", via="any", key=f"k{n}", flow=Leaf(run_s=1.2)) for n in range(12)
        ),
    )
    trace = Trace(keep=True)
    outcome = play(scenario, trace=trace)
    assert outcome.violation is None
    begun = [event for event in trace.events if event.kind == "attempt" and event.at < 2.5]
    over = {event.facts["fence"] for event in trace.events if event.kind == "attempt_over"}
    assert len(begun) == 12
    assert not over & {event.facts["fence"] for event in begun}
