"""Strangers, slow clients and crowds cost the healthy ones nothing."""

import asyncio
import json
from hashlib import sha256

import pytest

from quorate.node.http import HttpLimits, HttpSettings
from quorate.node.http.door import Door, group_of
from quorate.node.http.guard import host_name
from quorate.node.http.problems import Problem
from tests.node.http.conftest import Open, Site
from tests.polling import eventually_async

HEAD = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def _raw(site: Site, sent: bytes, within_s: float = 5.0) -> bytes:
    """What comes back, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), within_s)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


SLOW = HttpSettings(limits=HttpLimits(pre_auth_s=0.3, head_s=0.3, body_stall_s=0.3, body_s=0.6))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/clus",
        b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1",
        HEAD + b"Content-Length: 100\r\n\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"handler',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_a_stranger_who_does_not_finish_his_request_is_sent_away(open_site: Open, sent: bytes) -> None:
    site = await open_site(SLOW)
    answer = await _raw(site, sent, within_s=3.0)
    assert _status(answer) == 408
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["outcome"] == "refused"
    assert not site.peer.submitted


async def test_dripping_bytes_do_not_extend_the_deadline(open_site: Open) -> None:
    site = await open_site(SLOW)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)

    async def dripped_until_closed() -> bool:
        writer.write(b"x")
        return len(site.server._door) == 0

    writer.write(HEAD + b"X-Drip: ")
    await eventually_async(lambda: _is(len(site.server._door) == 1), 2.0)
    await eventually_async(dripped_until_closed, 3.0, "the connection is closed in spite of the bytes that still come")
    assert site.server._door.late == 1
    writer.close()
    del reader


async def test_a_known_client_has_the_same_deadline_for_its_next_head(open_site: Open) -> None:
    site = await open_site(SLOW)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"ok\n")
    idle_until = asyncio.get_running_loop().time() + 0.8  # longer than any head may take, which is allowed
    await eventually_async(lambda: _is(asyncio.get_running_loop().time() > idle_until), 2.0)
    writer.write(b"GET /livez HTTP/1.1\r\n")
    assert _status(await asyncio.wait_for(reader.read(), 3.0)) == 408
    writer.close()


async def test_two_thousand_half_open_connections_cost_the_healthy_nothing(site: Site) -> None:
    assert (await site.get("/v1/cluster"))[0] == 200
    attackers = []
    for n in range(2_000):
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(HEAD if n % 2 else b"")
        attackers.append(writer)
        if n % 100 == 0:
            status, _ = await site.post("/v1/tasks", {"handler": "shop.ship"})
            assert status == 201
    assert site.server._door.strangers <= HttpLimits().strangers_per_address
    for _ in range(20):
        answer = await _raw(site, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert _status(answer) == 200, "a newcomer of the same address is served too"
    for writer in attackers:
        writer.close()


async def test_the_oldest_stranger_gives_way_and_is_told_why(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(strangers_per_address=2)))
    first, first_writer = await asyncio.open_connection("127.0.0.1", site.port)
    first_writer.write(b"GET /li")
    await eventually_async(lambda: _is(site.server._door.strangers == 1), 2.0)
    others = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(2)]
    answer = await asyncio.wait_for(first.read(), 2.0)
    assert _status(answer) == 429
    assert b"Retry-After: 1" in answer
    for _, writer in [(first, first_writer), *others]:
        writer.close()


def test_a_full_house_takes_idle_places_before_it_turns_anybody_away() -> None:
    door = Door(HttpLimits(connections=2, strangers_per_address=10))
    ended: list[str] = []
    one, two = door.arrive("10.0.0.1", 0.0), door.arrive("10.0.0.2", 0.0)
    one.close = lambda _: ended.append("one")
    two.close = lambda _: ended.append("two")
    door.known(one)
    door.known(two)
    with pytest.raises(Problem) as refused:
        door.arrive("10.0.0.3", 1.0)
    assert (refused.value.status, ended) == (503, [])
    door.idle(one)
    three = door.arrive("10.0.0.3", 2.0)
    assert (ended, len(door), door.strangers) == (["one"], 2, 1)
    door.leave(one)
    door.leave(three)
    door.leave(two)
    assert len(door) == 0


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert group_of("2001:db8::1") == group_of("2001:db8::ffff:1")
    assert group_of("2001:db8:0:1::1") != group_of("2001:db8::1")
    assert group_of("::ffff:10.0.0.1") == group_of("10.0.0.1")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 200,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nBad Header: 1\r\n\r\n",
        b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_what_is_not_http_gets_400_and_the_connection_ends(site: Site, sent: bytes) -> None:
    answer = await _raw(site, sent)
    assert _status(answer) == 400
    assert b"application/problem+json" in answer
    assert (await site.get("/v1/cluster"))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Big: " + b"x" * (1 << 20),
        b"X" * (1 << 20) + b": 1",
        b"\r\n".join(b"X-%d: %b" % (n, b"x" * 500) for n in range(100)),
        b"\r\n".join(b"X-%d: 1" % n for n in range(5_000)),
    ],
    ids=["a megabyte value", "a megabyte name", "50 KiB in all", "5,000 headers"],
)
async def test_a_head_that_is_too_large_is_refused(site: Site, headers: bytes) -> None:
    answer = await _raw(site, b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")
    assert _status(answer) in (0, 400, 431)
    assert (await site.get("/v1/cluster"))[0] == 200


async def test_a_long_url_is_refused(site: Site) -> None:
    answer = await _raw(site, b"GET /v1/tasks?cursor=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert _status(answer) in (400, 431)


async def test_broken_chunks_are_refused(site: Site) -> None:
    answer = await _raw(site, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n")
    assert _status(answer) == 400
    assert not site.peer.submitted


async def test_a_half_closed_connection_is_answered_and_closed(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    body = b'{"handler":"shop.ship"}'
    writer.write(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 2.0)
    assert _status(answer) in (0, 201)
    writer.close()
    await eventually_async(lambda: _is(len(site.server._door) == 0), 2.0)


async def test_expect_100_continue_is_answered_before_the_body(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    body = b'{"handler":"shop.ship"}'
    writer.write(HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(body))
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2.0)).startswith(b"HTTP/1.1 100")
    writer.write(body)
    assert _status(await asyncio.wait_for(reader.read(), 2.0)) == 201
    writer.close()


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    one = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    two = b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await _raw(site, one + two)
    assert answer.index(b"ok\n") < answer.index(b'"cluster"')


async def test_a_reader_who_takes_nothing_of_a_large_answer_is_dropped(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(write_stall_s=0.3, page_bytes=64 << 20)))
    for _ in range(100):
        site.peer.succeed(site.peer.put(), b'"' + b"x" * 250_000 + b'"')
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    writer.write(b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await eventually_async(lambda: _is(len(site.server._door) == 1), 2.0)
    await eventually_async(lambda: _is(len(site.server._door) == 0), 5.0, "the connection is dropped")
    writer.close()
    del reader


async def test_too_many_requests_at_once_are_429(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(requests=1), request_s=1.0))
    site.peer.quorum = False
    asking = asyncio.create_task(site.get("/v1/tasks"))
    await eventually_async(lambda: _is(bool(site.peer.reads)), 2.0)
    assert (await site.get("/v1/cluster"))[0] == 429
    assert (await asking)[0] == 503


TOKENS = HttpSettings(wants_login=True, tokens={sha256(b"secret").hexdigest(): "alice"})


async def test_where_login_is_wanted_strangers_learn_nothing(open_site: Open) -> None:
    site = await open_site(TOKENS)
    for path in ("/v1/cluster", "/v1/tasks", "/metrics", "/openapi.json", "/v1/events", "/readyz?verbose", "/v1/locks"):
        async with site.http.get(path) as answer:
            assert answer.status == 401, path
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for path in ("/livez", "/readyz"):
        async with site.http.get(path) as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
    for token in ("Bearer wrong", "Basic c2VjcmV0", "secret", "Bearer", "Bearer é"):
        assert (await site.get("/v1/cluster", Authorization=token))[0] == 401
    status, _ = await site.post("/v1/tasks", {"handler": "shop.ship"})
    assert (status, site.peer.submitted) == (401, [])


async def test_a_token_names_the_principal_of_a_task(open_site: Open) -> None:
    site = await open_site(TOKENS)
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship"}, Authorization="Bearer secret")
    assert (status, told["principal"]) == (201, "alice")


async def test_a_stranger_without_login_keeps_his_deadline_however_often_he_asks(open_site: Open) -> None:
    settings = HttpSettings(wants_login=True, limits=HttpLimits(pre_auth_s=0.3))
    site = await open_site(settings)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /v1/cluster HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 3.0)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"408 Request Timeout" in answer
    writer.close()


OWN_HOSTS = ["localhost", "127.0.0.1", "[::1]:80", "10.1.2.3:8080", "LOCALHOST:1", "shop.example:8443"]
STRANGE_HOSTS = ["evil.example", "127.0.0.1.evil.example", "[::1", "a b", "localhost:x", "", "exa\u00e4mple"]


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_own_names_and_addresses_are_answered(open_site: Open, host: str) -> None:
    site = await open_site(HttpSettings(names=frozenset({"shop.example"})))
    assert (await site.get("/v1/cluster", Host=host))[0] == 200


@pytest.mark.parametrize("host", STRANGE_HOSTS)
def test_hosts_are_read_strictly(host: str) -> None:
    name = host_name(host)
    assert name is None or name.endswith("evil.example")


async def test_a_page_of_this_peer_may_ask(site: Site) -> None:
    origin = f"http://127.0.0.1:{site.port}"
    assert (await site.get("/v1/cluster", Origin=origin, Sec_Fetch_Site="same-origin"))[0] == 200
    assert (await site.get("/v1/cluster", Origin="http://127.0.0.1:1"))[0] == 403


async def test_a_fault_of_ours_is_a_500_and_the_next_request_is_served(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_task: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(site.peer, "find", broken)
    status, told = await site.get("/v1/tasks/01J00000000000000000000000")
    assert (status, told["outcome"]) == (500, "unknown")
    assert "boom" not in json.dumps(told)
    monkeypatch.undo()
    assert (await site.get("/v1/tasks/01J00000000000000000000000"))[0] == 404


async def _is(fact: bool) -> bool:
    return fact
