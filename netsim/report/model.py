"""What a page shows, computed from what happened.

Law: everything is taken from events. What never ended (a fault, an attempt, a leadership) ends where the run ends.
"""

from collections.abc import Iterable, Sequence

import msgspec

from quorate.netsim.standing import MOMENTS
from quorate.netsim.trace import Event
from quorate.netsim.wording import Teller

MAX_MESSAGES = 100_000
"""A page with more is slow to open; the first ones are kept, and the page says so."""
MAX_ROWS = 50_000
DRAWN_S = 0.001
"""How long a message is drawn to travel where nothing says when it arrived."""
MARKS = ("start", "kill", "killed_at", "power", "wipe", "snapshot", "installed")
DRAWN = ("leader", "candidate", "down", "frozen")
NOT_TOLD = ("message", "commit")
"""Drawn or counted, not told line by line."""


class Span(msgspec.Struct):
    """On the lane of `peer`. `row`: of bars that overlap, each has its own."""

    peer: str
    kind: str
    since: float
    until: float
    title: str
    label: str = ""
    term: int = 0
    row: int = 0


class Mark(msgspec.Struct):
    peer: str
    kind: str
    at: float
    title: str


class Struck(msgspec.Struct):
    """A fault: `on` and `to` are peers; between them, links are shaded."""

    kind: str
    on: tuple[str, ...]
    to: tuple[str, ...]
    since: float
    until: float
    title: str


class Asked(msgspec.Struct):
    via: str
    since: float
    until: float
    outcome: str
    title: str
    row: int = 0


class Sent(msgspec.Struct):
    source: str
    target: str
    since: float
    until: float
    what: str


class Row(msgspec.Struct, array_like=True):
    at: float
    kind: str
    peer: str
    text: str


class Broken(msgspec.Struct):
    at: float
    check: str
    text: str


class Drawing(msgspec.Struct):
    title: str
    facts: dict[str, str]
    peers: list[str]
    seconds: float
    look_until: float
    """What comes later is calm: the page shows it when it is asked to."""
    spans: list[Span]
    marks: list[Mark]
    faults: list[Struck]
    tasks: list[Span]
    task_rows: dict[str, int]
    asked: list[Asked]
    asked_rows: int
    messages: list[Sent]
    left_out: int
    """Messages and rows that are not on the page."""
    rows: list[Row]
    violation: Broken | None


def draw(title: str, peers: Sequence[str], events: Sequence[Event], facts: dict[str, str]) -> Drawing:
    """`facts`: what stands at the head of the page, by name."""
    seconds = max((event.at for event in events), default=0.0)
    teller = Teller(events)
    tasks = list(_tasks(events, seconds, teller))
    asked = list(_asked(events, seconds, teller))
    messages = list(_messages(events))
    rows = [
        Row(round(event.at, 6), event.kind, event.peer, teller.sentence(event))
        for event in events
        if event.kind not in NOT_TOLD
    ]
    return Drawing(
        title=title,
        facts=facts,
        peers=list(peers),
        seconds=seconds,
        look_until=_look_until(events, seconds),
        spans=list(_spans(peers, events, seconds, teller)),
        marks=[Mark(e.peer, e.kind, e.at, teller.sentence(e)) for e in events if e.kind in MARKS],
        faults=list(_faults(events, seconds, teller)),
        tasks=tasks,
        task_rows={peer: _in_rows([task for task in tasks if task.peer == peer]) for peer in peers},
        asked=asked,
        asked_rows=_in_rows(asked),
        messages=messages[:MAX_MESSAGES],
        left_out=max(0, len(messages) - MAX_MESSAGES) + max(0, len(rows) - MAX_ROWS),
        rows=rows[:MAX_ROWS],
        violation=next((_broken(e) for e in events if e.kind == "violation"), None),
    )


def _spans(peers: Sequence[str], events: Sequence[Event], seconds: float, teller: Teller) -> Iterable[Span]:
    """How each peer was: leading in a term, down, frozen; what is not drawn is following."""
    for peer in peers:
        open_span = Span(peer, "down", 0.0, seconds, f"{peer} is off")
        for event in events:
            if event.peer != peer:
                continue
            following = _next_span(open_span, event, teller)
            if following is None:
                continue
            open_span.until = event.at
            if open_span.kind in DRAWN and open_span.until > open_span.since:
                yield open_span
            open_span = following
            open_span.until = seconds
        if open_span.kind in DRAWN:
            yield open_span


