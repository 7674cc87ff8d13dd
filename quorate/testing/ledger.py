"""Something outside the cluster that keeps entries under keys: a payment provider, a warehouse, a row of a database.

Law: it knows nothing of the cluster. Shown a fence, it remembers the highest one per key and refuses every lower one,
for good; shown none, it does what it is asked, as most things do.
"""

from collections.abc import Mapping
from typing import Any

from quorate.testing.outside import Outside

Entry = Mapping[str, Any]


class StaleFence(Exception):
    """The caller's attempt has been replaced: a later one has already shown its fence here."""

    def __init__(self, key: str, fence: int, highest: int) -> None:
        super().__init__(f"{key}: fence {fence} is stale, {highest} was shown before")
        self.key = key
        self.fence = fence
        self.highest = highest


class Ledger:
    """Made by `cluster.ledger(name)`. Its calls take virtual time in handlers; they are the effects `<name>.look` and
    `<name>.add`."""

    def __init__(self, name: str, outside: Outside) -> None:
        self.name = name
        self._outside = outside
        self._entries: dict[str, list[Entry]] = {}
        self._highest: dict[str, int] = {}

    def look(self, key: str, *, fence: int | None = None) -> list[Entry]:
        """The entries under `key`, oldest first. Raises StaleFence."""
        return self._outside.call(self._look, key, fence)

    def add(self, key: str, *, fence: int | None = None, **facts: Any) -> None:
        """One more entry. Raises StaleFence."""
        self._outside.call(self._add, key, fence, facts)

    def _look(self, key: str, fence: int | None) -> list[Entry]:
        self._show(key, fence)
        self._outside.effect(f"{self.name}.look", {"key": key})
        return list(self._entries.get(key, ()))

    def _add(self, key: str, fence: int | None, facts: Entry) -> None:
        self._show(key, fence)
        self._entries.setdefault(key, []).append(facts)
        self._outside.effect(f"{self.name}.add", {"key": key, **facts})

    def _show(self, key: str, fence: int | None) -> None:
        if fence is None:
            return
        highest = self._highest.get(key, 0)
        if fence < highest:
            self._outside.effect(f"{self.name}.refused", {"key": key, "fence": fence, "highest": highest})
            raise StaleFence(key, fence, highest)
        self._highest[key] = fence
