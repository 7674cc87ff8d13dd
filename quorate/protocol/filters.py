"""Which tasks, or events, a program wants to see."""

from typing import Any, Literal, TypedDict

from quorate.scheduling.task import State

Consistency = Literal["linearizable", "stale"]
"""`stale`: answered by the peer alone, as it stands there; also without a quorum."""


class EventFilters(TypedDict, total=False):
    namespace: str
    queue: str
    state: State | str
    handler: str


class Filters(EventFilters, total=False):
    consistency: Consistency


def query_of(filters: Any) -> dict[str, str]:
    return {name: str(value) for name, value in filters.items() if value}
