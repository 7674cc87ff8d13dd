"""What runs of either kind share: load beside faults, the verdict, and an end in order.

Law: bounded in time; Ctrl-C and SIGTERM end what was begun before the program goes.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from quorate.netsim.live import checks
from quorate.netsim.live.clients import Clients
from quorate.netsim.live.evidence import Asked, Evidence, history_lines
from quorate.netsim.live.linear import judge_history
from quorate.netsim.live.tally import Tally
from quorate.netsim.live.telling import events_of
from quorate.netsim.trace import Event


class FaultRow(msgspec.Struct, frozen=True):
    kind: str
    struck: int
    left_out: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts`: None where handlers leave no trace. `lines`: what was told while it ran."""

    seed: int
    seconds: float
    peers: tuple[str, ...]
    means: str
    faults: list[FaultRow]
    requests: dict[str, int]
    """By what was asked and what came of it."""
    tasks: int
    attempts: int | None
    verdicts: list[checks.Verdict]
    events: list[Event]
    lines: list[str]

    @property
    def held(self) -> bool:
        return not any(verdict.breaches for verdict in self.verdicts)


Say = Callable[[str], None]


def run_to_the_end(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """On a loop of its own. Raises KeyboardInterrupt when it was asked to stop, after everything has been ended."""
    with asyncio.Runner() as runner:
        return runner.run(_ended_by_sigterm(work))


async def _ended_by_sigterm(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """As Ctrl-C does, which the runner sees to."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def strike(seconds: float, clients: Clients, faults: Coroutine[Any, Any, None]) -> list[Asked]:
    """Load and faults side by side for so long; the requests that were made."""
    striking = asyncio.ensure_future(faults)
    loading = asyncio.ensure_future(clients.run())
    try:
        done, _ = await asyncio.wait([striking, loading], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        clients.stop()
        await loading
    finally:
        for task in (striking, loading):
            task.cancel()
        await asyncio.gather(striking, loading, return_exceptions=True)
    return clients.asked


def outcome_of(
    seed: int, peers: tuple[str, ...], means: str, kinds: Sequence[str], evidence: Evidence, tally: Tally
) -> Outcome:
    verdicts = [*checks.judge(evidence), judge_history(history_lines(evidence))]
    requests = Counter(f"{request.do} {request.outcome}" for request in evidence.asked)
    known = {incident.words for incident in evidence.incidents}
    for verdict in verdicts:
        for breach in verdict.breaches:
            if not any(words in breach for words in known):  # those were noted when they happened
                tally.note("violation", "", check=verdict.check, text=breach)
    rows = [FaultRow(kind, tally.struck_times[kind], tally.skipped_times[kind]) for kind in kinds]
    return Outcome(
        seed=seed,
        seconds=tally.now(),
        peers=peers,
        means=means,
        faults=rows,
        requests=dict(sorted(requests.items())),
        tasks=max((len(tasks) for tasks in evidence.tasks.values()), default=0),
        attempts=None if evidence.effects is None else len(evidence.effects),
        verdicts=verdicts,
        events=events_of(evidence, tally),
        lines=tally.lines,
    )
