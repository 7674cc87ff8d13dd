"""Directed scenarios in Python: moments that random runs seldom meet, each a function that raises Violation when the
law it names is broken, and passes on the sound code.
"""

import inspect
from collections.abc import Callable
from types import ModuleType

from quorate.netsim.directed import applying, durability, elections, figure_8, handlers, replication, working


def _of(module: ModuleType) -> dict[str, Callable[[], None]]:
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }


SCENARIOS: dict[str, Callable[[], None]] = {
    name: function
    for module in (replication, elections, figure_8, durability, applying, working, handlers)
    for name, function in _of(module).items()
}
"""By name."""

__all__ = ["SCENARIOS"]
