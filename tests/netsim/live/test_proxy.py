"""One link between two peers: what passes, what is held, what breaks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from quorate.netsim.live.links import Links, both_ways
from quorate.netsim.live.proxy import Delay, Hold, Link, Narrow, Reset, Way
from tests.polling import eventually_async

SHORT_S = 0.2
"""Long enough that what is not held would have come."""


class Echo:
    """Answers every byte in capitals, and remembers what came."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data.upper())
        except OSError:
            pass  # broken, as some tests want it
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    await echo.open()
    yield echo
    echo.close()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    link = Link(echo.port)
    await link.open()
    yield link
    await link.close()


class Dialled:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self, data: bytes, within_s: float = 5.0) -> bytes:
        self.writer.write(data)
        return await self.hear(len(data), within_s)

    async def hear(self, count: int, within_s: float = 5.0) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), within_s)

    async def is_silent(self) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), SHORT_S)
        except TimeoutError:
            return True
        return False


async def dial(link: Link) -> Dialled:
    return Dialled(*await asyncio.open_connection("127.0.0.1", link.port))


async def test_an_open_link_passes_everything_both_ways_in_order(link: Link) -> None:
    connection = await dial(link)
    sent = bytes(range(97, 123)) * 40_000
    connection.writer.write(sent)
    assert await connection.hear(len(sent)) == sent.upper()
    connection.writer.close()


async def test_what_is_held_waits_in_silence_and_arrives_whole_when_the_hold_is_over(link: Link, echo: Echo) -> None:
    connection = await dial(link)
    assert await connection.answer(b"before") == b"BEFORE"
    hold = Hold()
    await link.add(hold)
    connection.writer.write(b"meanwhile")
    assert await connection.is_silent()
    assert bytes(echo.heard) == b"before"
    await link.remove(hold)
    assert await connection.hear(9) == b"MEANWHILE"
    connection.writer.close()


async def test_a_connection_made_while_the_link_is_held_reaches_nobody_until_it_is_open(link: Link, echo: Echo) -> None:
    hold = Hold()
    await link.add(hold)
    connection = await dial(link)
    connection.writer.write(b"hello")
    assert await connection.is_silent()
    assert not echo.heard
    await link.remove(hold)
    assert await connection.hear(5) == b"HELLO"
    connection.writer.close()


async def test_one_way_means_one_way(link: Link, echo: Echo) -> None:
    connection = await dial(link)
    await connection.answer(b"x")
    hold = Hold(Way.BACK)
    await link.add(hold)
    connection.writer.write(b"there")
    await eventually_async(lambda: _is(bytes(echo.heard) == b"xthere"), 5.0, "what goes there arrives")
    assert await connection.is_silent()
    await link.remove(hold)
    assert await connection.hear(5) == b"THERE"
    connection.writer.close()


async def _is(fact: bool) -> bool:  # what a poll asks for
    return fact


async def test_two_holds_of_one_link_end_one_by_one(link: Link) -> None:
    connection = await dial(link)
    first, second = Hold(), Hold(Way.THERE)
    await link.add(first)
    await link.add(second)
    await link.remove(first)
    connection.writer.write(b"x")
    assert await connection.is_silent()
    await link.remove(second)
    assert await connection.hear(1) == b"X"
    connection.writer.close()


async def test_a_reset_breaks_what_there_is_and_what_comes_until_it_is_over(link: Link) -> None:
    connection = await dial(link)
    await connection.answer(b"x")
    reset = Reset()
    await link.add(reset)
    with pytest.raises(ConnectionResetError):
        await connection.hear(1)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await (await dial(link)).answer(b"y")
    await link.remove(reset)
    again = await dial(link)
    assert await again.answer(b"z") == b"Z"
    again.writer.close()


async def test_a_drop_breaks_once_and_new_connections_pass(link: Link) -> None:
    connection = await dial(link)
    await connection.answer(b"x")
    link.drop()
    with pytest.raises(ConnectionResetError):
        await connection.hear(1)
    again = await dial(link)
    assert await again.answer(b"z") == b"Z"
    again.writer.close()


async def test_a_delay_makes_everything_late_and_nothing_slow(link: Link) -> None:
    """Twenty pieces sent one after the other arrive one delay later each way, not twenty delays."""
    connection = await dial(link)
    await connection.answer(b"x")
    await link.add(Delay(0.2))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(20):
        connection.writer.write(b"piece")
        await asyncio.sleep(0)
    await connection.hear(100)
    took_s = loop.time() - began
    assert 0.4 <= took_s < 2.0
    connection.writer.close()


async def test_a_narrow_link_passes_no_more_than_it_is_wide(link: Link) -> None:
    connection = await dial(link)
    await connection.answer(b"x")
    await link.add(Narrow(20_000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await connection.answer(b"y" * 10_000)
    assert loop.time() - began >= 0.9  # half a second each way
    connection.writer.close()


async def test_where_nobody_listens_behind_it_a_link_breaks_the_connection(echo: Echo, link: Link) -> None:
    echo.close()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await (await dial(link)).answer(b"x")


async def test_one_way_between_two_peers_covers_the_connections_of_both() -> None:
    """a's own connection to b is held there, and b's connection to a is held back: nothing of a reaches b."""
    a, b = Echo(), Echo()
    await a.open()
    await b.open()
    links = Links({"a": a.port, "b": b.port})
    await links.open()
    laid = await links.hold_one_way([("a", "b")])
    by_a = Dialled(*await asyncio.open_connection("127.0.0.1", links.port("a", "b")))
    by_b = Dialled(*await asyncio.open_connection("127.0.0.1", links.port("b", "a")))
    by_a.writer.write(b"from a")
    by_b.writer.write(b"from b")
    await eventually_async(lambda: _is(bytes(a.heard) == b"from b"), 5.0, "what b sends arrives")
    assert await by_b.is_silent(), "a's answer is a's too"
    assert not b.heard
    await links.lift(laid)
    assert await by_a.hear(6) == b"FROM A"
    assert await by_b.hear(6) == b"FROM B"
    await links.close()
    a.close()
    b.close()


def test_a_cut_between_two_sides_names_every_link_once_in_each_direction() -> None:
    assert both_ways(["a"], ["b", "c"]) == [("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")]
    assert both_ways(["a", "b"], ["a", "b"]) == [("a", "b"), ("b", "a")]
