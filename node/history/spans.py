"""Which ends are here: a set of numbers kept as a few spans.

Law: spans are sorted, do not touch, and hold `first <= last`. There is one, except after an installed snapshot until
its gap is filled.
"""

from bisect import bisect_right


class Spans:
    def __init__(self, spans: list[tuple[int, int]]) -> None:
        """`spans`: as `as_list` gave them."""
        self._spans = sorted(spans)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._spans, (number, number)) - 1
        candidates = self._spans[max(at, 0) : at + 2]
        return any(first <= number <= last for first, last in candidates)

    def add(self, first: int, last: int) -> None:
        """All numbers from `first` to `last`."""
        if not self._spans or first > self._spans[-1][1] + 1:
            self._spans.append((first, last))
            return
        kept: list[tuple[int, int]] = []
        for span in self._spans:
            if span[1] + 1 < first or span[0] > last + 1:
                kept.append(span)
            else:
                first, last = min(first, span[0]), max(last, span[1])
        self._spans = sorted([*kept, (first, last)])

    def complete_to(self) -> int:
        """The greatest number up to which every number from 1 on is here."""
        return self._spans[0][1] if self._spans and self._spans[0][0] <= 1 else 0

    def as_list(self) -> list[tuple[int, int]]:
        return list(self._spans)
