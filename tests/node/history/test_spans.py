"""Laws of the set of ends that are here."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quorate.node.history.spans import Spans


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10)), max_size=20))
def test_spans_hold_exactly_the_numbers_that_were_added(added: list[tuple[int, int]]) -> None:
    spans, model = Spans([]), set[int]()
    for first, length in added:
        spans.add(first, first + length)
        model.update(range(first, first + length + 1))
    again = Spans(spans.as_list())
    assert {number for number in range(60) if number in again} == model
    complete = next(number for number in range(1, 100) if number not in model) - 1
    assert spans.complete_to() == complete
    pairs = spans.as_list()
    assert all(before[1] + 1 < after[0] for before, after in pairwise(pairs))
