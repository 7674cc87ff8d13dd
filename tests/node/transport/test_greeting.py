"""Laws of the hello."""

import msgspec
import pytest

from quorate.consensus.frames import Hello
from quorate.node.transport.framing import WireError
from quorate.node.transport.greeting import MAGIC, MAX_HELLO_BYTES, GreetingReader, check, greeting

HELLO = Hello(1, "shop", "", "a", "d1", 3, {}, 0)
KNOWN = frozenset(("a", "b"))


def test_a_hello_is_read_however_it_is_cut_and_what_follows_it_is_kept() -> None:
    reader = GreetingReader()
    stream = greeting(HELLO) + b"rest"
    for byte in stream[:-5]:
        assert reader.feed(bytes((byte,))) is None
    assert reader.feed(stream[-5:]) == (HELLO, b"rest")


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http"),
        (b"\x16\x03\x01\x02\x00", "tls"),
        (b"x", "garbage"),
        (MAGIC[:-1] + b"\x02", "garbage"),
        (MAGIC + b"\xff\xff", "bad_hello"),
        (MAGIC + b"\x00\x03abc", "bad_hello"),
    ],
)
def test_a_stranger_is_refused_at_the_first_byte_that_differs(stream: bytes, code: str) -> None:
    with pytest.raises(WireError) as refusal:
        GreetingReader().feed(stream)
    assert refusal.value.code == code


def test_a_hello_too_long_to_be_read_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        greeting(msgspec.structs.replace(HELLO, disk="x" * MAX_HELLO_BYTES))


@pytest.mark.parametrize(
    ("changed", "shown", "code"),
    [
        ({"cluster": "other"}, None, "wrong_cluster"),
        ({"version": 2}, None, "wrong_version"),
        ({"peer": "b"}, None, "own_id"),
        ({"peer": "z"}, None, "unknown_peer"),
        ({}, "b", "wrong_certificate"),
    ],
)
def test_only_a_peer_of_this_cluster_is_talked_to(changed: dict[str, object], shown: str | None, code: str) -> None:
    ours = msgspec.structs.replace(HELLO, peer="b")
    check(HELLO, ours, KNOWN, None)
    check(HELLO, ours, KNOWN, "a")
    with pytest.raises(WireError) as refusal:
        check(msgspec.structs.replace(HELLO, **changed), ours, KNOWN, shown)
    assert refusal.value.code == code
