"""What happened, in one sentence an outsider understands.

Laws:
- The same event is told in the same words in a transcript, in a report and on the screen.
- A task is called by the key it was submitted under, as soon as anybody was told that it is that task.
"""

from collections.abc import Callable, Iterable, Mapping

from quorate.consensus.points import POINTS
from quorate.netsim.standing import Sides, Standing, peers_of
from quorate.netsim.trace import Event

Facts = Mapping[str, str | int | float]

PLAIN = {
    "kill": "{peer} is killed (kill -9)",
    "power": "{peer} loses power",
    "wipe": "{peer} gets a new, empty disk",
    "freeze": "{peer} freezes (SIGSTOP)",
    "thaw": "{peer} goes on where it froze",
    "refused": "{peer} refuses to start from what is on its disk",
    "heal": "everything heals: no fault is left, every peer runs",
    "settled": "all is settled: every request answered, every task ended, all replicas equal",
    "cut": "more happened than is kept of one run; from here on only violations are told",
}
"""Kinds whose facts add little."""

ROLES = {"leader": "becomes leader of", "candidate": "asks for votes in", "follower": "follows in"}
ANSWERS = {"done": "accepted", "ok": "answered", "gone": "no answer"}
"""In words that say more than ours; others are told as they are."""
RECOVERED = {"fresh": "with an empty disk", "restarted": "from what is on its disk"}
FAULTS = {
    "partition": "{on} cut off from {to}, both ways",
    "partial": "{on} and {to} do not hear each other",
    "one_way": "what {on} sends does not reach {to}",
    "drop": "connections from {on} to {to} are reset",
    "half_open": "{to} has forgotten its connections from {on}",
    "stall": "what {on} sends to {to} is held back",
    "slow_link": "links between {on} and {to} take longer",
    "leftovers": "connections from {on} to {to} are reset; what was in them arrives late",
    "freeze": "{on} stopped (SIGSTOP)",
    "kill": "{on} down (kill -9)",
    "kill_at": "{on} is to die when it comes to {amount}",
    "power": "power of {on} fails",
    "power_at": "power of {on} is to fail when it comes to {amount}",
    "torn": "power of {on} fails in the middle of a write",
    "everybody_kill": "all peers are killed at once",
    "everybody_power": "the whole site loses power",
    "rolling": "rolling restart of {on}",
    "twice": "{on} killed, and again while it comes back",
    "handover": "the leader is asked to hand over",
    "overload": "a burst of submissions to {on}",
    "wipe": "the disk of {on} is lost",
    "bit_rot": "bits rot on the disk of {on}",
    "disk_slow": "the disk of {on} flushes more slowly",
    "disk_error": "the disk of {on} fails to flush",
    "disk_full": "the disk of {on} is full",
    "clock_jump": "the wall clock of {on} jumps",
    "clock_rate": "the clock of {on} runs at another rate",
    "narrow": "little passes between {on} and {to}",
    "damage": "a byte of the log of {on} changes while it is down",
}
"""By kind; `narrow` and `damage` come in live chaos only."""
AMOUNTS = {
    "slow_link": " by {:g} s",
    "leftovers": " by {:g} s",
    "rolling": ", {:g} s each",
    "overload": ", {:g} of them",
    "bit_rot": ", {:g} of them",
    "disk_slow": " by {:g} s",
    "clock_jump": " by {:g} s",
    "clock_rate": ", {:g} times as fast",
    "narrow": ", {:g} bytes a second",
}
"""Kinds whose amount is a number worth telling."""
MANY = 8
"""Characters of an id that tell it from others."""


