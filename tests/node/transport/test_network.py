"""Laws of the connections between peers, over real sockets."""

import asyncio
import socket
import struct

import pytest

from quorate.consensus.frames import Hello
from quorate.node.transport import TransportSettings
from quorate.node.transport.framing import WireError, append_frame
from quorate.node.transport.greeting import GreetingReader, greeting
from quorate.node.transport.outgoing import Wire
from tests.node.transport.members import Member, free_port, running, within


@pytest.fixture
def ports() -> dict[str, int]:
    return {"a": free_port(), "b": free_port()}


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def closed(reader: asyncio.StreamReader, within_s: float = 3) -> bytes:
    """What came until the other side closed."""
    try:
        return await asyncio.wait_for(reader.read(), within_s)
    except ConnectionError:
        return b""


async def test_frames_arrive_in_order_both_ways(ports: dict[str, int]) -> None:
    a, b = Member("a", ports), Member("b", ports)
    async with running(a, b):
        assert not a.transport.send("b", b"too early")
        await within(lambda: a.events == ["+b"] and b.events == ["+a"])
        sent = [b"%d" % n * (n % 50 + 1) for n in range(2000)] + [bytes(3_000_000)]
        assert all(a.transport.send("b", frame) for frame in sent)
        assert b.transport.send("a", b"answer")
        await within(lambda: len(b.frames) == len(sent) and a.frames)
        assert b.frames == [("a", frame) for frame in sent]
        assert a.frames == [("b", b"answer")]
        assert not a.transport.send("nobody", b"x")
        assert a.transport.links()[0].sent_frames == len(sent)
        assert b.transport.links()[0].received_frames == len(sent)


async def test_a_peer_that_returns_is_connected_again(ports: dict[str, int]) -> None:
    a, b = Member("a", ports), Member("b", ports)
    async with running(a):
        async with running(b):
            await within(lambda: a.sends_to("b"))
        await within(lambda: a.events == ["+b", "-b"])
        assert not a.transport.send("b", b"lost")
        again = Member("b", ports)
        async with running(again):
            await within(lambda: a.sends_to("b") and again.sends_to("a"))
            a.transport.send("b", b"hello again")
            await within(lambda: again.frames == [("a", b"hello again")])
    assert a.events[:3] == ["+b", "-b", "+b"]


async def test_last_words_are_sent_before_the_end(ports: dict[str, int]) -> None:
    a, b = Member("a", ports), Member("b", ports)
    async with running(b):
        async with running(a):
            await within(lambda: a.sends_to("b"))
            a.transport.send("b", b"goodbye")
        await within(lambda: b.frames == [("a", b"goodbye")])


async def test_a_full_queue_drops_and_says_so(ports: dict[str, int]) -> None:
    """A listener that never reads stands for a frozen peer: the queue fills, then `send` says no, then it is dialled
    anew."""
    dials: list[asyncio.StreamWriter] = []

    async def frozen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dials.append(writer)
        writer.write(greeting(Hello(1, "shop", "", "b", "disk-b", 1, {}, 0)))
        await asyncio.Event().wait()

    a = Member("a", ports)
    server = await asyncio.start_server(frozen, "127.0.0.1", ports["b"], limit=1024)
    async with running(a):
        await within(lambda: a.sends_to("b"))
        accepted = 0
        while a.transport.send("b", bytes(1 << 20)):
            accepted += 1
            assert accepted < 200
        assert accepted >= 60
        assert a.transport.links()[0].dropped_frames == 1
        await within(lambda: len(dials) > 1, 15)
        assert a.events[:2] == ["+b", "-b"]
        for writer in dials:
            writer.transport.abort()
        server.close()


