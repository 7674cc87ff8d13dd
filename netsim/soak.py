"""Seeds without end: every profile goes on where it stopped, and what was seen adds up.

Laws:
- Before drawn seeds come the scenario files, each under a new seed: they are the way to what drawn runs hardly reach.
- A seed counts for the commit it was played on; the next one of a profile is the first that no run of it has seen.
- What is kept is replaced whole: a soak that is killed has counted what it had written.
"""

import os
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from quorate.netsim import reading
from quorate.netsim.campaign import Job, Tally, Verdict, empty, interleaved, known_profiles, run

TABLE = Path(".soak/table.json")
MAX_TABLE_BYTES = 64 * 1024 * 1024
SAVE_EVERY = 20
"""Verdicts."""
CRASHES_AT_ONCE = 1_000
SCENARIOS = "scenarios"
"""The row of the table for scenario files."""
FOLDER = Path(__file__).parent / SCENARIOS


class Soaked(msgspec.Struct):
    """`next_seed`: of each profile. `commits`: what each came to, in the order of their first seeds. `crashes`: by
    commit, how many crash states and damaged files there were and what became of them. `next_crashes`: their seed.
    """

    next_seed: dict[str, int] = {}
    commits: dict[str, Tally] = {}
    next_crashes: int = 0
    crashes: dict[str, dict[str, int]] = {}


def load(path: Path) -> Soaked:
    """An empty table if there is none yet; ValueError if it is not one."""
    if not path.exists():
        return Soaked()
    raw = path.read_bytes()
    if len(raw) > MAX_TABLE_BYTES:
        raise ValueError(f"{path}: longer than {MAX_TABLE_BYTES:,} bytes, which no table of a soak is")
    try:
        return msgspec.json.decode(raw, type=Soaked)
    except msgspec.MsgspecError as bad:
        raise ValueError(f"{path}: {bad}; move it away to begin a new table") from bad


def save(path: Path, soaked: Soaked) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(soaked)))
    os.replace(beside, path)


def soak(
    path: Path, commit: str, processes: int, may_go_on: Callable[[], bool], profiles: tuple[str, ...] = ()
) -> Generator[tuple[Verdict, Tally], None, None]:
    """Each verdict, with what this commit came to so far. The table at `path` grows along. Ends when `may_go_on` says
    no, or with the first bad verdict.
    """
    soaked = load(path)
    here = soaked.commits.setdefault(commit, empty())
    files = () if profiles else scenarios(soaked.next_seed.get(SCENARIOS, 0))
    # Who had least goes first: soaks that end in the middle of a round leave nobody behind.
    names = sorted(profiles or known_profiles(), key=lambda name: soaked.next_seed.get(name, 0))
    verdicts = run(chain(files, interleaved(names, dict(soaked.next_seed), None)), processes)
    try:
        for number, verdict in enumerate(verdicts, 1):
            here.add(verdict)
            soaked.next_seed[verdict.profile] = verdict.seed + 1
            if number % SAVE_EVERY == 0:
                save(path, soaked)
            yield verdict, here
            if verdict.bad or not may_go_on():
                return
    finally:
        verdicts.close()
        save(path, soaked)


def scenarios(first: int) -> list[Job]:
    """One for each scenario file, from the `first`th on as they come round again and again."""
    return [job_of(SCENARIOS, number) for number in range(first, first + len(_files()))]


def job_of(profile: str, seed: int) -> Job:
    """What a verdict is on."""
    if profile != SCENARIOS:
        return Job(profile, seed)
    files = _files()
    return Job(profile, seed, replace(reading.read(files[seed % len(files)]), seed=seed))


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def crash(path: Path, commit: str, states: int) -> Iterator[int]:
    """So many crash states, as many flipped bits and a fifth as many truncations, in rounds; gives the states so far.
    Raises Violation. A round that is broken off counts for nothing.
    """
    from quorate.netsim.crashes.campaign import campaign

    soaked = load(path)
    counts = soaked.crashes.setdefault(commit, {})
    done = 0
    while done < states:
        size = min(CRASHES_AT_ONCE, states - done)
        table = msgspec.to_builtins(campaign(size, size, -(-size // 5), soaked.next_crashes))
        for name, count in _flat(table):
            counts[name] = counts.get(name, 0) + count
        soaked.next_crashes += 1
        save(path, soaked)
        done += size
        yield done


def _flat(table: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """`{"flips": {"refused": 3}}` as `flips: refused`, 3."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", count) for inner, count in _flat(value))
        else:
            yield name.replace("_", " "), value
