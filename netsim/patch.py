"""Changes made to classes and tables in memory, and taken back."""

from typing import Any, Protocol

_MISSING = object()


class Patching(Protocol):
    """What a mutant needs: `Patch`, or pytest's MonkeyPatch."""

    def setattr(self, target: Any, name: str, value: Any, raising: bool = True) -> None: ...

    def setitem(self, table: Any, key: Any, value: Any) -> None: ...


class Patch:
    """`with Patch() as patch:` everything set in the block is as before after it, in the opposite order."""

    def __init__(self) -> None:
        self._attributes: list[tuple[Any, str, Any]] = []
        self._items: list[tuple[Any, Any, Any]] = []

    def setattr(self, target: Any, name: str, value: Any, raising: bool = True) -> None:
        """Raises AttributeError if there is nothing of that name: a mutant of what is gone changes nothing."""
        before = vars(target).get(name, _MISSING)
        if before is _MISSING and raising:
            getattr(target, name)
        self._attributes.append((target, name, before))
        setattr(target, name, value)

    def setitem(self, table: Any, key: Any, value: Any) -> None:
        self._items.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def undo(self) -> None:
        while self._attributes:
            target, name, before = self._attributes.pop()
            if before is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, before)
        while self._items:
            table, key, before = self._items.pop()
            if before is _MISSING:
                del table[key]
            else:
                table[key] = before

    def __enter__(self) -> "Patch":
        return self

    def __exit__(self, *_error: object) -> None:
        self.undo()
