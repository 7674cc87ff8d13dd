"""The HTTP server of one peer: listens, admits, dispatches, answers.

Laws: every request gets an answer or loses its connection; what goes wrong inside is a 500 and a line in the log,
never a dead peer. Nothing of a
request's contents is logged.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final, cast

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest
from prometheus_client import CollectorRegistry

from quorate.consensus.status import Check
from quorate.node.http.answers import Answers
from quorate.node.http.asking import Asking, Ends, Stopping
from quorate.node.http.call import Call
from quorate.node.http.connection import Connection
from quorate.node.http.door import Door, Visitor
from quorate.node.http.guard import ANONYMOUS, Guard
from quorate.node.http.listener import Listener
from quorate.node.http.metrics import PeerCollector, Requests
from quorate.node.http.ports import CertificatePrincipal, HistoryList, PeerPort, Wake
from quorate.node.http.problems import Problem
from quorate.node.http.routes import Route, Table
from quorate.node.http.service import Service
from quorate.node.http.settings import HttpSettings

SWEEP_S: Final = 0.25
SHORTEST_STOP_S: Final = 0.01
"""aiohttp takes 0 for no limit."""
NOT_FOUND: Final = "other"
"""What requests for no call are counted as."""

log = structlog.get_logger(__name__)


def create_server(
    peer: PeerPort,
    settings: HttpSettings,
    history: HistoryList,
    *,
    wake: Wake,
    registry: CollectorRegistry,
    certificate_principal: CertificatePrincipal,
    more_checks: Callable[[], Mapping[str, Check]],
) -> "HttpServer":
    """Within a running loop. `wake`: called after anything that may have given the peer something to do.
    `registry`: this peer's own;
    what HTTP counts is added to it. `more_checks`: readiness beyond the peer's own checks (disk, loop)."""
    loop = asyncio.get_running_loop()
    stopping = Stopping()
    service = Service(
        peer=peer,
        settings=settings,
        history=history,
        asking=Asking(peer, wake, loop),
        ends=Ends(peer, settings.limits.waiters, stopping, loop),
        answers=Answers(peer.id),
        registry=registry,
        more_checks=more_checks,
        stopping=stopping,
    )
    return HttpServer(service, Guard(settings, certificate_principal), loop)


class HttpServer:
    def __init__(self, service: Service, guard: Guard, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._settings = service.settings
        self._guard = guard
        self._loop = loop
        self._table = Table()
        self._requests = Requests()
        self._working = 0
        self._server = web.Server(self._handle, handler_cancellation=True)
        self._door = Door(self._settings.limits)
        self._listener: Listener | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        service.registry.register(PeerCollector(service.peer, self._requests, service, self._door))

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen; the port that was taken (0 asks for any). Raises OSError naming the address."""
        limits = self._settings.limits

        def connection(visitor: Visitor) -> Connection:
            return Connection(self._server, self._loop, visitor, self._door, limits, self._service.answers)

        self._listener = Listener(self._loop, self._door, connection, tls, limits.pre_auth_s)
        bound = await self._listener.listen(host, port)
        self._sweep()
        return bound

    async def stop(self, within_s: float) -> None:
        """No new connections; requests at work have so long to end, waits and streams end now."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listener is not None:
            self._listener.close()
        self._service.stopping.begin()
        self._server.pre_shutdown()
        await self._server.shutdown(max(within_s, SHORTEST_STOP_S))

    def _sweep(self) -> None:
        self._door.sweep(self._loop.time())
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    # --- one request ------------------------------------------------------------------------------

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        started = self._loop.time()
        connection = cast(Connection, request.protocol)
        self._door.busy(connection.visitor)
        name = NOT_FOUND
        try:
            connection.check_head(request.raw_headers)
            routes, argument, query = self._routed(request)
            route = self._method(routes, request.method)
            name = route.name
            response = await self._admitted(route, request, argument, query, started)
        except Problem as problem:
            response = self._service.answers.problem(problem)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:  # a fault of ours must not cost the peer: it is told, logged, and the next request is served
            log.exception("http.internal_error", call=name)
            response = self._service.answers.problem(INTERNAL)
        self._requests.note(name, response.status, self._loop.time() - started)
        self._door.idle(connection.visitor)
        return response

    def _routed(self, request: BaseRequest) -> tuple[dict[str, Route], str, str]:
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # absolute form, as to a proxy
            path, query = request.path, request.query_string
        found = self._table.find(path)
        if found is None:
            raise Problem(
                404,
                "not-found",
                f"there is nothing at {path[:200]!r}; see /openapi.json for what there is",
                field="path",
            )
        return (*found, query)

    def _method(self, routes: dict[str, Route], method: str) -> Route:
        route = routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(routes))
            raise Problem(405, "method", f"got {method[:20]}, expected {allowed}", headers={"Allow": allowed})
        return route

    async def _admitted(
        self, route: Route, request: BaseRequest, argument: str, query: str, now: float
    ) -> web.StreamResponse:
        connection = cast(Connection, request.protocol)
        self._guard.check_origin(request.headers)
        principal = ANONYMOUS
        if not route.open_to_strangers or "verbose" in query:
            principal = self._guard.principal(request.headers, connection)
        if route.handler is None:
            raise Problem(501, "not-built", f"{route.method} {route.path} ({route.summary.lower()}) is not built yet")
        if self._working >= self._settings.limits.requests:
            raise Problem(
                429, "too-many", "this peer works on as many requests as it may; ask again shortly", retry_after_s=1
            )
        if principal != ANONYMOUS or not request.can_read_body:
            connection.served()
        self._working += 1
        try:
            return await route.handler(self._service, Call(request, argument, query, principal, self._settings, now))
        finally:
            self._working -= 1


INTERNAL: Final = Problem(
    500, "internal", "a fault of ours, and it is in the log of this peer; whether anything was done is unknown"
)
