"""What tasks wait for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.scheduling.graph import (
    Json,
    MissingResult,
    TooDeep,
    fill_results,
    find_cycle,
    resolve,
    result_names,
    rewrite_results,
)

EDGES = st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 9), max_size=3), max_size=9)


def reaches(after: dict[int, list[int]], start: int, goal: int) -> bool:
    """The dumb model: whether `goal` is somewhere behind `start`."""
    seen: set[int] = set()
    rest = list(after.get(start, []))
    while rest:
        at = rest.pop()
        if at == goal:
            return True
        if at not in seen:
            seen.add(at)
            rest += after.get(at, [])
    return False


@given(EDGES)
def test_a_cycle_is_found_exactly_if_something_waits_for_itself(after: dict[int, list[int]]) -> None:
    assert bool(find_cycle(after)) == any(reaches(after, start, start) for start in after)


@given(EDGES)
def test_the_cycle_that_is_named_is_one(after: dict[int, list[int]]) -> None:
    cycle = find_cycle(after)
    for waiting, waited_for in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        assert waited_for in after[waiting]


def test_a_chain_of_a_hundred_thousand_needs_no_recursion() -> None:
    chain: dict[int, list[int]] = {n: [n + 1] for n in range(100_000)}
    assert find_cycle(chain) == []
    assert len(find_cycle(chain | {100_000: [0]})) == 100_001


def test_refs_become_ids_and_repeated_ones_are_kept_once() -> None:
    assert resolve(["pay", "x", "01J", "pay"], {"pay": "01J", "ship": "01K"}) == ["01J", "x"]


ARGS: Json = {
    "a": {"$result": "pay", "path": "receipt.lines.1"},
    "b": [{"$result": "ship"}, {"$result": "pay"}],
    "c": 1,
}


def test_results_are_found_and_renamed_wherever_they_stand() -> None:
    assert result_names(ARGS) == ["pay", "ship"]
    renamed = rewrite_results(ARGS, {"pay": "01J"})
    assert result_names(renamed) == ["01J", "ship"]
    assert rewrite_results(renamed, {"01J": "pay"}) == ARGS


def test_results_are_filled_in_by_path() -> None:
    results: dict[str, Json] = {"pay": {"receipt": {"lines": [1, 2]}}, "ship": None}
    filled = fill_results(ARGS, results)
    assert filled == {"a": 2, "b": [None, {"receipt": {"lines": [1, 2]}}], "c": 1}


@pytest.mark.parametrize("path", ["missing", "receipt.lines.2", "receipt.lines.x", "receipt.lines.-1", "receipt..x"])
def test_a_missing_path_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(MissingResult, match=path.replace(".", r"\.")):
        fill_results({"$result": "pay", "path": path}, {"pay": {"receipt": {"lines": [1, 2]}}})


def test_a_missing_result_is_an_error_that_names_the_task() -> None:
    with pytest.raises(MissingResult, match="pay"):
        fill_results([{"$result": "pay"}], {})


@pytest.mark.parametrize(
    "value", [{"$result": 1}, {"$result": "a", "path": 1}, {"$result": "a", "more": 1}, {"path": "a"}]
)
def test_what_only_looks_like_a_reference_is_left_alone(value: Json) -> None:
    assert fill_results(value, {}) == value


def test_arguments_nested_too_deep_are_refused() -> None:
    value: Json = 1
    for _ in range(65):
        value = [value]
    with pytest.raises(TooDeep, match="64"):
        result_names(value)
