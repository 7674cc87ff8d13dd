"""Something that goes wrong in a simulated cluster, and ends.

Law: it has struck when it is made. It ends once: with its `with` block, by `end()`, by itself after its time, or when
everything heals.
"""

from collections.abc import Sequence
from types import TracebackType

from quorate.netsim.faults.rules import Rule


class Fault:
    """Made by a `Cluster`."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self._rules = rules

    @property
    def is_over(self) -> bool:
        return not any(rule.in_force for rule in self._rules)

    def end(self) -> None:
        for rule in self._rules:
            rule.end()

    def __enter__(self) -> "Fault":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()

    def __repr__(self) -> str:
        return f"<{self.name}{', over' if self.is_over else ''}>"
