"""The simulator: how much virtual time of three peers fits into a second, every check on, faults and load as drawn."""

import time
from collections.abc import Iterator

from msgspec.structs import replace

from bench.cases import Run
from bench.figure import Figure
from bench.probes import meanwhile
from quorate.netsim.play import play
from quorate.netsim.profiles import PROFILES
from quorate.netsim.swarm import draw
from quorate.netsim.world import World

SECONDS = 60.0
SEEDS = 8


class Span:
    """Real seconds from the world's beginning until faults and load are over: healing and waiting is not counted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.took_s = 0.0

    def watch(self, world: World) -> None:
        began = time.perf_counter()

        def over() -> None:
            self.took_s = time.perf_counter() - began

        world.after(self._seconds, over)


def world(run: Run) -> Iterator[Figure]:
    profile = replace(PROFILES["plain"], seconds=SECONDS)
    took_s, operations, faults, seeds = 0.0, 0, 0, run.of(SEEDS, 2)
    with meanwhile(run.folder) as watching:
        for seed in range(seeds):
            span = Span(SECONDS)
            outcome = play(draw(seed, profile), observers=[span.watch])
            if outcome.violation is not None:
                raise outcome.violation
            took_s += span.took_s
            operations += outcome.report.operations
            faults += sum(outcome.report.faults.values())
    virtual_s = SECONDS * seeds
    machine = watching.machine
    yield Figure(
        "world", "virtual seconds per second, three peers, all checks", virtual_s / took_s, "", machine, 100, "rate"
    )
    yield Figure("world", "  operations answered per virtual second", operations / virtual_s, "/s", machine)
    yield Figure("world", "  faults per virtual minute", 60 * faults / virtual_s, "", machine)
