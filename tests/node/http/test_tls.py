"""HTTP over TLS: who shows a certificate of this cluster has a name; everybody else is a stranger with a deadline."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from quorate.node.certs import places_in
from quorate.node.config import TlsConfig, TokensConfig
from quorate.node.http import HttpLimits, HttpServer, HttpSettings, create_server
from quorate.node.tls import LiveTls, principal_of
from tests.node.certificates import files_of, with_certificates
from tests.node.http.fake_peer import FakePeer
from tests.polling import eventually_async

Place = tuple[HttpServer, int, Path]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server with TLS that asks for login and takes tokens too."""
    made = with_certificates(tmp_path)
    config = type(made)(cluster=made.cluster, peers=made.peers, tls=made.tls, tokens=TokensConfig(tmp_path / "tokens"))
    peer = FakePeer()
    server = create_server(
        peer,
        HttpSettings(wants_login=True, limits=HttpLimits(pre_auth_s=0.5)),
        peer.list_history,
        wake=peer.wake,
        registry=CollectorRegistry(),
        certificate_principal=lambda shown: principal_of(shown, config.cluster),
        more_checks=dict,
    )
    port = await server.start("127.0.0.1", 0, LiveTls(config, "a").http_server)
    yield server, port, tmp_path
    await server.stop(1.0)


def _context(folder: Path, files: TlsConfig | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    if files is not None:
        context.load_cert_chain(files.cert, files.key)
    return context


def _files(place: Place, name: str) -> TlsConfig:
    return places_in(place[2]).of(name)


async def _submit(place: Place, files: TlsConfig | None) -> tuple[int, str | None]:
    """(status, principal) of a submission with these files."""
    _, port, folder = place
    url = f"https://127.0.0.1:{port}/v1/tasks"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"handler": "shop.ship"}, ssl=_context(folder, files)) as answer,
    ):
        return answer.status, (await answer.json(content_type=None)).get("principal")


async def test_a_certificate_of_the_cluster_names_the_principal(place: Place) -> None:
    assert await _submit(place, _files(place, "admin")) == (201, "client/admin")
    assert await _submit(place, _files(place, "b")) == (201, "peer/b")


async def test_without_a_certificate_it_is_401(place: Place) -> None:
    assert await _submit(place, None) == (401, None)


async def test_a_certificate_of_another_cluster_gets_no_connection(place: Place, tmp_path: Path) -> None:
    other = with_certificates(tmp_path / "other", "other")
    with pytest.raises(aiohttp.ClientError):
        await _submit(place, files_of(other, "a"))


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x00\x05\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_a_handshake_that_does_not_come_to_an_end_is_cut(place: Place, sent: bytes) -> None:
    server, port, _ = place
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await eventually_async(lambda: _is(server._door.strangers == 1), 2.0)
    await asyncio.wait_for(reader.read(), 3.0)
    await eventually_async(lambda: _is(len(server._door) == 0), 2.0)
    writer.close()


async def test_five_hundred_unfinished_handshakes_leave_room_for_the_next(place: Place) -> None:
    server, port, _ = place
    attackers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(500)]
    assert server._door.strangers <= HttpLimits().strangers_per_address
    assert (await _submit(place, _files(place, "admin")))[0] == 201
    for _, writer in attackers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in attackers), return_exceptions=True)


async def _is(fact: bool) -> bool:
    return fact


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(place: Place) -> None:
    """No error in the loop, and its request is no longer worked on."""
    raised: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: raised.append(context))
    before = len(asyncio.all_tasks())
    _, port, folder = place
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=_context(folder, _files(place, "admin")), server_hostname="127.0.0.1"
    )
    body = b'{"handler": "shop.ship"}'
    head = "POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def working() -> bool:
        return len(asyncio.all_tasks()) > before

    async def left() -> bool:
        return len(asyncio.all_tasks()) <= before

    await eventually_async(working, 5.0, "the request is worked on")
    writer.close()
    await eventually_async(left, 5.0, "nothing is worked on")
    assert raised == []
    await asyncio.wait_for(reader.read(), 5.0)
