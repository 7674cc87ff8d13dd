"""What happened in a test, in words.

Law: told from the events of the world alone, so that the same seed tells the same story everywhere.
"""

from collections.abc import Mapping, Sequence

from quorate.netsim.trace import Event
from quorate.netsim.wording import Teller

LINES_MAX = 400
"""Of a longer story the end is told."""
ID_TOLD = 4
"""Characters of an id where a task has no key of its own."""
FOUND_ANEW = "auto-"
"""How keys begin that nobody chose."""

OWN = frozenset({"attempt", "attempt_over", "effect", "submit"})
TOLD = OWN | {
    "cut",
    "fault",
    "fault_over",
    "freeze",
    "heal",
    "kill",
    "killed_at",
    "power",
    "start",
    "thaw",
    "violation",
    "wipe",
}


def story(events: Sequence[Event]) -> str:
    """Lines of `seconds  sentence`; times are virtual."""
    teller, names = Teller(events), _names(events)
    fences: dict[str, int] = {}
    lines = []
    for event in events:
        if event.kind == "attempt":
            task, fence = str(event.facts["task"]), int(event.facts["fence"])
            fences[task] = max(fence, fences.get(task, 0))
        if event.kind in TOLD or (event.kind == "role" and event.facts.get("role") == "leader"):
            words = _words(event, names, fences) if event.kind in OWN else teller.sentence(event)
            lines.append(f"{event.at:9.3f}  {words}")
    if len(lines) > LINES_MAX:
        lines = [f"           ({len(lines) - LINES_MAX} earlier lines left out)", *lines[-LINES_MAX:]]
    return "\n".join(lines)


def _names(events: Sequence[Event]) -> dict[str, str]:
    """Tasks by handler, and by the key they were submitted under."""
    keys = {event.facts["task"]: str(event.facts["key"]) for event in events if event.kind == "submit"}
    names: dict[str, str] = {}
    for event in events:
        if event.kind in {"submit", "attempt"}:
            task = str(event.facts["task"])
            key = keys.get(task, FOUND_ANEW)
            names[task] = f"{event.facts['handler']} {f'…{task[-ID_TOLD:]}' if key.startswith(FOUND_ANEW) else key}"
    return names


def _words(event: Event, names: Mapping[str, str], fences: Mapping[str, int]) -> str:
    """`fences`: the highest by task until then; what is reported under a lower one is refused."""
    facts = event.facts
    task = names.get(str(facts["task"]), "")
    if event.kind == "submit":
        return f"{task} is accepted"
    if event.kind == "attempt":
        return f"{event.peer} runs {task} (fence {facts['fence']})"
    if event.kind == "attempt_over":
        highest = fences.get(str(facts["task"]), 0)
        refused = f", refused: fence {highest} was given the task since" if int(facts["fence"]) < highest else ""
        return f"{event.peer} reports {task} (fence {facts['fence']}): {facts['how']}{refused}"
    return f"{facts['name']} {facts['what']}" + (
        f" (by {task} on {event.peer}, fence {facts['fence']})" if task else ""
    )
