"""A server on loopback with a peer in memory behind it, and a client in front."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from quorate.node.http import HttpServer, HttpSettings, create_server
from tests.node.http.fake_peer import FakePeer


@dataclass
class Site:
    peer: FakePeer
    server: HttpServer
    port: int
    http: aiohttp.ClientSession
    registry: CollectorRegistry

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(path, json=body, headers=told) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(path, headers=told) as answer:
            return answer.status, await answer.json(content_type=None)


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site() -> AsyncIterator[Open]:
    """Opens servers with settings of their own; all are closed at the end."""
    sites: list[Site] = []

    async def opened(settings: HttpSettings | None = None, peer: FakePeer | None = None) -> Site:
        peer = peer or FakePeer()
        registry = CollectorRegistry()
        server = create_server(
            peer,
            settings or HttpSettings(request_s=2.0),
            peer.list_history,
            wake=peer.wake,
            registry=registry,
            certificate_principal=lambda _certificate: None,
            more_checks=dict,
        )
        port = await server.start("127.0.0.1", 0, None)
        connector = aiohttp.TCPConnector(limit=200)
        http = aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector)
        sites.append(Site(peer, server, port, http, registry))
        return sites[-1]

    yield opened
    for site in sites:
        await site.http.close()
        await site.server.stop(1.0)


@pytest.fixture
async def site(open_site: Open) -> Site:
    return await open_site()
