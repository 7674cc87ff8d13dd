"""A peer's log, seen from outside: how far it is written, and one byte of it changed and put back.

Law: a byte is chosen that was written and that a peer must look at when it starts; so a peer that starts all the same
has not looked.
"""

from pathlib import Path

import msgspec

from quorate.consensus.journal import segment_number
from quorate.consensus.journal_format import HEADER_BYTES, SECTOR


class Flipped(msgspec.Struct, frozen=True):
    path: Path
    offset: int
    was: int


class NothingToDamage(Exception):
    """The folder has no log with a record in it yet."""


def flip(folder: Path, choice: int) -> Flipped:
    """`choice` picks the segment and the byte. Raises NothingToDamage, OSError."""
    places = [place for path in _segments(folder) for place in _of(path)]
    if not places:
        raise NothingToDamage(f"no log with a record in {folder.name}")
    path, offset = places[choice % len(places)]
    was = path.read_bytes()[offset]
    _write(path, offset, was ^ 0x10)
    return Flipped(path, offset, was)


def put_back(flipped: Flipped) -> None:
    _write(flipped.path, flipped.offset, flipped.was)


def written_bytes(folder: Path) -> int:
    """How far the newest file of the log is filled: the room behind it is taken beforehand."""
    names = _segments(folder)
    return len(names[-1].read_bytes().rstrip(b"\0")) if names else 0


def _segments(folder: Path) -> list[Path]:
    """Oldest first."""
    return [path for path in sorted(folder.iterdir()) if segment_number(path.name) is not None]


def _of(path: Path) -> list[tuple[Path, int]]:
    """In the header of the file, and in its first record: its head and its contents."""
    data = path.read_bytes()
    offsets = (0, SECTOR + 4, SECTOR + HEADER_BYTES)
    return [(path, at) for at in offsets if at < len(data) and data[at] != 0]


def _write(path: Path, offset: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes([byte]))
