"""Every call of the HTTP interface, carried out.

Law: this is the only file of a client that opens connections. A call goes to one peer after the other until it is
settled (`quorate.protocol.failover` decides), so that a dead, frozen or leaderless peer costs time and never a task.
Used from one event loop.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.errors import CannotConnect, NotFound, QuorateError, Unknown, refusal
from quorate.protocol.access import Access
from quorate.protocol.call import NDJSON, Answer, Call, Effect
from quorate.protocol.failover import LONGEST_PAUSE_S, PASSING, UNKNOWN, Attempt, Attempts, Route
from quorate.protocol.sse import EventReader
from quorate.protocol.told import (
    Event,
    Line,
    Page,
    TaskInfo,
    read_end,
    read_json,
    read_lines,
    read_page,
    read_task,
    read_tasks,
)

MAX_ANSWER_BYTES = 512 * 1024 * 1024
"""10,000 tasks with their results are far smaller; more is no answer of a peer."""
MAX_LINE_BYTES = 4 * 1024 * 1024
CONNECT_S = 2.0
"""For one connection to one peer, TLS included."""
CONNECTIONS = 256
IDLE_CONNECTION_S = 30.0
"""Shorter than a peer's own patience, so that a request is never sent into a connection that is being closed."""
WAIT_S = 5.0
"""A wait is asked for in pieces of this length: a peer that freezes meanwhile is noticed after one."""
ANSWER_MARGIN_S = 1.5
"""A peer is told to answer this much before we stop listening: `Unknown` from a peer says more than silence."""
SILENT_STREAM_S = 45.0
"""An event stream says something, if only a comment, more often than this."""
REOPEN_PAUSE_S = 0.25

Consume = Callable[[aiohttp.ClientResponse], Awaitable[bytes]]


