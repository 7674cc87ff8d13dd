"""Many runs on several processes, and what came of them by profile, fault, point and check.

Laws:
- Verdicts come in the order in which the runs were asked for, whatever the number of processes.
- A run that ends in an error of the simulator itself is a failure too: nothing that went wrong counts as passed.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import msgspec

from quorate.netsim.faults.rules import KINDS
from quorate.netsim.play import Outcome, play
from quorate.netsim.points import ALL_POINTS
from quorate.netsim.profiles import PROFILES
from quorate.netsim.scenario import Scenario
from quorate.netsim.swarm import draw

OK = "ok"
ERROR = "error"
"""Check of a run that ended in an exception nobody foresaw."""
AHEAD = 2
"""Runs handed to each process before their verdicts are taken."""


class Job(msgspec.Struct, frozen=True):
    """A seed of a profile, or (with `scenario`) a scenario; `profile` is then what its row of the table is called."""

    profile: str
    seed: int
    scenario: Scenario | None = None

    def drawn(self) -> Scenario:
        return draw(self.seed, PROFILES[self.profile]) if self.scenario is None else self.scenario


class Verdict(msgspec.Struct, frozen=True):
    """`check`: `ok`, the check that failed, or `error`. `at`: when, in virtual seconds. `text`: what was broken."""

    profile: str
    seed: int
    check: str
    expect: str = OK
    text: str = ""
    at: float = 0.0
    digest: str = ""
    virtual_s: float = 0.0
    real_s: float = 0.0
    faults: dict[str, int] = {}
    points: dict[str, int] = {}
    checks: dict[str, int] = {}

    @property
    def bad(self) -> bool:
        return self.check != self.expect


def judge(job: Job) -> Verdict:
    """Plays it; never raises for what goes wrong in the run."""
    began = time.perf_counter()
    scenario = job.drawn()
    try:
        outcome = play(scenario)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told as the verdict on this run
        text = f"{type(error).__name__}: {error}"
        return Verdict(job.profile, job.seed, ERROR, scenario.expect, text, real_s=time.perf_counter() - began)
    return _verdict(job, scenario, outcome, time.perf_counter() - began)


def headline(text: str) -> str:
    """Of a text that ends with what happened, as that of an exception does."""
    return text.strip().rpartition("\n")[2]


def _verdict(job: Job, scenario: Scenario, outcome: Outcome, real_s: float) -> Verdict:
    broken, report = outcome.violation, outcome.report
    return Verdict(
        profile=job.profile,
        seed=job.seed,
        check=OK if broken is None else broken.check,
        expect=scenario.expect,
        text="" if broken is None else broken.text,
        at=0.0 if broken is None else broken.at,
        digest=report.digest,
        virtual_s=report.virtual_s,
        real_s=real_s,
        faults=report.faults,
        points=report.points,
        checks=report.checks,
    )


def run(
    jobs: Iterable[Job], processes: int, judging: Callable[[Job], Verdict] = judge
) -> Generator[Verdict, None, None]:
    """In order. Whoever stops listening stops the campaign; what runs then ends first."""
    if processes == 1:
        yield from map(judging, jobs)
        return
    coming = iter(jobs)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_leave_interrupts_to_the_first)
    try:
        waiting: deque[Future[Verdict]] = deque(pool.submit(judging, job) for job in islice(coming, processes * AHEAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(judging, job) for job in islice(coming, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_first() -> None:
    """Ctrl-C goes to all processes of a terminal; the one that gave us the runs decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Row(msgspec.Struct):
    """Of one profile. `first_bad`: its smallest bad seed in the order of playing."""

    seeds: int = 0
    bad: int = 0
    first_bad: int | None = None
    virtual_s: float = 0.0
    real_s: float = 0.0


class Tally(msgspec.Struct):
    """What many runs came to. Points and kinds that were never met stand in it with 0."""

    profiles: dict[str, Row] = {}
    faults: dict[str, int] = {}
    points: dict[str, int] = {}
    checks: dict[str, int] = {}
    violations: dict[str, int] = {}

    def add(self, verdict: Verdict) -> None:
        row = self.profiles.setdefault(verdict.profile, Row())
        row.seeds += 1
        row.virtual_s += verdict.virtual_s
        row.real_s += verdict.real_s
        if verdict.bad:
            row.bad += 1
            row.first_bad = verdict.seed if row.first_bad is None else row.first_bad
            self.violations[verdict.check] = self.violations.get(verdict.check, 0) + 1
        for told, seen in ((self.faults, verdict.faults), (self.points, verdict.points), (self.checks, verdict.checks)):
            for name, count in seen.items():
                told[name] = told.get(name, 0) + count

    @property
    def bad(self) -> int:
        return sum(row.bad for row in self.profiles.values())

    def never_met(self) -> list[str]:
        """Fault kinds and fault points that no run came by."""
        kinds = [f"fault {kind}" for kind in KINDS if not self.faults.get(kind)]
        return kinds + [f"point {point}" for point in sorted(ALL_POINTS) if not self.points.get(point)]


def empty() -> Tally:
    """With every known kind and point at 0."""
    return Tally(faults=dict.fromkeys(sorted(KINDS), 0), points=dict.fromkeys(sorted(ALL_POINTS), 0))


def interleaved(profiles: Iterable[str], first: dict[str, int], seeds: int | None) -> Iterator[Job]:
    """One seed of each profile in turn, `seeds` of each (None: without end), from its own first seed on."""
    names = list(profiles)
    done = 0
    while seeds is None or done < seeds:
        for name in names:
            yield Job(name, first.get(name, 0) + done)
        done += 1


def known_profiles() -> list[str]:
    return list(PROFILES)