class Teller:
    """Tells the events of one run."""

    def __init__(self, events: Iterable[Event]) -> None:
        events = tuple(events)
        self._names: dict[str, str] = {}
        self.sides: dict[str, Sides] = {}
        """Whom each fault struck, by its number."""
        self._asked: dict[str, Facts] = {}
        """What was asked, by the number of the request."""
        standing = Standing(peers_of(events))
        for event in events:
            standing.see(event)
            if event.kind == "invoke":
                self._asked[str(event.facts.get("n"))] = event.facts
            if event.kind == "fault":
                self.sides[str(event.facts.get("n"))] = standing.sides(event)
            if event.kind == "told" and event.facts.get("outcome") == "done" and event.facts.get("detail"):
                self._names.setdefault(str(event.facts["detail"]), str(event.facts.get("client", "")))
        self._tell: dict[str, Callable[[Event], str]] = {
            "start": self._start,
            "killed_at": self._killed_at,
            "role": self._role,
            "commit": self._commit,
            "snapshot": lambda event: f"{event.peer} saves a snapshot",
            "installed": lambda event: f"{event.peer} installs the snapshot of another",
            "fault": lambda event: f"fault: {self.fault(event.facts)}",
            "fault_over": lambda event: f"over: {self.fault(event.facts)}",
            "invoke": self.asks,
            "told": self._told,
            "attempt": lambda event: f"{event.peer} runs {self.task(event.facts)}",
            "attempt_over": lambda event: f"{self.task(event.facts)} on {event.peer}: its handler {_how(event)}",
            "message": lambda event: f"{event.peer} → {event.facts.get('to', '?')}: {event.facts.get('what', '?')}",
            "violation": lambda event: f"VIOLATION of {event.facts.get('check', '?')}: {event.facts.get('text', '')}",
        }

    def sentence(self, event: Event) -> str:
        """Without the time."""
        tell = self._tell.get(event.kind)
        if tell is not None:
            return tell(event)
        facts = ", ".join(f"{name} {value}" for name, value in event.facts.items())
        more = f" ({facts})" if facts else ""
        if event.kind in PLAIN:
            return PLAIN[event.kind].format(peer=event.peer) + more
        subject = f"{event.peer}: " if event.peer else ""
        return f"{subject}{event.kind.replace('_', ' ')}{more}"

    def fault(self, facts: Facts) -> str:
        """E.g. `a cut off from b, c, both ways`."""
        kind, amount = str(facts.get("do", "?")), facts.get("amount")
        sides = self.sides.get(str(facts.get("n")), Sides((), ()))
        on, to = (", ".join(side) or "nobody" for side in sides)
        words = FAULTS.get(kind, kind.replace("_", " ") + " of {on}").format(on=on, to=to, amount=amount)
        return words + (AMOUNTS[kind].format(amount) if kind in AMOUNTS and isinstance(amount, int | float) else "")

    def asks(self, event: Event) -> str:
        """E.g. `a client asks c to submit k7`."""
        return f"a client asks {event.peer} to {self._what(event.facts)}"

    def _told(self, event: Event) -> str:
        asked = self._what(self._asked.get(str(event.facts.get("n")), event.facts))
        does = "gives up" if event.facts.get("outcome") == "gone" else "is told"
        return f"the client that asked {event.peer} to {asked} {does}: {self.answer(event.facts)}"

    def answer(self, facts: Facts) -> str:
        """E.g. `accepted`, `refused (no_quorum)`."""
        outcome, detail = str(facts.get("outcome", "?")), facts.get("detail")
        words = ANSWERS.get(outcome, outcome).replace("_", " ")
        return f"{words} ({detail})" if detail and outcome not in ("done", "ok") else words

    def task(self, facts: Facts) -> str:
        """E.g. `k7 (fence 12)`."""
        task = str(facts.get("task", "?"))
        return f"{self._names.get(task, f'task …{task[-MANY:]}')} (fence {facts.get('fence', '?')})"

    @staticmethod
    def _what(facts: Facts) -> str:
        return " ".join(str(part) for part in (facts.get("do", ""), facts.get("key", facts.get("client", ""))) if part)

    @staticmethod
    def _start(event: Event) -> str:
        how = str(event.facts.get("recovery", ""))
        return f"{event.peer} starts {RECOVERED.get(how, how)}".rstrip()

    @staticmethod
    def _killed_at(event: Event) -> str:
        point = str(event.facts.get("point", "?"))
        meaning = POINTS.get(point, "")
        return f"{event.peer} dies at {point}" + (f" ({meaning})" if meaning else "")

    @staticmethod
    def _role(event: Event) -> str:
        role = str(event.facts.get("role", ""))
        return f"{event.peer} {ROLES.get(role, role + ' in')} term {event.facts.get('term', '?')}"

    @staticmethod
    def _commit(event: Event) -> str:
        return f"{event.peer} knows that all up to entry {event.facts.get('index', '?')} is committed"


def _how(event: Event) -> str:
    how = str(event.facts.get("how", "is over"))
    return "was cancelled" if how == "cancelled" else how
