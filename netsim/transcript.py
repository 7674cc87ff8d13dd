"""A run told in words: what a person needs to follow it, one line for each thing that matters.

Laws:
- Told from events alone, so that the same run is told in the same words everywhere.
- Requests and attempts are told one by one while they are few; of many, only how they ended between two things that
  matter more.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quorate.netsim.standing import MOMENTS
from quorate.netsim.trace import Event
from quorate.netsim.wording import ANSWERS, Teller

FEW_REQUESTS = 25
FEW_ATTEMPTS = 12
SOON_S = 1.0
"""An answer within it needs no word about how long it took."""
MATTERS = (
    "start",
    "kill",
    "killed_at",
    "refused",
    "power",
    "wipe",
    "freeze",
    "thaw",
    "fault",
    "fault_over",
    "heal",
    "settled",
    "cut",
    "violation",
)
"""Told always; so is a role where somebody begins to lead."""
SEEN = ("freeze", "kill", "power", "wipe")
"""Faults that need no word beside what they do."""


@dataclass(slots=True)
class _Line:
    at: float
    text: str


def transcript(events: Sequence[Event]) -> str:
    """Lines of `seconds  sentence`, with a line break at the end of each."""
    lines = sorted(_lines(events), key=lambda line: line.at)
    return "".join(f"{line.at:9.3f}  {line.text}\n" for line in lines)


def _lines(events: Sequence[Event]) -> Iterator[_Line]:
    teller = Teller(events)
    before: Event | None = None
    for event in events:
        # Whoever died at a point was killed by it: one line says both.
        is_told = before is not None and before.kind == "killed_at" and event.kind in ("kill", "power")
        if _matters(event) and not is_told:
            yield _Line(event.at, teller.sentence(event))
        before = event
    requests = [event for event in events if event.kind in ("invoke", "told")]
    if sum(event.kind == "invoke" for event in requests) <= FEW_REQUESTS:
        yield from _each_request(events, teller)
    else:
        yield from _counted(events, requests)
    attempts = _attempts(events)
    if len(attempts) <= 2 * FEW_ATTEMPTS:
        yield from (_Line(event.at, teller.sentence(event)) for event in attempts)
    yield from (_Line(event.at, teller.sentence(event)) for event in events if event.kind == "installed")
    snapshots = Counter(event.peer for event in events if event.kind == "snapshot")
    if snapshots.total() <= FEW_ATTEMPTS:
        yield from (_Line(event.at, teller.sentence(event)) for event in events if event.kind == "snapshot")


def _matters(event: Event) -> bool:
    if event.kind in ("fault", "fault_over") and event.facts.get("do") in SEEN:
        return False
    if event.kind == "fault_over" and event.facts.get("do") in MOMENTS:
        return False
    if event.kind == "role":
        return event.facts.get("role") == "leader"
    return event.kind in MATTERS


def _attempts(events: Sequence[Event]) -> list[Event]:
    """Beginnings and ends; what a process had in its hands when it died has no end worth telling."""
    told = []
    running: set[tuple[str, object]] = set()
    for event in events:
        attempt = (event.peer, event.facts.get("fence"))
        if event.kind == "attempt":
            running.add(attempt)
            told.append(event)
        elif event.kind == "attempt_over" and attempt in running:
            told.append(event)
        elif event.kind in ("kill", "power", "wipe"):
            running = {one for one in running if one[0] != event.peer}
    return told


def _each_request(events: Sequence[Event], teller: Teller) -> Iterator[_Line]:
    """On one line with its answer, unless something that matters happened between the two."""
    told = {str(event.facts.get("n")): (place, event) for place, event in enumerate(events) if event.kind == "told"}
    for place, event in enumerate(events):
        if event.kind != "invoke":
            continue
        asked = teller.sentence(event)
        found = told.get(str(event.facts.get("n")))
        if found is None:
            yield _Line(event.at, f"{asked} → no answer")
            continue
        until, answer = found
        if any(_matters(between) for between in events[place + 1 : until]):
            yield _Line(event.at, asked)
            yield _Line(answer.at, teller.sentence(answer))
            continue
        took_s = answer.at - event.at
        late = f" after {took_s:.3f} s" if took_s > SOON_S else ""
        yield _Line(event.at, f"{asked} → {teller.answer(answer.facts)}{late}")


def _counted(events: Sequence[Event], requests: Sequence[Event]) -> Iterator[_Line]:
    """How many ended how, up to each thing that matters."""
    ends = [event.at for event in events if _matters(event) and event.kind != "start"]
    ends.append(events[-1].at)
    answers: Counter[str] = Counter()
    waiting = iter(requests)
    event = next(waiting, None)
    for end in ends:
        since, until = None, end
        while event is not None and event.at <= end:
            since = event.at if since is None else since
            until = event.at
            if event.kind == "told":
                outcome = str(event.facts.get("outcome"))
                answers[ANSWERS.get(outcome, outcome).replace("_", " ")] += 1
            event = next(waiting, None)
        if answers:
            how = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
            yield _Line(until, f"requests meanwhile: {how}")
            answers.clear()
