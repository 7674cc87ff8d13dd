"""A small stand-in for a cluster: several HTTP peers in one thread over one table of tasks.

Law: it keeps the promises a client relies on (keys, states, problems) and breaks, on command, what a network breaks.
"""

import asyncio
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = tuple[int, dict[str, str], dict[str, Any]]
ENDED = {"succeeded", "failed", "cancelled"}
NO_QUORUM: Answer = (503, {"Retry-After": "0"}, {"type": "urn:quorate:problem:no_quorum", "detail": "no majority"})
UNKNOWN: Answer = (504, {}, {"type": "urn:quorate:problem:unknown", "detail": "no answer in time"})


def slow_down(seconds: float) -> Answer:
    return 429, {"Retry-After": f"{seconds:g}"}, {"type": "urn:quorate:problem:overloaded", "detail": "too much"}


@dataclass
class Peer:
    name: str
    url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(method, path with query, headers) of every request that came."""
    script: deque[Answer | str] = field(default_factory=deque)
    """What the next requests meet instead of an answer: an answer given here, or one of: `drop`, `drop-after` (it was
    done), `freeze`."""

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]


class FakeCluster:
    def __init__(self, peers: int) -> None:
        self.peers = [Peer(name) for name in "abcde"[:peers]]
        self.tasks: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.cut_streams_after = 10**9
        """Events after which a stream breaks."""
        self.line_script: deque[dict[str, Any]] = deque()
        """What the next lines of a streamed submission are answered instead."""
        self.awaited: list[str] = []
        """The ids of the last request that awaited many."""
        self._number = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._changed: asyncio.Event = asyncio.Event()
        self._runners: dict[str, web.AppRunner] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoints(self) -> list[str]:
        return [peer.url for peer in self.peers]

    def do(self, action: Callable[[], None]) -> None:
        """In the cluster's own thread, done when this returns."""

        async def run() -> None:
            action()
            self._wake()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    def finish(self, task: str, **fields: Any) -> None:
        self.do(lambda: self.tasks[task].update({"state": "succeeded", **fields}))

    def kill(self, peer: Peer) -> None:
        """Its port refuses connections, those that are open break."""
        asyncio.run_coroutine_threadsafe(self._stop(peer), self._loop).result(5)

    def start(self) -> None:
        self._thread.start()
        for peer in self.peers:
            asyncio.run_coroutine_threadsafe(self._serve(peer), self._loop).result(5)

    def stop(self) -> None:
        for peer in self.peers:
            self.kill(peer)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def _serve(self, peer: Peer) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            peer.asked.append((request.method, request.path_qs, dict(request.headers)))
            scripted = peer.script.popleft() if peer.script else None
            if isinstance(scripted, tuple):
                status, headers, body = scripted
                return web.json_response({"status": status, **body}, status=status, headers=headers)
            if scripted == "freeze":
                await asyncio.Event().wait()
            if scripted == "drop":
                return _dropped(request)
            answer = await self._answer(request)
            return _dropped(request) if scripted == "drop-after" else answer

        server = web.Server(handle, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners[peer.name] = runner  # type: ignore[assignment]  # both kinds of runner are cleaned up alike
        peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _stop(self, peer: Peer) -> None:
        if runner := self._runners.pop(peer.name, None):
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "POST", ["v1", "tasks"]:
                return await self._submit(request)
            case "POST", ["v1", "tasks", "wait"]:
                return await self._wait(request)
            case "GET", ["v1", "tasks"]:
                return self._list(request)
            case "GET", ["v1", "events"]:
                return await self._events(request)
            case "GET", ["v1", "cluster"]:
                return web.json_response({"leader": "a", "peers": [{"id": peer.name} for peer in self.peers]})
            case _, ["v1", "tasks", task, *verb]:
                return await self._one(request, task, "/".join(verb))
        return _problem(404, "not-found", "nothing here")

    async def _submit(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.content_type == "application/x-ndjson":
            lines = [self._line(n, line) for n, line in enumerate((await request.read()).splitlines(), 1)]
            return web.Response(text="".join(json.dumps(line) + "\n" for line in lines))
        asked = await request.json()
        many = "tasks" in asked
        for n, task in enumerate(asked["tasks"] if many else [asked]):
            if refusal := self._refusal(task):
                at = f"tasks[{n}]." if many else ""
                return _problem(*refusal[:3], field=at + refusal[3])
        stored = [self._store(task) for task in (asked["tasks"] if many else [asked])]
        if "Prefer" in request.headers:
            await self._ended(stored[0]["id"], float(request.headers["Prefer"].removeprefix("wait=")))
        return web.json_response({"tasks": stored} if many else stored[0], status=201)

    def _line(self, number: int, line: bytes) -> dict[str, Any]:
        if self.line_script:
            return {"line": number, **self.line_script.popleft()}
        asked = json.loads(line)
        if refusal := self._refusal(asked):
            status, kind, detail, where = refusal
            return {"line": number, "status": status, "type": kind, "detail": detail, "field": where}
        return {"line": number, "status": 201, "id": self._store(asked)["id"]}

    def _refusal(self, asked: dict[str, Any]) -> tuple[int, str, str, str] | None:
        if asked["handler"] == "nobody.knows":
            return 400, "bad-field", "no peer has ever registered it", "handler"
        known = self.keys.get(asked.get("key", ""))
        if known is not None and known[1] != json.dumps(asked, sort_keys=True):
            return 422, "key_reused", "the key was used with other contents", "key"
        return None

    def _store(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = asked.get("key", "")
        if key in self.keys:
            return self.tasks[self.keys[key][0]]
        task = f"0{next(self._number):025d}"
        self.keys[key] = task, json.dumps(asked, sort_keys=True)
        error = {"type": "Boom", "message": "it broke", "code": "", "traceback": "Traceback ..."}
        ends: dict[str, dict[str, Any]] = {
            "builtin.noop": {"state": "succeeded", "result": None},
            "builtin.echo": {"state": "succeeded", "result": asked.get("args", {})},
            "builtin.fail": {"state": "failed", "error": error},
        }
        end = {"state": "held"} if asked.get("held") else ends.get(asked["handler"], {"state": "running"})
        self.tasks[task] = {"id": task, "attempt": 1, **{k: v for k, v in asked.items() if k != "ref"}, **end}
        return self.tasks[task]

    async def _one(self, request: web.BaseRequest, name: str, verb: str) -> web.StreamResponse:
        task = self.tasks.get(name)
        if task is None:
            return _problem(404, "not-found", f"no task {name}")
        match request.method, verb:
            case "GET", "":
                await self._ended(name, float(request.query.get("wait", "0")))
            case "GET", "events":
                return web.json_response({"id": name, "events": [{"kind": "submitted", "at": "2026-11-20T18:00:00Z"}]})
            case "GET", "why":
                return web.json_response({"id": name, "state": task["state"], "why": f"it is {task['state']}"})
            case "POST", "cancel" if task["state"] in ENDED - {"cancelled"}:
                return _problem(409, "already_ended", f"it has {task['state']}")
            case "POST", "cancel":
                task.update(state="cancelled", reason=(await request.json()).get("reason"))
            case "POST", "ready" if task["state"] == "held":
                task["state"] = "running"
            case "POST", "retry" if task["state"] == "failed":
                task["state"] = "running"
            case _:
                return _problem(409, "wrong_state", f"it is {task['state']}")
        self._wake()
        return web.json_response(task)

    async def _wait(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await request.json()
        response = web.StreamResponse()
        await response.prepare(request)
        self.awaited = asked["ids"]
        left = dict.fromkeys(asked["ids"])
        for name in [name for name in left if name not in self.tasks]:
            del left[name]
            missing = {"id": name, "status": 404, "problem": {"type": "x:not-found", "detail": f"no task {name}"}}
            await response.write(json.dumps(missing).encode() + b"\n")
        until = self._loop.time() + asked["wait"]
        while True:
            for name in [name for name in left if self.tasks[name]["state"] in ENDED]:
                del left[name]
                await response.write(json.dumps(self.tasks[name]).encode() + b"\n")
            if not left or not await self._change(until):
                break
        await response.write(b"".join(json.dumps(self.tasks[name]).encode() + b"\n" for name in left))
        await response.write_eof()
        return response

    def _list(self, request: web.BaseRequest) -> web.StreamResponse:
        state = request.query.get("state")
        found = [task for task in self.tasks.values() if state in (None, task["state"])][::-1]
        start, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "2"))
        more = str(start + limit) if start + limit < len(found) else None
        return web.json_response({"tasks": found[start : start + limit], "cursor": more})

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n: hello\n\n")
        last = request.headers.get("Last-Event-ID")
        seen = [address for address, _ in self.events].index(last) + 1 if last else 0
        sent = 0
        while True:
            for address, data in self.events[seen:]:
                if sent >= self.cut_streams_after:
                    assert request.transport is not None
                    request.transport.close()  # what was sent still arrives
                    return response
                text = f"id: {address}\nevent: task\ndata: {json.dumps(data)}\n\n"
                await response.write(text.encode())
                seen, sent = seen + 1, sent + 1
            await self._change(self._loop.time() + 60)

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def _ended(self, task: str, wait_s: float) -> None:
        until = self._loop.time() + wait_s
        while self.tasks[task]["state"] not in ENDED and await self._change(until):
            continue

    async def _change(self, until: float) -> bool:
        """Whether something changed before the time was over."""
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _problem(status: int, kind: str, detail: str, field: str = "") -> web.Response:
    body = {"type": f"urn:quorate:problem:{kind}", "status": status, "detail": detail, "field": field}
    return web.json_response(body, status=status)


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@contextmanager
def fake_cluster(peers: int = 3) -> Iterator[FakeCluster]:
    cluster = FakeCluster(peers)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