async def test_a_newer_connection_of_a_peer_silences_the_older_one(ports: dict[str, int]) -> None:
    b = Member("b", ports)

    async def dial(incarnation: int, disk: str = "disk-a") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await connect(ports["b"])
        writer.write(greeting(Hello(1, "shop", "", "a", disk, incarnation, {}, 0)))
        return reader, writer

    def framed(frame: bytes) -> bytes:
        chunks: list[bytes] = []
        append_frame(chunks, frame, 1 << 30)
        return b"".join(chunks)

    async with running(b):
        older_reader, older = await dial(5)
        answer = GreetingReader().feed(await older_reader.read(4096))
        assert answer is not None
        assert answer[0] == b.hello
        older.write(framed(b"from the older"))
        await within(lambda: b.frames)
        _, newer = await dial(5)
        newer.write(framed(b"from the newer"))
        older.write(framed(b"too late"))
        assert await closed(older_reader) == b""
        await within(lambda: len(b.frames) == 2)
        outdated_reader, outdated = await dial(4)
        assert await closed(outdated_reader) == b""
        assert b.transport.refused["outdated"] == 1
        newer.write(framed(b"still there"))
        await within(lambda: len(b.frames) == 3)
        _, wiped = await dial(1, "another-disk")
        wiped.write(framed(b"new disk"))
        await within(lambda: len(b.frames) == 4)
        assert [frame for _, frame in b.frames] == [b"from the older", b"from the newer", b"still there", b"new disk"]
        for writer in (older, newer, outdated, wiped):
            writer.close()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"GET /v1/tasks HTTP/1.1\r\nHost: x\r\n\r\n", "http"),
        (bytes(range(256)) * 4096, "garbage"),
        (greeting(Hello(1, "other", "", "a", "d", 1, {}, 0)), "wrong_cluster"),
        (greeting(Hello(1, "shop", "", "zed", "d", 1, {}, 0)), "unknown_peer"),
        (greeting(Hello(1, "shop", "", "a", "d", 1, {}, 0)) + b"\xff" * 100, "bad_frame"),
        (b"", "silent"),
    ],
)
async def test_strangers_are_closed_and_counted_and_cost_the_others_nothing(
    ports: dict[str, int], words: bytes, code: str
) -> None:
    b = Member("b", ports)
    async with running(b):
        reader, writer = await connect(ports["b"])
        writer.write(words)
        await closed(reader)
        await within(lambda: b.transport.refused[code] == 1)
        assert b.frames == []
        assert not b.hears("a")
        writer.close()
        a = Member("a", ports)
        async with running(a):
            await within(lambda: a.sends_to("b"))


async def test_a_peer_the_shell_refuses_is_not_connected(ports: dict[str, int]) -> None:
    a, b = Member("a", ports), Member("b", ports)
    b.refuse = "another founding"
    async with running(a, b):
        await within(lambda: b.transport.refused["refused"] >= 2)
        assert a.events == b.events == []


async def test_two_thousand_half_open_connections_cost_the_healthy_ones_nothing(ports: dict[str, int]) -> None:
    """Also from the very address of the peers, and also for a peer that connects only then."""
    a, b = Member("a", ports), Member("b", ports)
    async with running(b):
        silent = [await connect(ports["b"]) for _ in range(1000)]
        async with running(a):
            silent += [await connect(ports["b"]) for _ in range(1000)]
            await within(lambda: a.sends_to("b") and b.sends_to("a"), 2)
            a.transport.send("b", b"through")
            await within(lambda: b.frames == [("a", b"through")], 1)
            assert b.transport.refused["crowded_out"] >= 1800
            await within(lambda: b.transport.refused["crowded_out"] + b.transport.refused["silent"] == 2000)
            assert a.events == ["+b"]
        for _, writer in silent:
            writer.close()


async def test_a_taken_port_is_told_in_words(ports: dict[str, int]) -> None:
    a, again = Member("a", ports), Member("a", ports)
    async with running(a):
        with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{ports['a']}.*another process has it"):
            await again.transport.start()


async def test_a_refusal_is_logged_once_per_address(ports: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    b = Member("b", ports)
    async with running(b):
        for _ in range(5):
            reader, writer = await connect(ports["b"])
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await closed(reader)
            writer.close()
        assert b.transport.refused["http"] == 5
    assert capsys.readouterr().out.count("transport.refused") == 1


async def test_a_connection_that_died_before_it_was_looked_at_is_dialled_anew_like_any_other(
    ports: dict[str, int],
) -> None:
    """A peer killed between accepting a connection and our first look at it: its address can no longer be asked."""
    settings = TransportSettings(me="a", listen=("127.0.0.1", ports["a"]))
    with socket.create_server(("127.0.0.1", ports["b"])) as server:
        dialled = socket.create_connection(("127.0.0.1", ports["b"]))
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()  # with a reset
    wire = Wire(settings, Member("a", ports).callbacks, "b", ("127.0.0.1", ports["b"]), None)
    await asyncio.get_running_loop().create_connection(lambda: wire, sock=dialled)
    with pytest.raises(WireError, match="gone as soon as"):
        await asyncio.wait_for(wire.greeted, 3)
    assert wire.lost.is_set()
