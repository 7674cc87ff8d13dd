"""The smallest state machine: a list of what was applied."""

import hashlib

import msgspec


class Toy:
    """A replicated list, and every index at which something was applied."""

    def __init__(self) -> None:
        self.items: list[tuple[int, int, bytes]] = []

    def load(self, chunk: bytes) -> None:
        self.items += msgspec.msgpack.decode(chunk, type=list[tuple[int, int, bytes]])

    def digest(self) -> bytes:
        return hashlib.blake2b(msgspec.msgpack.encode(self.items), digest_size=8).digest()


class ToyWalk:
    def __init__(self, items: list[tuple[int, int, bytes]]) -> None:
        self._items = list(items)
        self._at = 0

    def chunk(self, limit_bytes: int) -> bytes | None:
        if self._at >= len(self._items):
            return None
        count = max(1, limit_bytes // 20)
        part = self._items[self._at : self._at + count]
        self._at += count
        return msgspec.msgpack.encode(part)
