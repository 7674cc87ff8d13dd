"""The demo's own client: what was not surely refused is asked again, of the next peer, unchanged."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from examples.orders import api
from examples.orders.api import DemoFailed, Peers
from examples.orders.chain import tasks_of
from examples.orders.cluster_file import PeerPlace
from examples.orders.probe import Acknowledgement, Probe
from tests.examples.orders.records import SALE

Answer = Callable[[int, list[dict[str, object]]], web.Response]


class FakePeer:
    """Answers NDJSON submissions as it is told to, the n-th from 1, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.bodies: list[bytes] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return self._answer(len(self.bodies), [json.loads(line) for line in self.bodies[-1].splitlines()])


def accepted(_: int, tasks: list[dict[str, object]]) -> web.Response:
    lines = [json.dumps({"status": 201, "id": f"id-{task['ref']}"}) for task in tasks]
    return web.Response(text="\n".join(lines))


def no_quorum(_: int, tasks: list[dict[str, object]]) -> web.Response:
    return web.Response(status=503)


def came_too_slowly(_: int, tasks: list[dict[str, object]]) -> web.Response:
    return web.json_response({"type": "urn:quorate:problem:late", "outcome": "refused"}, status=408)


def last_line_too_many(_: int, tasks: list[dict[str, object]]) -> web.Response:
    statuses = [201] * (len(tasks) - 1) + [429]
    return web.Response(text="\n".join(json.dumps({"status": status, "id": "x"}) for status in statuses))


def first_line_refused(_: int, tasks: list[dict[str, object]]) -> web.Response:
    return web.Response(text=json.dumps({"status": 422, "title": "key_reused"}))


Serve = Callable[..., Awaitable[Peers]]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    monkeypatch.setattr(api, "ASK_AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(api, "GIVE_UP_AFTER_S", 5.0)
    servers: list[TestServer] = []
    clients: list[Peers] = []

    async def start(*fakes: FakePeer) -> Peers:
        places = []
        for number, fake in enumerate(fakes):
            app = web.Application()
            app.router.add_post("/v1/tasks", fake.serve)
            server = TestServer(app)
            await server.start_server()
            servers.append(server)
            places.append(PeerPlace("abc"[number], "", f"127.0.0.1:{server.port}", Path()))
        clients.append(Peers(tuple(places)))
        return clients[-1]

    yield start
    for client in clients:
        await client.__aexit__()
    for server in servers:
        await server.close()


IDS = [f"id-{SALE.number}:{step}" for step in ("pay", "reserve", "ship")]


@pytest.mark.parametrize("first_answer", [no_quorum, came_too_slowly, last_line_too_many])
async def test_the_next_peer_is_asked_the_same(serve: Serve, first_answer: Answer) -> None:
    tired, well = FakePeer(first_answer), FakePeer(accepted)
    peers = await serve(tired, well)
    assert await peers.submit(tasks_of(SALE), first="a") == IDS
    assert tired.bodies == well.bodies


async def test_a_peer_asked_later_is_asked_again(serve: Serve) -> None:
    """All peers may be without a quorum for a moment."""
    peer = FakePeer(lambda n, tasks: accepted(n, tasks) if n == 3 else no_quorum(n, tasks))
    peers = await serve(peer)
    assert await peers.submit(tasks_of(SALE), first="a") == IDS
    assert len(peer.bodies) == 3


async def test_what_is_refused_for_good_ends_the_demo(serve: Serve) -> None:
    refusing, untouched = FakePeer(first_line_refused), FakePeer(accepted)
    peers = await serve(refusing, untouched)
    with pytest.raises(DemoFailed, match="key_reused"):
        await peers.submit(tasks_of(SALE), first="a")
    assert untouched.bodies == []


async def test_only_a_write_that_began_later_shows_that_the_cluster_leads(serve: Serve) -> None:
    """An answer that was still on its way when the leader died shows nothing."""
    writer = Probe(await serve(FakePeer(accepted)))
    died_s = time.monotonic()
    writer.acknowledgements.append(Acknowledgement(died_s - 1.0, died_s + 0.5))
    assert await writer.led_again(died_s, within_s=0.05) is None
    writer.acknowledgements += [
        Acknowledgement(died_s + 0.2, died_s + 1.5),
        Acknowledgement(died_s + 0.1, died_s + 1.3),
    ]
    assert await writer.led_again(died_s, within_s=5.0) == pytest.approx(1.3)