def _next_span(now: Span, event: Event, teller: Teller) -> Span | None:
    """What begins with this event; None: all stays as it is."""
    peer, at = event.peer, event.at
    match event.kind:
        case "start" | "thaw":
            return Span(peer, "follower", at, at, "")
        case "kill" | "power" | "wipe":
            return None if now.kind == "down" else Span(peer, "down", at, at, teller.sentence(event), "down")
        case "freeze":
            return Span(peer, "frozen", at, at, f"{peer} is frozen", "frozen")
        case "role" if now.kind not in ("down", "frozen"):
            role, term = str(event.facts.get("role", "")), int(event.facts.get("term", 0))
            return Span(peer, role, at, at, teller.sentence(event), f"term {term}", term)
    return None


def _faults(events: Sequence[Event], seconds: float, teller: Teller) -> Iterable[Struck]:
    opened: dict[str, Struck] = {}
    for event in events:
        if event.kind not in ("fault", "fault_over"):
            continue
        number = str(event.facts.get("n"))
        if event.kind == "fault":
            sides, title = teller.sides[number], teller.fault(event.facts)
            kind = str(event.facts.get("do", ""))
            until = event.at if kind in MOMENTS else seconds
            struck = Struck(kind, sides.on, sides.to, event.at, until, title)
            opened[number] = struck
            yield struck
        elif number in opened and opened[number].kind not in MOMENTS:
            opened.pop(number).until = event.at


def _tasks(events: Sequence[Event], seconds: float, teller: Teller) -> Iterable[Span]:
    running: dict[tuple[str, str, str], Span] = {}
    for event in events:
        key = (event.peer, str(event.facts.get("task", "")), str(event.facts.get("fence", "")))
        if event.kind == "attempt":
            span = Span(event.peer, "running", event.at, seconds, teller.sentence(event), teller.task(event.facts))
            running[key] = span
            yield span
        elif event.kind == "attempt_over" and key in running:
            span = running.pop(key)
            span.until, span.title = event.at, teller.sentence(event)
            span.kind = str(event.facts.get("how", "over"))
        elif event.kind in ("kill", "power", "wipe"):
            for one in [one for one in running if one[0] == event.peer]:
                span = running.pop(one)
                span.until, span.kind = event.at, "killed"
                span.title += "; it died with the peer"


def _asked(events: Sequence[Event], seconds: float, teller: Teller) -> Iterable[Asked]:
    waiting: dict[str, Asked] = {}
    for event in events:
        if event.kind not in ("invoke", "told"):
            continue
        key = str(event.facts.get("n", event.facts.get("client", "")))
        if event.kind == "invoke":
            told = teller.sentence(event)
            waiting[key] = Asked(event.peer, event.at, seconds, "unanswered", told)
            yield waiting[key]
        elif key in waiting:
            one = waiting.pop(key)
            one.until, one.outcome = event.at, str(event.facts.get("outcome", ""))
            one.title += f" → {teller.answer(event.facts)}"


def _messages(events: Sequence[Event]) -> Iterable[Sent]:
    for event in events:
        if event.kind == "message":
            to, what = str(event.facts.get("to", "")), str(event.facts.get("what", "message"))
            yield Sent(event.peer, to, event.at, float(event.facts.get("until", event.at + DRAWN_S)), what)


def _in_rows(bars: Sequence[Span] | Sequence[Asked]) -> int:
    """Gives each the first row that is free; how many rows there are."""
    free_at: list[float] = []
    for bar in bars:
        for row, at in enumerate(free_at):
            if at <= bar.since:
                bar.row, free_at[row] = row, bar.until
                break
        else:
            bar.row = len(free_at)
            free_at.append(bar.until)
    return len(free_at)


def _look_until(events: Sequence[Event], seconds: float) -> float:
    """A little beyond the moment when all is settled, or is broken."""
    last = max((event.at for event in events if event.kind in ("settled", "violation")), default=seconds)
    return min(seconds, last * 1.03)


def _broken(event: Event) -> Broken:
    return Broken(event.at, str(event.facts.get("check", "")), str(event.facts.get("text", "")))
