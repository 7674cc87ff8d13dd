"""What is made of a run that broke a promise: a small scenario that breaks the same one, and its story.

Law: the file alone repeats it: `quorate netsim replay FILE`.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from quorate.netsim import reading
from quorate.netsim.campaign import ERROR, OK, headline
from quorate.netsim.play import play
from quorate.netsim.scenario import Scenario
from quorate.netsim.shrink import Shrunk, shrink
from quorate.netsim.swarm import expand
from quorate.netsim.trace import Event, Trace
from quorate.netsim.transcript import transcript

FOLDER = "netsim-failures"
RUNS = 300
WITHIN_S = 120.0


class Told(msgspec.Struct, frozen=True):
    """One run, played with everything kept. `check`: `ok`, or what failed."""

    scenario: Scenario
    check: str
    text: str
    at: float
    virtual_s: float
    digest: str
    events: list[Event]

    @property
    def words(self) -> str:
        """The transcript."""
        return transcript(self.events)

    @property
    def bad(self) -> bool:
        return self.check != self.scenario.expect


class Finding(msgspec.Struct, frozen=True):
    """`file`: where the small scenario was written."""

    told: Told
    shrunk: Shrunk
    file: Path


def tell(scenario: Scenario, *, messages: bool = False) -> Told:
    """Plays it and keeps what happened; an error of the simulator is told as the check `error`."""
    trace = Trace(keep=True, messages=messages)
    try:
        outcome = play(scenario, trace=trace)
    except Exception as error:  # noqa: BLE001  # what happened until then is worth telling, whatever ended it
        text = f"{type(error).__name__}: {error}"
        last = trace.events[-1].at if trace.events else 0.0
        trace.note(last, "violation", check=ERROR, text=text)
        return Told(scenario, ERROR, text, last, last, trace.digest, trace.events)
    broken, report = outcome.violation, outcome.report
    if broken is None:
        return Told(scenario, OK, "", 0.0, report.virtual_s, report.digest, trace.events)
    return Told(scenario, broken.check, broken.text, broken.at, report.virtual_s, report.digest, trace.events)


def check_of(scenario: Scenario) -> str:
    """`ok`, or the name of the check that fails."""
    try:
        broken = play(scenario).violation
    except Exception:  # noqa: BLE001  # an error of the simulator is shrunk like any other
        return ERROR
    return OK if broken is None else broken.check


def investigate(
    scenario: Scenario, name: str, folder: Path, runs: int = RUNS, within_s: float = WITHIN_S
) -> Finding | None:
    """Shrinks it and writes `folder/name.yaml`; None if it breaks nothing. `name`: as `plain-17`. `runs`, `within_s`:
    how much trying may cost, in candidates and in real seconds.
    """
    scenario = expand(scenario)
    check = check_of(scenario)
    if check == OK:
        return None
    until = time.monotonic() + within_s
    shrunk = shrink(scenario, _fails_with(check), runs, lambda: time.monotonic() < until)
    small = msgspec.structs.replace(shrunk.scenario, name=scenario.name or name)
    told = tell(small)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    notes = (
        f"Breaks {check}: {headline(told.text)}",
        f"Made smaller from {name} (seed {scenario.seed}) in {shrunk.runs} runs.",
        f"To see it again: quorate netsim replay {file}",
    )
    file.write_text(reading.write(small, notes), "utf-8")
    return Finding(told, shrunk, file)


def _fails_with(check: str) -> Callable[[Scenario], bool]:
    return lambda candidate: check_of(candidate) == check
