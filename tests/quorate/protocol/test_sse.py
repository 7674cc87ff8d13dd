"""Events are cut out of a stream wherever the network happened to cut it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quorate.protocol.sse import EventReader
from quorate.protocol.told import Event

STREAM = (
    b'retry: 1000\n\n: still here\n\nevent: gap\ndata: {"after":"1.0"}\n\n'
    b'id: 7.1\nevent: task\ndata: {"kind":"ready"}\n\nid:7.2\r\nevent:task\r\ndata:{"n":\r\ndata: 2}\r\n\r\n'
)
EVENTS = [Event("", "gap", {"after": "1.0"}), Event("7.1", "task", {"kind": "ready"}), Event("7.2", "task", {"n": 2})]


@given(st.lists(st.integers(0, len(STREAM))))
def test_the_events_do_not_depend_on_the_cuts(cuts: list[int]) -> None:
    reader = EventReader()
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS
    assert reader.last_id == "7.2"


def test_an_unfinished_event_does_not_count() -> None:
    reader = EventReader()
    assert reader.feed(STREAM + b"id: 8.0\nevent: task\ndata: {}\n") == EVENTS
    assert reader.last_id == "7.2"
