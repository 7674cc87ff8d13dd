"""What was done to the cluster, counted, told as it happens and kept as events.

Law: one place knows the time of the run; everything that is told is told here.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from quorate.netsim.live.evidence import Incident
from quorate.netsim.scenario import Fault
from quorate.netsim.trace import Trace

SAID_CHARS = 300
"""Of what happened to a peer; the whole of it stands in the verdict."""
Facts = dict[str, str | int | float]


class Tally:
    """say: told each thing in words, for people."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.trace = Trace(keep=True)
        self.struck_times: Counter[str] = Counter()
        self.skipped_times: Counter[str] = Counter()
        self.incidents: list[Incident] = []
        self.lines: list[str] = []
        """What was told so far."""
        self._say = say
        self._began = time.monotonic()

    def begin(self) -> None:
        """Time counts from now."""
        self._began = time.monotonic()

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def since(self, at_ns: int) -> float:
        """When a moment of the monotonic clock was."""
        return at_ns / 1e9 - self._began

    def say(self, words: str) -> None:
        line = f"{self.now():7.1f} s  {words}"
        self.lines.append(line)
        self._say(line)

    def note(self, kind: str, peer: str, **facts: str | int | float) -> None:
        self.trace.note(self.now(), kind, peer, **facts)

    def struck(self, fault: Fault, words: str, on: Sequence[str], to: Sequence[str] = ()) -> Facts:
        """`on`, `to`: the peers it came to. What it gives is for `over`."""
        self.struck_times[fault.do] += 1
        number = sum(self.struck_times.values())
        facts: Facts = {"n": number, "do": fault.do, "on": ", ".join(on), "to": ", ".join(to)}
        amount = {} if fault.amount is None else {"amount": fault.amount}
        self.note("fault", "", **facts, **amount)
        self.say(words)
        return facts

    def over(self, struck: Facts) -> None:
        self.note("fault_over", "", **struck)

    def skipped(self, kind: str, why: str) -> None:
        self.skipped_times[kind] += 1
        self.say(f"{kind} left out: {why}")

    def incident(self, incident: Incident) -> None:
        self.incidents.append(incident)
        self.note("violation", incident.peer, check=incident.check, text=incident.words)
        self.say(f"{incident.peer}: {incident.words[:SAID_CHARS]}")
