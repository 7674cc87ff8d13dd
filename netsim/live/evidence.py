"""What is known of a run when it is over: what clients asked and were told, what handlers did, what every peer tells.

Law: plain data, written to the run's folder as it comes and read back from there; checks look at nothing else.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from quorate.netsim.live.asking import DONE, REFUSED, UNKNOWN

SUBMIT, LOOK, CANCEL = "submit", "look", "cancel"
ENDS = ("succeeded", "failed", "cancelled")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a client, with what it was told. Times: nanoseconds of this program's monotonic clock.

    `key`: of the submission it makes or speaks of. `task`, `state`: as told, "" where nothing was.
    """

    process: int
    via: str
    do: str
    key: str
    invoked_ns: int
    ended_ns: int
    outcome: str
    status: int
    task: str = ""
    state: str = ""
    fence: int = 0
    words: str = ""


class Effect(msgspec.Struct, frozen=True, tag="begun"):
    """What a handler wrote before anything else: this attempt really ran, here."""

    peer: str
    pid: int
    run: str
    """Different for each time a handler was called."""
    task: str
    attempt: int
    fence: int
    at_ns: int
    over_ns: int = 0
    """When the handler came to its end; 0: it never did, or nobody was left to write it down."""
    how: str = ""
    """`succeeded` or `failed`, as the handler saw it."""


class Over(msgspec.Struct, frozen=True, tag="over"):
    """What a handler writes last."""

    run: str
    how: str
    at_ns: int


class TaskFact(msgspec.Struct, frozen=True):
    """A task as one peer tells it at the end."""

    id: str
    key: str | None
    handler: str
    state: str
    attempt: int
    fence: int
    result: Any = None
    error: Any = None


class View(msgspec.Struct, frozen=True):
    """What a peer said of itself (`/v1/cluster`) at one moment."""

    at: float
    peer: str
    role: str
    term: int
    leader: str | None
    applied_index: int
    state_hash: str
    quarantined: str | None = None


class Incident(msgspec.Struct, frozen=True):
    """Something that happened to a peer and was not done to it. `check`: the promise it breaks."""

    at: float
    peer: str
    check: str
    words: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`effects`: None where handlers leave no trace (drills). `tasks`: peer -> task id -> the task as it tells it."""

    asked: list[Asked]
    tasks: Mapping[str, Mapping[str, TaskFact]]
    effects: list[Effect] | None = None
    views: list[View] = []
    final: list[View] = []
    """The last look at each peer, once they had time to come to rest."""
    incidents: list[Incident] = []
    struck: Mapping[str, int] = {}
    """How often each kind of fault struck."""


class BadEffects(ValueError):
    """A whole line of an effects file is not what handlers write."""


def read_effects(folder: Path) -> list[Effect]:
    """All effects of all processes, in order of time. A last line without an end was torn by a kill: no effect.

    Raises BadEffects.
    """
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in _lines_of(path)]
    overs = {line.run: line for line in lines if isinstance(line, Over)}
    effects = sorted((line for line in lines if isinstance(line, Effect)), key=lambda effect: effect.at_ns)
    return [
        structs.replace(effect, over_ns=over.at_ns, how=over.how) if (over := overs.get(effect.run)) else effect
        for effect in effects
    ]


def _lines_of(path: Path) -> Iterator[Effect | Over]:
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield msgspec.json.decode(line, type=Effect | Over)
        except msgspec.DecodeError as error:
            raise BadEffects(f"{path.name}, line {number}: {error}") from None


def history_lines(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """The requests as `quorate netsim check --model submissions` reads them: two lines each, in order of time; at the
    end a look of every peer at each task it has."""
    lines: list[tuple[int, int, dict[str, Any]]] = []
    for request in evidence.asked:
        base = {"process": request.process, "f": request.do, "key": request.key}
        lines.append((request.invoked_ns, 0, {**base, "type": "invoke", "value": None, "time": request.invoked_ns}))
        told = {"type": _KINDS[request.outcome], "value": _value(request), "time": request.ended_ns}
        if request.do == LOOK and request.status == 404:
            told["type"] = "ok"
        lines.append((request.ended_ns, 1, {**base, **told}))
    yield from (line for _, _, line in sorted(lines, key=lambda one: one[:2]))
    last_ns = max((at_ns for at_ns, _, _ in lines), default=0)
    for peer, tasks in evidence.tasks.items():
        for task in tasks.values():
            base = {"process": f"end {peer}", "f": LOOK, "key": task.key, "time": last_ns + 1}
            yield {**base, "type": "invoke", "value": None}
            yield {**base, "type": "ok", "value": [task.id, task.state, task.fence]}


_KINDS = {DONE: "ok", REFUSED: "fail", UNKNOWN: "info"}


def _value(request: Asked) -> object:
    if request.outcome != DONE:
        return None
    if request.do == SUBMIT:
        return request.task
    return [request.task, request.state, request.fence] if request.do == LOOK else None
