"""The log: entries in memory, each change of it recorded in the journal.

Laws:
- The first element is the *base*: the index and term of the entry before the first one that is kept.
- `flushed_index` is the last index that is durable here; a cut lowers it at once, a flush raises it.
- The configuration in force is the newest one in the log, from the moment it is appended (Raft thesis, section 4.1).

PySyncObj sees this object as its journal and uses `add`, `deleteEntriesFrom`, indexing, slicing, `len` and the term
and vote.
"""

from collections.abc import Sequence
from typing import overload

import msgspec

from quorate.consensus.journal import Journal
from quorate.consensus.ports import PeerId

Entry = tuple[bytes, int, int]
"""(command, index, term)."""

REGULAR, NO_OP, CONFIG = b"\x00", b"\x01", b"\x02"
"""The first byte of a command."""


class Config(msgspec.Struct, frozen=True, array_like=True):
    """Which disk speaks for which peer. `index`: of the entry that says so (0: the founding)."""

    index: int
    disks: dict[PeerId, str]


_disks = msgspec.msgpack.Decoder(dict[str, str])


def encode_config(disks: dict[PeerId, str]) -> bytes:
    """The command of an entry that puts a configuration into force."""
    return CONFIG + msgspec.msgpack.encode(disks)


class Log:
    def __init__(self, journal: Journal, base: tuple[int, int], entries: list[Entry], config: Config) -> None:
        self._journal = journal
        self._entries: list[Entry] = [(NO_OP, *base), *entries]
        self._configs = [config]
        for command, index, _ in entries:
            if index > config.index:
                self._notice_config(command, index)
        self.flushed_index = base[0]
        self._on_its_way = base[0]
        self.term, self.vote = journal.term, journal.vote
        self.flushed_term = 0
        self._term_on_its_way = 0

    # --- what everybody asks ------------------------------------------------------------------------------------------

    @property
    def base_index(self) -> int:
        return self._entries[0][1]

    @property
    def base_term(self) -> int:
        return self._entries[0][2]

    @property
    def last_index(self) -> int:
        return self._entries[-1][1]

    @property
    def last_term(self) -> int:
        return self._entries[-1][2]

    def has(self, index: int) -> bool:
        """The base counts: its term is known."""
        return self._entries[0][1] <= index <= self._entries[-1][1]

    def term_at(self, index: int) -> int:
        return self._entries[index - self._entries[0][1]][2]

    def entry(self, index: int) -> Entry:
        return self._entries[index - self._entries[0][1]]

    def batch(self, first: int, limit_bytes: int) -> tuple[list[Entry], int]:
        """Entries from `first` on up to about that size, at least one, and their size."""
        at = first - self._entries[0][1]
        stop, size, end = at, 0, len(self._entries)
        while stop < end and size < limit_bytes:
            size += len(self._entries[stop][0])
            stop += 1
        return self._entries[at:stop], size

    # --- configuration ------------------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        return self._configs[-1]

    def config_at(self, index: int) -> Config:
        """In force at that index, which is not before the base."""
        return next(config for config in reversed(self._configs) if config.index <= index or config is self._configs[0])

    def _notice_config(self, command: bytes, index: int) -> None:
        if command[:1] == CONFIG:
            self._configs.append(Config(index, _disks.decode(command[1:])))

    def found(self, config: Config) -> None:
        """The configuration before any entry."""
        self._configs = [config]

    # --- changes ------------------------------------------------------------------------------------------------------

    def add(self, command: bytes, index: int, term: int) -> None:
        self._entries.append((command, index, term))
        self._journal.append(index, term, command)
        if command[:1] == CONFIG:
            self._notice_config(command, index)

    def cut_from(self, index: int) -> None:
        """Entries from `index` on are void."""
        del self._entries[index - self._entries[0][1] :]
        self._journal.cut(index, self.last_term)
        self.flushed_index = min(self.flushed_index, index - 1)
        self._on_its_way = min(self._on_its_way, index - 1)
        while self._configs[-1].index >= index:
            self._configs.pop()

    def reset(self, index: int, term: int, config: Config) -> None:
        """A durable snapshot covers everything up to `index`; what is here does not continue it."""
        self._entries = [(NO_OP, index, term)]
        self._configs = [config]
        self._journal.reset(index, term)
        self.flushed_index = self._on_its_way = index

    def covered_to(self, index: int) -> None:
        """A durable snapshot covers everything up to `index`, which is in the log."""
        self.flushed_index = max(self.flushed_index, index)
        self._on_its_way = max(self._on_its_way, index)

    def forget_to(self, index: int) -> None:
        """Entries up to `index` are not needed in memory any more; it becomes the base."""
        needless = index - self._entries[0][1]
        if needless <= 0:
            return
        _, base_index, base_term = self._entries[needless]
        self._entries[: needless + 1] = [(NO_OP, base_index, base_term)]
        newest = self.config_at(index)
        self._configs = [newest, *(config for config in self._configs if config.index > max(index, newest.index))]
        self.covered_to(index)

    def promise(self, term: int, vote: str | None) -> None:
        if (term, vote) != (self.term, self.vote):
            self.term, self.vote = term, vote
            self._journal.promise(term, vote)

    def leaves_for_disk(self) -> None:
        """Everything up to here is in the batch that is being written."""
        self._on_its_way = self.last_index
        self._term_on_its_way = self.term

    def flushed(self) -> None:
        """That batch is durable."""
        self.flushed_index = self._on_its_way
        self.flushed_term = self._term_on_its_way

    # --- PySyncObj's names --------------------------------------------------------------------------------------------

    def deleteEntriesFrom(self, place: int) -> None:  # noqa: N802 - the engine's name
        self.cut_from(self._entries[0][1] + place)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def setCurrentTerm(self, term: int, vote: str | None) -> None:  # noqa: N802 - the engine's name
        self.promise(term, vote)

    def getCurrentTerm(self) -> int:  # noqa: N802 - the engine's name
        return self.term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802 - the engine's name
        return self.vote

    def getRaftCommitIndex(self) -> int:  # noqa: N802 - the engine's name
        return self.base_index

    def setRaftCommitIndex(self, index: int) -> None:  # noqa: N802 - the engine's name
        """Volatile, as in the paper: a new leader's first entry tells it."""

    def onOneSecondTimer(self) -> None:  # noqa: N802 - the engine's name
        """Nothing is written behind anybody's back."""
