"""Which peer should take a task."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling import ulid
from quorate.scheduling.placement import rank
from quorate.scheduling.task import TaskId

PEERS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(-1, 3), min_size=1)
TASKS = [ulid.make(n, n * 977) for n in range(3_000)]


@given(st.builds(ulid.make, st.integers(0, 1 << 40), st.integers(0, 1 << 79)), PEERS)
def test_peers_agree_whatever_order_they_know_each_other_in(task: TaskId, free: dict[str, int]) -> None:
    assert rank(task, free) == rank(task, dict(reversed(free.items())))
    assert sorted(rank(task, free)) == sorted(free)


@given(st.builds(ulid.make, st.integers(0, 1 << 40), st.integers(0, 1 << 79)), PEERS)
def test_peers_with_a_free_slot_come_first(task: TaskId, free: dict[str, int]) -> None:
    full = [free[peer] <= 0 for peer in rank(task, free)]
    assert full == sorted(full)


def test_each_of_three_equal_peers_is_the_favourite_of_a_third() -> None:
    favourites = Counter(rank(task, {"a": 1, "b": 1, "c": 1})[0] for task in TASKS)
    assert all(900 < count < 1_100 for count in favourites.values())


def test_when_a_peer_goes_only_its_own_tasks_move() -> None:
    for task in TASKS[:300]:
        before = rank(task, {"a": 1, "b": 1, "c": 1})
        assert rank(task, {"a": 1, "b": 1}) == [peer for peer in before if peer != "c"]
