"""Laws of the room for connections that have not said who they are."""

from quorate.node.transport.places import PER_ADDRESS, PER_PEER_ADDRESS, STRANGERS, Places


def test_a_newcomer_takes_the_place_of_the_one_that_waited_longest() -> None:
    places, out = Places(lambda _: False), list[int]()
    for n in range(PER_ADDRESS + 3):
        places.enter("1.2.3.4", lambda n=n: out.append(n))  # type: ignore[misc]  # the loop's value, kept
    assert out == [0, 1, 2]
    assert len(places) == PER_ADDRESS


def test_strangers_together_have_a_limit_and_never_take_a_peers_place() -> None:
    places, out = Places(lambda address: address == "peer"), list[str]()
    for _ in range(PER_PEER_ADDRESS):
        places.enter("peer", lambda: out.append("peer"))
    for n in range(STRANGERS + 500):
        places.enter(f"stranger-{n}", lambda: out.append("stranger"))
    assert out == ["stranger"] * 500
    assert len(places) == STRANGERS + PER_PEER_ADDRESS


def test_who_leaves_frees_the_place_once() -> None:
    places, out = Places(lambda _: False), list[int]()
    held = [places.enter("1.2.3.4", lambda: out.append(1)) for _ in range(PER_ADDRESS)]
    places.leave(held[0])
    places.leave(held[0])
    places.enter("1.2.3.4", lambda: out.append(1))
    assert out == []
