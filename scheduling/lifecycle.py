"""The life of a task: which moment leads from which state to which.

Law: this table is the whole truth; no state is changed otherwise, and the diagram in the docs is drawn from it.
"""

from quorate.scheduling.task import State

HELD, SCHEDULED, BLOCKED, READY, RUNNING, SUCCEEDED, FAILED, CANCELLED = State

BEGIN = (HELD, SCHEDULED, BLOCKED, READY)
"""Where a task may stand when a round of it begins: by its own choice, its earliest time and its dependencies."""

TRANSITIONS: dict[State | None, dict[str, tuple[State, ...]]] = {
    None: {
        "submitted": BEGIN,
    },
    HELD: {
        "released": (SCHEDULED, BLOCKED, READY),
        "absolved": (READY,),
        "failed": (FAILED,),
        "cancelled": (CANCELLED,),
    },
    SCHEDULED: {
        "ready": (READY,),
        "cancelled": (CANCELLED,),
    },
    BLOCKED: {
        "ready": (READY,),
        "scheduled": (SCHEDULED,),
        "failed": (FAILED,),
        "cancelled": (CANCELLED,),
    },
    READY: {
        "running": (RUNNING,),
        "cancelled": (CANCELLED,),
    },
    RUNNING: {
        "succeeded": (SUCCEEDED,),
        "retrying": (SCHEDULED,),
        "failed": (FAILED,),
        "requeued": (READY,),
        "handed_back": (READY,),
        "quarantined": (HELD,),
        "cancelled": (CANCELLED,),
    },
    SUCCEEDED: {},
    FAILED: {
        "again": (SCHEDULED, BLOCKED, READY),
    },
    CANCELLED: {},
}
"""From the state before (None: not there yet), by the moment, to the states it may lead to."""

MEANINGS: dict[str, str] = {
    "submitted": "accepted",
    "released": "set ready by a person or program",
    "absolved": "the death it was quarantined for was not one of a single peer after all",
    "scheduled": "its dependencies have ended, its earliest time is ahead",
    "ready": "nothing stands in its way any more",
    "running": "granted to a peer",
    "succeeded": "its result is committed",
    "retrying": "the attempt failed, another one will follow",
    "failed": "the last attempt, or a dependency, failed",
    "requeued": "the attempt was lost with its peer",
    "handed_back": "its peer gave it back",
    "quarantined": "too many peers died while they ran it",
    "cancelled": "cancelled",
    "again": "a fresh round of attempts was asked for",
}


def may_lead(before: State | None, moment: str, after: State) -> bool:
    """Whether the table has it."""
    return after in TRANSITIONS[before].get(moment, ())


def to_mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for before, moments in TRANSITIONS.items():
        arrows = [(after, moment) for moment, states in moments.items() for after in states]
        lines += [f"    {before or '[*]'} --> {after}: {moment}" for after, moment in arrows]
        if before is not None and not moments:
            lines.append(f"    {before} --> [*]")
    return "\n".join(lines) + "\n"
