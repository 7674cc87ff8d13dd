"""A folder between the page cache and the disk: what a crash may leave of it.

Laws:
- A sector (512 bytes) of an un-synced write reaches the disk whole or not at all, in any order; of a sector written
  several times any version may stand there, the older ones included.
- Making, renaming and removing a name is durable after the folder's own sync, which a sync and a rename bring with
  them; before, any choice of them may have happened.
- A killed process loses nothing it had written; what it had not synced stays at risk until somebody syncs it.

Folders are values to their users: `copy` costs three small dictionaries, the bytes are shared.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write

SECTOR = 512


class Chance(Protocol):
    def random(self) -> float: ...


class Inode(msgspec.Struct, frozen=True):
    """`data`: as the cache shows it; `durable`: as it was last synced; `pending`: writes since, in order."""

    data: bytes = b""
    durable: bytes = b""
    pending: tuple[tuple[int, bytes], ...] = ()

    def written(self, offset: int, data: bytes) -> "Inode":
        image = self.data.ljust(offset, b"\0")
        image = image[:offset] + data + image[offset + len(data) :]
        return Inode(image, self.durable, (*self.pending, (offset, data)))

    def synced(self) -> "Inode":
        return Inode(self.data, self.data)

    def survivor(self, chance: Chance, keep: float) -> bytes:
        """Its bytes after a power loss; `keep`: the share of un-synced sectors that reached the disk."""
        if not self.pending:
            return self.data
        length = self._length(chance, keep)
        image = bytearray(self.durable.ljust(length, b"\0"))
        for sector, versions in self._versions().items():
            at = sector * SECTOR
            if at >= length:
                continue
            if chance.random() < keep:
                image[at : at + SECTOR] = versions[-1]
            else:
                version = int(chance.random() * len(versions))
                if version:
                    image[at : at + SECTOR] = versions[version - 1]
        return bytes(image[:length])

    def _length(self, chance: Chance, keep: float) -> int:
        """A file that grew may have any length between."""
        low, high = len(self.durable), len(self.data)
        if high <= low or chance.random() < keep:
            return max(low, high)
        grown = int(chance.random() * (high - low + 1))
        return low + grown - grown % (SECTOR if chance.random() < 0.5 else 1)

    def _versions(self) -> dict[int, list[bytes]]:
        """What stood in each sector after each un-synced write to it."""
        image = bytearray(self.durable.ljust(len(self.data), b"\0"))
        versions: dict[int, list[bytes]] = {}
        for offset, data in self.pending:
            image[offset : offset + len(data)] = data
            for sector in range(offset // SECTOR, (offset + len(data) + SECTOR - 1) // SECTOR):
                versions.setdefault(sector, []).append(bytes(image[sector * SECTOR : (sector + 1) * SECTOR]))
        return versions


class Naming(NamedTuple):
    """A change of the folder that is not synced. `number`: of the file that gets the name; 0: it goes."""

    name: str
    number: int
    was: str = ""
    """The name it had before (a rename)."""


class Folder:
    def __init__(self) -> None:
        self._inodes: dict[int, Inode] = {}
        self._cache: dict[str, int] = {}
        self._disk: dict[str, int] = {}
        self._namings: tuple[Naming, ...] = ()
        self._dirty: frozenset[int] = frozenset()
        """Files this process has written to and not synced."""
        self._renaming = False
        """This process has changed names that are not synced."""
        self._next = 1

    @classmethod
    def holding(cls, files: dict[str, bytes]) -> "Folder":
        """All of it durable."""
        folder = cls()
        for name, data in files.items():
            folder._inodes[folder._next] = Inode(data, data)
            folder._cache[name] = folder._next
            folder._next += 1
        folder._disk = dict(folder._cache)
        return folder

    def copy(self) -> "Folder":
        twin = Folder()
        twin._inodes, twin._cache, twin._disk = dict(self._inodes), dict(self._cache), dict(self._disk)
        twin._namings, twin._dirty, twin._next = self._namings, self._dirty, self._next
        twin._renaming = self._renaming
        return twin

    # --- looking

    def visible(self) -> dict[str, bytes]:
        """What a process sees that opens the folder now."""
        return {name: self._inodes[number].data for name, number in sorted(self._cache.items())}

    def durable(self) -> dict[str, bytes]:
        """What surely survives: every name that is durable, with its synced bytes."""
        return {name: self._inodes[number].durable for name, number in sorted(self._disk.items())}

    def read(self, name: str) -> bytes:
        if name not in self._cache:
            raise FileNotFoundError(name)
        return self._inodes[self._cache[name]].data

    def names(self) -> list[str]:
        return sorted(self._cache)

    # --- what a process does

    def execute(self, ops: Sequence[DiskOp]) -> None:
        for op in ops:
            self._do(op)

    def begin(self, op: DiskOp, share: float) -> None:
        """Part of one operation: of a write the first sectors (a kernel copies page by page into its cache); of a
        rename the new name, without the folder's sync.
        """
        match op:
            case Write(name, offset, data):
                cut = (offset + int(len(data) * share)) // SECTOR * SECTOR
                if cut > offset:
                    self._do(Write(name, offset, data[: cut - offset]))
            case Rename(old, new):
                self._rename(old, new)
            case _:
                return

    def finish_batch(self) -> None:
        """Everything this process did is durable; what an earlier one left un-synced in other files is not."""
        for number in self._dirty & self._inodes.keys():
            self._inodes[number] = self._inodes[number].synced()
        self._dirty = frozenset()
        if self._renaming:
            self._sync_names()

    def reopen(self) -> None:
        """The process was killed; the next one knows nothing of what is not synced."""
        self._dirty = frozenset()
        self._renaming = False

    def lose_power(self, chance: Chance, keep: float, keep_names: float) -> dict[str, bytes]:
        """A folder as it may be found afterwards."""
        names = dict(self._disk)
        for naming in self._namings:
            if chance.random() >= keep_names:
                continue
            names.pop(naming.was, None)
            names.pop(naming.name, None)
            if naming.number:
                names[naming.name] = naming.number
        return {name: self._inodes[number].survivor(chance, keep) for name, number in sorted(names.items())}

    # --- inside

    def _do(self, op: DiskOp) -> None:
        match op:
            case Write(name, offset, data):
                number = self._cache.get(name) or self._make(name)
                self._inodes[number] = self._inodes[number].written(offset, data)
                self._dirty |= {number}
            case Sync(name):
                self._sync(self._cache[name])
                self._sync_names()
            case Create(name, size):
                number = self._make(name)
                self._inodes[number] = Inode().written(0, bytes(size))
                self._dirty |= {number}
            case Rename(old, new):
                self._rename(old, new)
                self._sync_names()
            case Remove(name):
                if self._cache.pop(name, 0):
                    self._named(Naming(name, 0))

    def _make(self, name: str) -> int:
        number, self._next = self._next, self._next + 1
        self._inodes[number] = Inode()
        self._cache[name] = number
        self._named(Naming(name, number))
        return number

    def _rename(self, old: str, new: str) -> None:
        """A name never points at bytes that are not there yet."""
        number = self._cache.pop(old)
        self._sync(number)
        self._cache[new] = number
        self._named(Naming(new, number, old))

    def _named(self, naming: Naming) -> None:
        self._namings += (naming,)
        self._renaming = True

    def _sync(self, number: int) -> None:
        self._inodes[number] = self._inodes[number].synced()
        self._dirty -= {number}

    def _sync_names(self) -> None:
        self._disk = dict(self._cache)
        kept = set(self._disk.values())
        self._namings = ()
        self._renaming = False
        self._inodes = {number: inode for number, inode in self._inodes.items() if number in kept}
