"""Looking for each mutant with what is said to catch it.

Laws:
- A directed scenario counts only if it passes on the sound code, and so does a seed. One whose moment did not come
  about has caught nothing.
- Whatever a mutant breaks is taken back before the next one is looked for, also when its run raised.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec

from quorate.netsim.directed import SCENARIOS
from quorate.netsim.directed.stage import SETUP, watch_for_rest
from quorate.netsim.mutants.table import MUTANTS, Mutant
from quorate.netsim.patch import Patch
from quorate.netsim.play import play
from quorate.netsim.profiles import PROFILES
from quorate.netsim.swarm import draw
from quorate.netsim.violation import Violation

SEEDS = 20
"""Tried of each profile before the next way to catch a mutant."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant. `caught_by`: a profile, or the name of a directed scenario; "" for a survivor.
    `check`: what noticed. `seed`: of the profile. `seeds`: runs until then.
    """

    mutant: str
    hole: str
    breaks: str
    caught_by: str = ""
    check: str = ""
    text: str = ""
    seed: int | None = None
    seeds: int = 0
    seconds: float = 0.0

    @property
    def survived(self) -> bool:
        return not self.caught_by


def hunt(
    names: Sequence[str] | None = None,
    seeds: int = SEEDS,
    jobs: int = 1,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """One row for each mutant named (None: all), in the order of the table; `progress` gets each as it comes. Random
    search comes first, from seed 0 of each profile that is said to catch the mutant; then the directed scenarios.
    Raises KeyError for an unknown name.
    """
    wanted = list(MUTANTS) if names is None else [MUTANTS[name].name for name in names]
    rows = []
    for row in _rows(wanted, seeds, jobs):
        rows.append(row)
        if progress is not None:
            progress(row)
    return rows


def _rows(wanted: list[str], seeds: int, jobs: int) -> Iterator[Row]:
    if jobs == 1:
        for name in wanted:
            yield search(name, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(search, wanted, [seeds] * len(wanted))


def search(name: str, seeds: int) -> Row:
    """From the first seed on, as if nothing were known of where the mutant shows."""
    mutant = MUTANTS[name]
    ways = [(profile, seed) for profile, _ in mutant.seeds for seed in range(seeds)]
    return _try(mutant, [*ways, *((scenario, None) for scenario in mutant.scenarios)])


def catch(name: str, seeds: int = SEEDS) -> Row:
    """The quick way: directed scenarios and the seeds known to show it first."""
    mutant = MUTANTS[name]
    known: list[tuple[str, int | None]] = [(scenario, None) for scenario in mutant.scenarios]
    known += mutant.seeds
    others = [(profile, seed) for profile, first in mutant.seeds for seed in range(seeds) if seed != first]
    return _try(mutant, [*known, *others])


def _try(mutant: Mutant, ways: Sequence[tuple[str, int | None]]) -> Row:
    began = time.perf_counter()
    for tried, (way, seed) in enumerate(ways, 1):
        broken = run(mutant, way, seed)
        if broken is not None and broken.check != SETUP:
            return Row(
                mutant=mutant.name,
                hole=mutant.hole,
                breaks=mutant.breaks,
                caught_by=way,
                check=broken.check,
                text=broken.text,
                seed=seed,
                seeds=tried,
                seconds=time.perf_counter() - began,
            )
    return Row(
        mutant=mutant.name,
        hole=mutant.hole,
        breaks=mutant.breaks,
        seeds=len(ways),
        seconds=time.perf_counter() - began,
    )


def run(mutant: Mutant | None, way: str, seed: int | None) -> Violation | None:
    """One run with that mutant (None: of the sound code); what was found."""
    with Patch() as patch:
        if mutant is not None:
            mutant.make(patch)
        if seed is not None:
            return play(draw(seed, PROFILES[way]), observers=[watch_for_rest]).violation
        try:
            SCENARIOS[way]()
        except Violation as violation:
            return violation
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is what is looked for
            return Violation("no_exception", f"{type(error).__name__}: {error}")
        return None
