"""The calls of the contract: one table, from which requests are dispatched and the OpenAPI document is written.

Law: every call the contract names stands here. One that is not built yet has no handler and is refused by name (501).
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from quorate.node.http import acting, awaiting, health, listing, metrics, reading, stream, submitting, told
from quorate.node.http.call import Call
from quorate.node.http.model import CancelAsked, NothingAsked, ReadyAsked, TaskAsked, TasksAsked, WaitAsked
from quorate.node.http.service import Service

Handler = Callable[[Service, Call], Awaitable[web.StreamResponse]]

CONSISTENCY: Final = ("consistency",)
WAIT: Final = ("Quorate-Timeout", "Prefer")
TIMEOUT: Final = ("Quorate-Timeout",)


class Route(NamedTuple):
    """`name` is the operation's name in metrics and OpenAPI. `path` has at most one open part, in braces."""

    method: str
    path: str
    name: str
    summary: str
    handler: Handler | None = None
    asks: tuple[type[msgspec.Struct], ...] = ()
    tells: type[msgspec.Struct] | None = None
    status: int = 200
    kind: str = "application/json"
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    streams_in: bool = False
    """Also takes its first type as a stream, one per line."""
    body_required: bool = False
    open_to_strangers: bool = False
    """Answers without login: it tells nothing but yes or no."""


async def get_openapi(service: Service, call: Call) -> web.StreamResponse:
    from quorate.node.http.openapi import document

    call.query()
    return service.answers.json(document(service.peer.cluster))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        "/v1/tasks",
        "submit",
        "Submit one task, many that stand or fall together, or a stream of them",
        submitting.post_tasks,
        (TaskAsked, TasksAsked),
        told.TaskTold,
        201,
        headers=("Idempotency-Key", "traceparent", *WAIT),
        streams_in=True,
        body_required=True,
    ),
    Route(
        "GET",
        "/v1/tasks",
        "list",
        "Tasks, newest first, live and ended",
        listing.list_tasks,
        (),
        told.PageTold,
        query=(*listing.FILTERS, "limit", "cursor", "consistency"),
        headers=TIMEOUT,
    ),
    Route(
        "POST",
        "/v1/tasks/wait",
        "wait",
        "Await the ends of many tasks, one line per task as it ends",
        awaiting.post_wait,
        (WaitAsked,),
        told.TaskTold,
        kind="application/x-ndjson",
        headers=TIMEOUT,
        body_required=True,
    ),
    Route(
        "GET",
        "/v1/tasks/{id}",
        "get",
        "A task; with `wait`, when it has ended",
        reading.get_task,
        (),
        told.TaskTold,
        query=("wait", "consistency"),
        headers=WAIT,
    ),
    Route(
        "HEAD",
        "/v1/tasks/{id}",
        "exists",
        "Whether a task exists",
        reading.head_task,
        query=CONSISTENCY,
        headers=TIMEOUT,
    ),
    Route(
        "GET",
        "/v1/tasks/{id}/events",
        "timeline",
        "The timeline of a task, oldest first",
        reading.get_timeline,
        (),
        told.TimelineTold,
        query=CONSISTENCY,
        headers=TIMEOUT,
    ),
    Route(
        "GET",
        "/v1/tasks/{id}/why",
        "why",
        "Why a task is where it is",
        reading.get_why,
        (),
        told.WhyTold,
        query=CONSISTENCY,
        headers=TIMEOUT,
    ),
    Route(
        "POST",
        "/v1/tasks/{id}/ready",
        "ready",
        "Let a held task go",
        acting.make_ready,
        (ReadyAsked,),
        told.TaskTold,
        headers=TIMEOUT,
    ),
    Route(
        "POST",
        "/v1/tasks/{id}/cancel",
        "cancel",
        "Cancel a task, in whatever state",
        acting.cancel,
        (CancelAsked,),
        told.TaskTold,
        headers=TIMEOUT,
    ),
    Route(
        "POST",
        "/v1/tasks/{id}/retry",
        "retry",
        "A fresh round of attempts for a failed task",
        acting.retry,
        (NothingAsked,),
        told.TaskTold,
        headers=TIMEOUT,
    ),
    Route(
        "GET",
        "/v1/events",
        "events",
        "What happens, as server-sent events",
        stream.get_events,
        (),
        stream.TaskEventTold,
        kind="text/event-stream",
        query=(*listing.FILTERS, "after"),
        headers=("Last-Event-ID",),
    ),
    Route(
        "GET", "/v1/cluster", "cluster", "The cluster as this peer sees it", health.get_cluster, (), health.ClusterTold
    ),
    Route(
        "GET",
        "/livez",
        "livez",
        "Whether the process lives",
        health.get_livez,
        kind="text/plain",
        query=("verbose", "exclude"),
        open_to_strangers=True,
    ),
    Route(
        "GET",
        "/readyz",
        "readyz",
        "Whether this peer makes progress",
        health.get_readyz,
        kind="text/plain",
        query=("verbose", "exclude"),
        open_to_strangers=True,
    ),
    Route("GET", "/metrics", "metrics", "Figures for Prometheus", metrics.get_metrics, kind="text/plain"),
    Route("GET", "/openapi.json", "openapi", "This description", get_openapi),
    # Of the contract, and not built yet:
    Route("POST", "/v1/sessions", "session_open", "Open a session"),
    Route("POST", "/v1/sessions/{id}/renew", "session_renew", "Renew a session"),
    Route("DELETE", "/v1/sessions/{id}", "session_end", "End a session"),
    Route("GET", "/v1/locks", "locks", "List locks"),
    Route("GET", "/v1/locks/{name}", "lock", "Holders and waiters of a lock"),
    Route("POST", "/v1/locks/{name}/acquire", "lock_acquire", "Acquire a lock"),
    Route("POST", "/v1/locks/{name}/renew", "lock_renew", "Renew a lock"),
    Route("POST", "/v1/locks/{name}/release", "lock_release", "Release a lock"),
    Route("POST", "/v1/barriers/{name}/arrive", "barrier_arrive", "Arrive at a barrier"),
    Route("GET", "/v1/elections/{name}", "election", "Who is elected"),
    Route("POST", "/v1/elections/{name}/campaign", "election_campaign", "Campaign in an election"),
    Route("POST", "/v1/elections/{name}/resign", "election_resign", "Resign from an election"),
    Route("POST", "/v1/cluster/peers", "peer_add", "Add a peer"),
    Route("DELETE", "/v1/cluster/peers/{id}", "peer_remove", "Remove a peer"),
    Route("POST", "/v1/cluster/leader", "leader_transfer", "Hand leadership on"),
    Route("POST", "/v1/peers/{id}/drain", "peer_drain", "Drain a peer"),
    Route("POST", "/v1/peers/{id}/pause", "peer_pause", "Pause a peer"),
    Route("POST", "/v1/peers/{id}/resume", "peer_resume", "Resume a peer"),
    Route("GET", "/ui", "ui", "The dashboard"),
)


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method] = route
        self._templates = {
            tuple("" if part.startswith("{") else part for part in path.split("/")): path
            for path in self._by_path
            if "{" in path
        }

    def find(self, path: str) -> tuple[dict[str, Route], str] | None:
        """(routes by method, what stands in the open part of the path), or None."""
        exact = self._by_path.get(path)
        if exact is not None:
            return exact, ""
        parts = path.split("/")
        for place in (3, 4):
            if place < len(parts) and parts[place]:
                template = self._templates.get((*parts[:place], "", *parts[place + 1 :]))
                if template is not None:
                    return self._by_path[template], parts[place]
        return None
