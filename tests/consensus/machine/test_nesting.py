"""How deep msgpack is nested."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.machine.nesting import MAX_DEPTH, is_shallow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=17),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(VALUES)
def test_every_value_up_to_the_depth_passes(value: object) -> None:
    assert is_shallow(msgspec.msgpack.encode(value)) == (depth_of(value) <= MAX_DEPTH)


@given(VALUES, st.data())
def test_what_is_cut_off_or_followed_by_more_does_not(value: object, data: st.DataObject) -> None:
    whole = msgspec.msgpack.encode(value)
    assert not is_shallow(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert not is_shallow(whole + b"\x00")


def test_sizes_of_every_width_are_understood() -> None:
    for size in (0, 31, 32, 255, 256, 65_535, 65_536):
        for value in (
            "x" * size,
            b"x" * size,
            [1] * size,
            {str(n): n for n in range(size)},
            msgspec.msgpack.Ext(1, b"x" * size),
        ):
            assert is_shallow(msgspec.msgpack.encode(value)), (type(value), size)


@given(st.binary(max_size=60))
def test_whatever_the_bytes_the_answer_agrees_with_the_decoder(data: bytes) -> None:
    try:
        value = msgspec.msgpack.decode(data, strict=False)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError):
        is_shallow(data)
        return
    assert is_shallow(data) == (depth_of(value) <= MAX_DEPTH)
