"""The event stream: whoever resumes gets every event after the one he saw, or is told that there is a gap."""

import pytest

from quorate.consensus.events import Event, SessionEvent
from quorate.consensus.reactor import Reactor, Stamped


def events(count: int) -> list[Event]:
    return [SessionEvent("renewed", "a", 1, number) for number in range(count)]


@pytest.mark.parametrize("kept", [1, 7, 10])
@pytest.mark.parametrize("sizes", [(3, 4), (12,), (5, 12), (1, 1, 1, 20, 2), (10, 11)])
def test_a_resumed_stream_is_whole_or_says_that_it_is_not(kept: int, sizes: tuple[int, ...]) -> None:
    """Entries of any size, also larger than all that is kept."""
    reactor = Reactor(kept)
    addresses: list[tuple[int, int]] = []
    for index, size in enumerate(sizes, start=1):
        reactor.publish(index, events(size))
        addresses += [(index, n) for n in range(size)]
    whole = 0
    for place, seen in enumerate(addresses):
        got: list[Stamped] = []
        subscription = reactor.subscribe(seen, got.extend)
        subscription.close()
        told = [(stamped.at, stamped.n) for stamped in got]
        assert subscription.gap == (told != addresses[place + 1 :])
        whole += not subscription.gap
    assert whole == min(kept + 1, len(addresses))
