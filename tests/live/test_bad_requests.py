"""What nobody should send, sent to a real cluster: a 4xx that names the field, nothing in the log, no peer harmed
(promise 9)."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.live.processes import LiveCluster

TASKS = "/v1/tasks"
NO_SUCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Bad(NamedTuple):
    what: str
    body: bytes
    status: int
    field: str
    content_type: str = "application/json"
    path: str = TASKS
    head: bytes = b""


def one(**members: object) -> bytes:
    return json.dumps({"handler": "builtin.noop", **members}).encode()


def cycle() -> bytes:
    tasks = [{"handler": "builtin.noop", "ref": r, "after": [other]} for r, other in ("xy", "yx")]
    return json.dumps({"tasks": tasks}).encode()


BAD = [
    Bad("no JSON", b'{"handler": ', 400, ""),
    Bad("nothing", b"", 400, ""),
    Bad("invalid UTF-8", b'{"handler": "builtin.noop", "queue": "\xff\xfe"}', 400, ""),
    Bad("half a surrogate", b'{"handler": "builtin.noop", "queue": "\\ud800"}', 400, ""),
    Bad("too deep", b'{"handler": "builtin.echo", "args": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400, ""),
    Bad("a wrong type", one(priority="high"), 400, "priority"),
    Bad(
        "a wrong type within many", b'{"tasks": [{"handler": "builtin.noop"}, {"handler": 7}]}', 400, "tasks[1].handler"
    ),
    Bad("out of range", one(priority=101), 400, "priority"),
    Bad("an unknown field", one(colour="red"), 400, "colour"),
    Bad("no handler", b"{}", 400, "handler"),
    Bad("a name no peer ever registered", one(handler="no.such"), 400, "handler"),
    Bad("a cycle", cycle(), 400, "after"),
    Bad("after a task that never was", one(after=[NO_SUCH]), 400, "after"),
    Bad("a deadline without zone", one(deadline="2030-01-01T00:00:00"), 400, "deadline"),
    Bad("a number no float holds", b'{"handler": "builtin.noop", "timeout": 1e999}', 400, "timeout"),
    Bad("too large arguments", one(args={"x": "y" * 300_000}), 413, "args"),
    Bad("10,001 tasks", json.dumps({"tasks": [{"handler": "builtin.noop"}] * 10_001}).encode(), 413, "tasks"),
    Bad("5 MiB", b'{"handler": "builtin.echo", "args": {"x": "' + b"y" * 5 * 1024 * 1024 + b'"}}', 413, ""),
    Bad("a wrong content type", b"handler=builtin.noop", 415, "Content-Type", "application/x-www-form-urlencoded"),
    Bad("what is not built yet", one(compensate={"handler": "builtin.noop"}), 400, "compensate"),
    Bad("an unknown query member", one(), 400, "colour", path=f"{TASKS}?colour=red"),
    Bad("a wait without number", one(), 400, "Prefer", head=b"Prefer: wait=soon\r\n"),
    Bad("a timeout below zero", one(), 400, "Quorate-Timeout", head=b"Quorate-Timeout: -1\r\n"),
    Bad("a megabyte header", one(), 431, "", head=b"X-Long: " + b"x" * 1024 * 1024 + b"\r\n"),
]


CUT_OFF = (431, {"outcome": "refused", "status": 431})
"""A sender that is cut off in the middle of its megabyte may find its connection reset before it reads why."""


@pytest.fixture(scope="module", autouse=True)
def log_unmoved(lasting_cluster: LiveCluster) -> Iterator[None]:
    """No task, live or ended, came of all of them together."""
    yield
    for peer in lasting_cluster.ids:
        status, told = lasting_cluster.ask(peer, "GET", f"{TASKS}?limit=100")
        assert (status, told["tasks"]) == (200, [])


def exchange(cluster: LiveCluster, bad: Bad) -> tuple[int, dict[str, object]]:
    """By hand: what is sent is what no library would send."""
    with socket.create_connection(("127.0.0.1", cluster.http_port["a"]), timeout=20) as client:
        head = (
            f"POST {bad.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: {bad.content_type}\r\nContent-Length: {len(bad.body)}\r\n"
        )
        # It may be refused before it is read; the answer is there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(head.encode() + bad.head + b"\r\n" + bad.body)
        answer = everything_from(client)
    top, _, body = answer.partition(b"\r\n\r\n")
    return (int(top.split()[1]), json.loads(body)) if top else CUT_OFF


def everything_from(client: socket.socket) -> bytes:
    answer = b""
    try:
        while part := client.recv(65_536):
            answer += part
    except ConnectionResetError:
        return answer
    return answer


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_it_is_refused_with_the_field_and_leaves_no_trace(shared: LiveCluster, bad: Bad) -> None:
    """The problem says `refused`; live tasks and state hash are what they were."""
    before = shared.view("a")
    status, told = exchange(shared, bad)
    assert status == bad.status, told
    assert told["outcome"] == "refused"
    assert told["status"] == bad.status
    if bad.field:
        assert bad.field in str(told.get("field")), told
    after = shared.view("a")
    assert after["live_tasks"] == before["live_tasks"] == 0
    assert after["leader"] == before["leader"]


UNFINISHED = {
    "half a body": b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "half a head": b"POST /v1/tasks HTTP/1.1\r\nHost: loc",
    "nothing": b"",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "garbage": b"GET / HTTP/9.9\r\n\r\n\x00\x00\xff",
}


def test_a_request_that_never_ends_is_closed_in_time(shared: LiveCluster) -> None:
    """5 s after it came, whatever it says or does not say; nobody else waits for it."""
    began = time.monotonic()
    clients = [socket.create_connection(("127.0.0.1", shared.http_port["a"]), timeout=15) for _ in UNFINISHED]
    for client, words in zip(clients, UNFINISHED.values(), strict=True):
        client.sendall(words)
    assert shared.ask("a", "GET", "/livez")[0] == 200
    for client in clients:
        with client:
            everything_from(client)
    assert time.monotonic() - began < 10.0
