"""Streams: tasks as NDJSON, ends of tasks, events."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from quorate.node.http import HttpLimits, HttpSettings
from tests.node.http.conftest import Open, Site
from tests.node.http.fake_peer import FakePeer
from tests.polling import eventually_async

NDJSON = {"Content-Type": "application/x-ndjson"}


async def _stream(site: Site, *lines: object, **headers: str) -> tuple[int, list[dict[str, Any]]]:
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    told = NDJSON | {name.replace("_", "-"): value for name, value in headers.items()}
    async with site.http.post("/v1/tasks", data=body, headers=told) as answer:
        return answer.status, [json.loads(line) for line in (await answer.text()).splitlines()]


async def test_every_line_gets_its_own_answer_in_order(site: Site) -> None:
    status, lines = await _stream(
        site,
        {"handler": "shop.charge"},
        b"{not json",
        {"handler": "shop.nobody"},
        b"",
        {"handler": "shop.ship", "priority": 1000},
        {"handler": "shop.ship"},
    )
    assert status == 200
    assert [line["line"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["status"] for line in lines] == [201, 400, 400, 400, 201]
    assert [line.get("field") for line in lines[1:4]] == [None, "handler", "priority"]
    assert [line["id"] for line in (lines[0], lines[4])] == list(site.peer.machine.tasks)


async def test_lines_are_keyed_and_may_be_sent_again(site: Site) -> None:
    first = await _stream(site, {"handler": "shop.charge"}, {"handler": "shop.ship"}, Idempotency_Key="batch")
    again = await _stream(
        site, {"handler": "shop.charge"}, {"handler": "shop.ship"}, {"handler": "shop.ship"}, Idempotency_Key="batch"
    )
    assert [line["id"] for line in again[1][:2]] == [line["id"] for line in first[1]]
    assert [line["replayed"] for line in again[1]] == [True, True, False]
    assert [task.key for task in site.peer.machine.tasks.values()] == ["batch/1", "batch/2", "batch/3"]


async def test_one_refused_line_does_not_take_its_batch_with_it(site: Site) -> None:
    await site.post("/v1/tasks", {"handler": "shop.charge", "key": "taken"})
    _, lines = await _stream(
        site, {"handler": "shop.ship"}, {"handler": "shop.ship", "key": "taken"}, {"handler": "shop.ship"}
    )
    assert [line["status"] for line in lines] == [201, 422, 201]


async def test_later_lines_may_wait_for_earlier_ones(site: Site) -> None:
    _, lines = await _stream(
        site,
        {"handler": "shop.charge", "ref": "c"},
        {"handler": "shop.ship", "after": ["c"]},
        {"handler": "shop.ship", "after": ["later"]},
        {"handler": "shop.ship", "ref": "c"},
    )
    assert [line["status"] for line in lines] == [201, 201, 400, 400]
    assert site.peer.machine.tasks[lines[1]["id"]].after == (lines[0]["id"],)


async def test_thousands_of_lines_are_submitted_in_batches(site: Site) -> None:
    _, lines = await _stream(site, *[{"handler": "shop.ship"}] * 5_000)
    assert len({line["id"] for line in lines}) == 5_000
    assert len(site.peer.submitted) < 100


async def test_answers_come_while_the_stream_is_still_open(site: Site) -> None:
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"handler":"shop.ship"}\n'
        await more.wait()
        yield b'{"handler":"shop.ship"}'

    async with site.http.post("/v1/tasks", data=body(), headers=NDJSON) as answer:
        first = json.loads(await asyncio.wait_for(answer.content.readline(), 2.0))
        assert first["status"] == 201
        more.set()
        assert json.loads(await asyncio.wait_for(answer.content.readline(), 2.0))["line"] == 2


async def test_a_stream_is_not_waited_for(site: Site) -> None:
    async with site.http.post(
        "/v1/tasks", data=b'{"handler":"shop.ship"}', headers=NDJSON | {"Prefer": "wait=5"}
    ) as answer:
        told = await answer.json(content_type=None)
        assert (answer.status, told["field"]) == (400, "Prefer")
        assert "/v1/tasks/wait" in told["detail"]
    assert not site.peer.submitted


async def test_an_empty_stream_and_an_endless_line_are_refused(site: Site) -> None:
    assert (await _stream(site, b"\n\n"))[0] == 400

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async with site.http.post("/v1/tasks", data=endless(), headers=NDJSON) as answer:
        assert answer.status == 413
    assert not site.peer.submitted


async def test_without_a_quorum_each_line_says_so(site: Site) -> None:
    site.peer.quorum = False
    status, lines = await _stream(site, {"handler": "shop.ship"}, {"handler": "shop.ship"}, Quorate_Timeout="0.05")
    assert (status, [line["status"] for line in lines]) == (200, [503, 503])
    assert {line["outcome"] for line in lines} == {"refused"}


# --- ends -----------------------------------------------------------------------------------------


async def test_ends_are_told_as_they_come_one_line_per_task(site: Site) -> None:
    one, two, three = (site.peer.put() for _ in range(3))
    site.peer.succeed(two, b"2")
    body = {"ids": [one, two, three, "01J00000000000000000000000"], "wait": 0.5}
    async with site.http.post("/v1/tasks/wait", json=body) as answer:
        assert answer.status == 200
        lines = [json.loads(await answer.content.readline()) for _ in range(2)]
        assert (lines[0]["id"], lines[0]["status"]) == ("01J00000000000000000000000", 404)
        assert (lines[1]["id"], lines[1]["result"]) == (two, 2)
        site.peer.fail(one)
        line = json.loads(await asyncio.wait_for(answer.content.readline(), 0.4))
        assert (line["id"], line["state"]) == (one, "failed")
        line = json.loads(await answer.content.readline())
        assert (line["id"], line["state"]) == (three, "ready"), "when the wait is over: as it is"
        assert await answer.content.readline() == b""
    assert not site.peer.reactor.waiting


async def test_thousands_of_ends_on_one_connection(site: Site) -> None:
    tasks = [site.peer.put() for _ in range(2_000)]

    async def ask() -> list[dict[str, Any]]:
        async with site.http.post("/v1/tasks/wait", json={"ids": tasks, "wait": 20}) as answer:
            return [json.loads(line) async for line in answer.content]

    asking = asyncio.create_task(ask())
    await eventually_async(lambda: _is(site.peer.reactor.waiting == 2_000), 5.0)
    for task in tasks:
        site.peer.succeed(task)
    told = await asking
    assert sorted(line["id"] for line in told) == sorted(tasks)
    assert {line["state"] for line in told} == {"succeeded"}


# --- events ---------------------------------------------------------------------------------------


async def _events(answer: aiohttp.ClientResponse, count: int) -> list[dict[str, str]]:
    """The next `count` events, comments left out."""
    events: list[dict[str, str]] = []
    event: dict[str, str] = {}
    while len(events) < count:
        line = (await asyncio.wait_for(answer.content.readline(), 2.0)).decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = value
        elif "data" in event:
            events.append(event)
            event = {}
        else:
            event = {}
    return events


async def test_events_come_in_order_and_can_be_resumed(site: Site) -> None:
    async with site.http.get("/v1/events") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        task = site.peer.put()
        site.peer.succeed(task)
        events = await _events(answer, 3)
    assert [json.loads(event["data"])["kind"] for event in events] == ["submitted", "running", "succeeded"]
    assert {event["event"] for event in events} == {"task"}
    await eventually_async(lambda: _is(site.server._service.event_streams == 0), 2.0)
    async with site.http.get("/v1/events", headers={"Last-Event-ID": events[0]["id"]}) as answer:
        assert await _events(answer, 2) == events[1:]


async def test_a_reader_that_asks_for_more_than_is_kept_is_told_of_the_gap(open_site: Open) -> None:
    site = await open_site(peer=FakePeer(events_kept=3))
    for _ in range(10):
        site.peer.put()
    async with site.http.get("/v1/events", headers={"Last-Event-ID": "1.0"}) as answer:
        events = await _events(answer, 4)
    assert [event["event"] for event in events] == ["gap", "task", "task", "task"]
    assert "id" not in events[0]


async def test_events_are_filtered(site: Site) -> None:
    async with site.http.get("/v1/events?handler=shop.ship&state=succeeded") as answer:
        site.peer.succeed(site.peer.put())
        task = site.peer.put(handler="shop.ship")
        site.peer.succeed(task)
        (event,) = await _events(answer, 1)
    assert json.loads(event["data"])["task"] == task


async def test_a_reader_that_takes_nothing_is_dropped(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(event_buffer_bytes=100_000)))
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(reader, ("127.0.0.1", site.port))
        await loop.sock_sendall(reader, b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await eventually_async(lambda: _is(site.server._service.event_streams == 1), 2.0)

        async def dropped() -> bool:
            for _ in range(100):
                site.peer.put()
            return site.server._service.event_streams == 0

        await eventually_async(dropped, 20.0)
    assert (await site.get("/v1/cluster"))[0] == 200


async def test_too_many_event_streams_are_429(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(event_streams=1)))
    async with site.http.get("/v1/events") as answer:
        assert answer.status == 200
        assert (await site.get("/v1/events"))[0] == 429


async def test_a_server_that_stops_ends_waits_and_streams(site: Site) -> None:
    task = site.peer.put()
    waiting = asyncio.create_task(site.get(f"/v1/tasks/{task}?wait=60"))
    await eventually_async(lambda: _is(bool(site.peer.reactor.waiting)), 2.0)
    async with site.http.get("/v1/events") as events:
        await asyncio.wait_for(site.server.stop(5.0), 3.0)
        assert (await waiting)[1]["state"] == "ready"
        assert b"retry" in await events.content.read()


async def _is(fact: bool) -> bool:
    return fact