class Calls:
    """timeout_s: for each call, all attempts together. connect_s: as long as nobody was reached at all."""

    def __init__(self, access: Access, timeout_s: float, connect_s: float) -> None:
        self._ssl = access.ssl_context()
        self._route = Route(access.endpoints)
        self._token = access.token
        self._timeout_s = timeout_s
        self._connect_s = connect_s
        self._opened: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def submit(self, task: bytes, wait_s: float = 0.0) -> TaskInfo:
        """One task object. wait_s: how long to wait for its end; then the task as it is."""
        headers = {"Prefer": f"wait={wait_s:g}"} if wait_s else {}
        call = Call("POST", "/v1/tasks", Effect.SAFE, body=task, headers=headers, wait_s=wait_s)
        return read_task((await self.ask(call)).body)

    async def submit_all(self, tasks: Sequence[bytes]) -> list[TaskInfo]:
        """All or none."""
        body = b'{"tasks":[' + b",".join(tasks) + b"]}"
        return read_tasks((await self.ask(Call("POST", "/v1/tasks", Effect.SAFE, body=body))).body)

    async def submit_lines(self, tasks: Sequence[bytes], begun: int) -> list[str]:
        """Each on its own; the ids in order. begun: tasks submitted before, for the numbers in refusals.

        Raises the first refusal: the lines before it, and some after it, are accepted then.
        """
        call = Call("POST", "/v1/tasks", Effect.SAFE, body=b"\n".join(tasks) + b"\n", content_type=NDJSON)
        deadline = time.monotonic() + self._timeout_s
        pause_s = REOPEN_PAUSE_S
        while True:
            lines = read_lines((await self.ask(call)).body)
            refused = next((line for line in lines if not line.id), None)
            if refused is None and len(lines) == len(tasks):
                return [line.id for line in lines]
            if refused is not None and refused.status not in PASSING | UNKNOWN:
                raise refusal(refused.status, refused.problem(begun + lines.index(refused)))
            if time.monotonic() + pause_s > deadline:
                raise _unsettled(refused, begun + lines.index(refused) if refused else begun)
            # All of them, since a line may name an earlier one; the keys make it the same submission.
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def task(self, task: str, wait_s: float = 0.0, query: Mapping[str, str] | None = None) -> TaskInfo:
        """wait_s: how long to wait for its end; then the task as it is."""
        asked = {**(query or {}), **({"wait": f"{wait_s:g}"} if wait_s else {})}
        call = Call("GET", _path("tasks", task), Effect.READ, query=asked, wait_s=wait_s)
        return read_task((await self.ask(call)).body)

    async def wait(self, tasks: Iterable[str], ended: Callable[[str, TaskInfo | NotFound], None]) -> None:
        """Tells tasks as they end, or that there is no such task, for up to `WAIT_S`; returns earlier when all have
        ended or the connection broke.
        """
        body = msgspec.json.encode({"ids": list(tasks), "wait": WAIT_S})

        async def consume(response: aiohttp.ClientResponse) -> bytes:
            try:
                async for lines in _lines(response):
                    for end in map(read_end, lines):
                        if isinstance(end, NotFound):
                            ended(str(end.problem["task"]), end)
                        elif end.has_ended:
                            ended(end.id, end)
            except (aiohttp.ClientError, TimeoutError, OSError):
                self._route.failed(str(response.url.origin()))
            return b""

        await self._ask(Call("POST", "/v1/tasks/wait", Effect.READ, body=body, wait_s=WAIT_S), consume)

    async def page(self, query: Mapping[str, str]) -> Page:
        return read_page((await self.ask(Call("GET", "/v1/tasks", Effect.READ, query=query))).body)

    async def timeline(self, task: str) -> list[dict[str, Any]]:
        told = await self.ask(Call("GET", _path("tasks", task, "events"), Effect.READ))
        return list(read_json(told.body)["events"])

    async def why(self, task: str) -> dict[str, Any]:
        return dict(read_json((await self.ask(Call("GET", _path("tasks", task, "why"), Effect.READ))).body))

    async def ready(self, task: str) -> TaskInfo:
        return await self._act(task, "ready", Effect.ONCE, {})

    async def cancel(self, task: str, reason: str) -> TaskInfo:
        return await self._act(task, "cancel", Effect.SAFE, {"reason": reason} if reason else {})

    async def retry(self, task: str) -> TaskInfo:
        return await self._act(task, "retry", Effect.ONCE, {})

    async def _act(self, task: str, verb: str, effect: Effect, body: Mapping[str, str]) -> TaskInfo:
        call = Call("POST", _path("tasks", task, verb), effect, body=msgspec.json.encode(body))
        return read_task((await self.ask(call)).body)

    # --- the cluster --------------------------------------------------------------------------------------------------

    async def cluster(self) -> dict[str, Any]:
        return dict(read_json((await self.ask(Call("GET", "/v1/cluster", Effect.READ))).body))

    async def openapi(self) -> dict[str, Any]:
        return dict(read_json((await self.ask(Call("GET", "/openapi.json", Effect.READ))).body))

    async def events(self, after: str, query: Mapping[str, str]) -> AsyncGenerator[list[Event], None]:
        """Endless: a broken stream goes on at another peer behind the last event seen.

        Raises CannotConnect, NoQuorum, Refused.
        """
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
            call = Call("GET", "/v1/events", Effect.READ, query=query, headers=headers)
            response = await self._open(call)
            reader = EventReader()
            reader.last_id = after
            try:
                async for chunk in response.content.iter_any():
                    if events := reader.feed(chunk):
                        yield events
            except (aiohttp.ClientError, TimeoutError, OSError):
                self._route.failed(str(response.url.origin()))
            finally:
                response.close()
                after = reader.last_id
            await asyncio.sleep(REOPEN_PAUSE_S)

    # --- one call, all attempts ---------------------------------------------------------------------------------------

    async def ask(self, call: Call) -> Answer:
        """The answer (below 400). Raises a QuorateError."""
        return await self._ask(call, _whole_body)

    async def _ask(self, call: Call, consume: Consume) -> Answer:
        async def exchange(attempt: Attempt) -> Answer:
            limits = aiohttp.ClientTimeout(total=attempt.timeout_s, sock_connect=CONNECT_S)
            async with self._request(call, attempt, limits) as response:
                body = await (consume(response) if response.status < 400 else _whole_body(response))
                return Answer(response.status, response.headers, body)

        return await self._until_settled(call, exchange)

    async def _open(self, call: Call) -> aiohttp.ClientResponse:
        """A response whose body goes on; the caller closes it."""
        opened: list[aiohttp.ClientResponse] = []

        async def exchange(attempt: Attempt) -> Answer:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_STREAM_S)
            response = await asyncio.wait_for(self._request(call, attempt, limits), attempt.timeout_s)
            if response.status < 400:
                opened.append(response)
                return Answer(response.status, response.headers, b"")
            async with response:
                return Answer(response.status, response.headers, await _whole_body(response))

        await self._until_settled(call, exchange)
        return opened[-1]

    async def _until_settled(self, call: Call, exchange: Callable[[Attempt], Awaitable[Answer]]) -> Answer:
        now = time.monotonic()
        attempts = Attempts(call, self._route, now + self._timeout_s, now + self._connect_s)
        while True:
            attempt = attempts.next(time.monotonic())
            if attempt.pause_s > 0:
                await asyncio.sleep(attempt.pause_s)
            try:
                answer = await exchange(attempt)
            except aiohttp.ClientConnectorError as error:
                # What the system says; what the library makes of it speaks of its own settings.
                why = error.os_error.strerror or str(error.os_error)
                attempts.unreachable(attempt.endpoint, why, time.monotonic())
            except aiohttp.ConnectionTimeoutError:
                attempts.unreachable(attempt.endpoint, f"no connection within {CONNECT_S:g} s", time.monotonic())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = str(error) or f"silent for {attempt.timeout_s:.1f} s"
                attempts.lost(attempt.endpoint, why, time.monotonic())
            else:
                if attempts.settled(attempt.endpoint, answer, time.monotonic()):
                    return answer

    def _request(self, call: Call, attempt: Attempt, limits: aiohttp.ClientTimeout) -> Any:
        headers = dict(call.headers)
        margin_s = min(ANSWER_MARGIN_S, attempt.timeout_s * 0.3)
        headers["Quorate-Timeout"] = f"{max(0.01, attempt.timeout_s - margin_s):.3f}"
        if call.method != "GET":
            headers["Content-Type"] = call.content_type
        return self._session().request(
            call.method,
            attempt.endpoint + call.path,
            params=call.query or None,
            data=call.body or None,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, keepalive_timeout=IDLE_CONNECTION_S, ssl=True if self._ssl is None else self._ssl
            )
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._opened = aiohttp.ClientSession(connector=connector, headers=headers, raise_for_status=False)
        return self._opened


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _unsettled(line: Line | None, number: int) -> QuorateError:
    if line is None or line.status in UNKNOWN:
        return Unknown("some lines of the stream were not answered; repeating them under the same keys is safe")
    return refusal(line.status, line.problem(number))


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    if response.content_length is not None and response.content_length <= MAX_ANSWER_BYTES:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise CannotConnect(
                f"{response.url.origin()} answers with more than {MAX_ANSWER_BYTES} bytes: is this a Quorate peer?"
            )
    return bytes(body)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[list[bytes]]:
    """Complete lines, as many as came together; blank ones, sent to keep the connection alive, are left out."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise CannotConnect(
                f"{response.url.origin()} sends a line of more than {MAX_LINE_BYTES} bytes: is this a Quorate peer?"
            )
        if complete := [line for line in lines if line.strip()]:
            yield complete
