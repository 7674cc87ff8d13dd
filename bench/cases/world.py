"""The simulator: how much virtual time of three peers fits into a second, every check on, faults and load as drawn.

Law: what counts is the time under load and faults. Healing and the idle time after it, which go much faster, do not.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from msgspec.structs import replace

from bench.cases import Run
from bench.figure import Figure
from bench.probes import meanwhile
from quorate.netsim.play import play
from quorate.netsim.profiles import PROFILES
from quorate.netsim.swarm import draw
from quorate.netsim.world import World

SECONDS = 60.0
SEEDS = 16


class Seed(NamedTuple):
    """`took_s`: real seconds under load and faults."""

    took_s: float
    operations: int
    tasks: int
    faults: int


def one(seed: int) -> Seed:
    """Raises the violation that the run ends in."""
    began, took_s = 0.0, 0.0

    def watch(world: World) -> None:
        nonlocal began
        began = time.perf_counter()
        world.after(SECONDS, over)

    def over() -> None:
        nonlocal took_s
        took_s = time.perf_counter() - began

    outcome = play(draw(seed, replace(PROFILES["plain"], seconds=SECONDS)), observers=[watch])
    if outcome.violation is not None:
        raise outcome.violation
    report = outcome.report
    return Seed(took_s, report.operations, report.accepted, sum(report.faults.values()))


def world(run: Run) -> Iterator[Figure]:
    """As `quorate netsim run` does it: a seed on each core."""
    cores, seeds = os.cpu_count() or 1, run.of(SEEDS, 4)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool, meanwhile(run.folder) as watching:
        told = list(pool.map(one, range(seeds)))
    virtual_s = SECONDS * seeds
    each = virtual_s / sum(seed.took_s for seed in told)
    machine = watching.machine
    yield Figure(
        "world", f"virtual seconds per second, a seed on each of {cores} cores", each * cores, "", machine, 100, "rate"
    )
    yield Figure("world", "  on one of them", each, "", machine)
    for what, count in (
        ("operations answered", sum(seed.operations for seed in told)),
        ("tasks accepted", sum(seed.tasks for seed in told)),
        ("faults", sum(seed.faults for seed in told)),
    ):
        yield Figure("world", f"  {what} per virtual second", count / virtual_s, "/s", machine)
