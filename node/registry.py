"""The handlers one peer serves: found in the modules of its cluster file, or given by the program that embeds it.

Law: a name means one handler. A module that does not load, or that has nothing to serve, stops the start with the place
named; a peer never comes up with fewer handlers than its file says.
"""

import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from quorate.scheduling.handler import Declared, Handler

_OURS = str(Path(__file__).parent.parent)
"""The folder of this package; a user's module is never in it."""


class UnusableModule(Exception):
    """A module with handlers cannot be used. `module`, and the place of the fault where there is one."""

    def __init__(self, module: str, problem: str, file: str = "", line: int = 0) -> None:
        place = f" ({file}, line {line})" if file else ""
        super().__init__(f"handlers of module {module!r}: {problem}{place}")
        self.module = module
        self.file = file
        self.line = line


class DuplicateHandler(ValueError):
    """Two handlers under one name."""


class Registry:
    def __init__(self, handlers: Iterable[Handler | Declared] = ()) -> None:
        self._handlers: dict[str, Handler] = {}
        for handler in handlers:
            self.add(handler)

    def add(self, handler: Handler | Declared) -> None:
        """Adding the very same handler again changes nothing. Raises DuplicateHandler naming both places,
        ValueError, TypeError for what is no handler."""
        added = handler.handler if isinstance(handler, Declared) else handler
        if not isinstance(added, Handler):
            raise TypeError(f"got {added!r}, expected a function under `@quorate.task(...)`")
        _check_reachable(added)
        known = self._handlers.setdefault(added.name, added)
        if known is not added:
            raise DuplicateHandler(
                f"two handlers are named {added.name!r}: at {known.place} and at {added.place}; rename one of them"
            )

    def load(self, module: str) -> None:
        """Import `module` and serve every handler it, or a submodule it imported, holds. Raises UnusableModule,
        DuplicateHandler."""
        found = list(_declared_in(_imported(module)))
        if not found:
            raise UnusableModule(
                module, "it holds none; write `@quorate.task(...)` above a function, or take it off the list"
            )
        for declared in found:
            self.add(declared)

    def get(self, name: str) -> Handler | None:
        return self._handlers.get(name)

    def names(self) -> tuple[str, ...]:
        """Sorted, as a peer tells them to the others."""
        return tuple(sorted(self._handlers))

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def _check_reachable(handler: Handler) -> None:
    """A child process imports the handler's module and finds it there by name."""
    if handler.isolation != "process":
        return
    function = handler.function
    if function.__module__ == "__main__" or "<locals>" in function.__qualname__:
        raise ValueError(
            f"handler {handler.name!r} at {handler.place} wants isolation='process', but a child process cannot"
            " import it: move it to the top level of a module of its own"
        )


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    # The module is a user's: whatever it raises is reported with its place, `sys.exit()` in a script included.
    except (Exception, SystemExit) as error:
        raise _unusable(module, error) from error


def _unusable(module: str, error: BaseException) -> UnusableModule:
    problem = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name is not None and f"{module}.".startswith(f"{error.name}."):
        return UnusableModule(
            module,
            f"there is no module {error.name!r} on the import path; put it beside the cluster file, or its folder into"
            " PYTHONPATH",
        )
    if isinstance(error, SyntaxError):
        return UnusableModule(module, problem, error.filename or "", error.lineno or 0)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen importlib")
    ]
    # The place to look at is in the user's code, not where this package refused it, nor where importlib was called.
    foreign = [frame for frame in frames if not frame.filename.startswith((_OURS, importlib.__file__))]
    if not foreign:
        return UnusableModule(module, problem)
    return UnusableModule(module, problem, foreign[-1].filename, foreign[-1].lineno or 0)


def _declared_in(module: ModuleType) -> Iterator[Declared]:
    inside = f"{module.__name__}."
    for name, loaded in sorted(sys.modules.items()):
        if name != module.__name__ and not name.startswith(inside):
            continue
        for value in vars(loaded).values():
            if isinstance(value, Declared):
                yield value
