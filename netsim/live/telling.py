"""A run on real processes as events, as those of the virtual world are: for the same transcript and the same report.

Law: what clients and handlers did is put in its place in time beside what was done to the peers.
"""

from collections.abc import Iterator

from quorate.netsim.live.evidence import Evidence
from quorate.netsim.live.tally import Tally
from quorate.netsim.trace import Event


def events_of(evidence: Evidence, tally: Tally) -> list[Event]:
    """All events, in order of time."""
    events = [*tally.trace.events, *_of_clients(evidence, tally), *_of_handlers(evidence, tally)]
    return sorted(events, key=lambda event: event.at)


def _of_clients(evidence: Evidence, tally: Tally) -> Iterator[Event]:
    for number, request in enumerate(evidence.asked):
        who: dict[str, str | int | float] = {"n": number, "client": request.process}
        invoked, ended = tally.since(request.invoked_ns), tally.since(request.ended_ns)
        yield Event(invoked, "invoke", request.via, {**who, "via": request.via, "do": request.do, "key": request.key})
        yield Event(ended, "told", request.via, {**who, "outcome": request.outcome, "detail": request.words})


def _of_handlers(evidence: Evidence, tally: Tally) -> Iterator[Event]:
    for effect in evidence.effects or ():
        facts: dict[str, str | int | float] = {"task": effect.task, "fence": effect.fence, "run": effect.run}
        yield Event(tally.since(effect.at_ns), "attempt", effect.peer, facts)
        if effect.over_ns:
            yield Event(tally.since(effect.over_ns), "attempt_over", effect.peer, {**facts, "how": effect.how})
