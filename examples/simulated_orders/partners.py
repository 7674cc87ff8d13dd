"""Who an order is made with: the bank, the warehouse, the carrier. In production clients of their services; in tests
ledgers of a simulated cluster.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Partner(Protocol):
    """Keeps entries under keys. Shown a fence, it refuses every lower one from then on."""

    def look(self, key: str, *, fence: int | None = None) -> Sequence[Mapping[str, Any]]: ...

    def add(self, key: str, *, fence: int | None = None, **facts: Any) -> None: ...


class Partners:
    bank: Partner
    warehouse: Partner
    carrier: Partner


partners = Partners()
"""Filled in when the program starts."""
