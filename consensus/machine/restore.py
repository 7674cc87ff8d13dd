"""A machine from the chunks of a walk.

Law: a chunk is checked before it counts, derived tables are rebuilt as records come, and the whole must have the hash
and the counts that its header promised.
"""

import msgspec

from quorate.consensus.commands import Limits
from quorate.consensus.machine.records import Counters, Ended
from quorate.consensus.machine.store import Store
from quorate.consensus.machine.tables import AnyTable
from quorate.consensus.machine.walk import VERSION, Chunk, DamagedSnapshot, Header
from quorate.scheduling.task import Task

_decode = msgspec.msgpack.Decoder(Chunk).decode


class Restoring:
    """A store being filled."""

    def __init__(self) -> None:
        self.store = Store()
        self._header: Header | None = None
        self._tables = self.store.all()
        self._decoders = [msgspec.msgpack.Decoder(table.kind) for table in self._tables]
        for table in (self.store.counters, self.store.limits):
            table.drop("")

    def feed(self, data: bytes) -> None:
        """The next chunk. Raises DamagedSnapshot; then all of it is to be thrown away."""
        try:
            chunk = _decode(data)
            if chunk.header is not None:
                self._open(chunk.header)
            for at, images in chunk.slices:
                self._load(self._tables[at], [self._decoders[at].decode(image) for image in images])
        except (msgspec.MsgspecError, ValueError, RecursionError, IndexError) as error:
            raise DamagedSnapshot(f"a chunk of {len(data)} bytes cannot be read: {error}") from error
        self.store.rehash()

    def finish(self) -> Store:
        """Raises DamagedSnapshot if anything is missing or different."""
        header, store = self._header, self.store
        if header is None:
            raise DamagedSnapshot("there is no header")
        counts = [len(table.records) for table in self._tables]
        if counts != header.counts:
            raise DamagedSnapshot(f"expected {header.counts} records in the tables, got {counts}")
        if store.state_hash != header.state_hash:
            raise DamagedSnapshot(f"expected state hash {header.state_hash.hex()}, got {store.state_hash.hex()}")
        if "" not in store.counters.records or "" not in store.limits.records:
            raise DamagedSnapshot("there are no counters or no limits")
        store.now, store.bounds = store.counters.records[""], store.limits.records[""]
        store.sort_stubs()
        return store

    def _open(self, header: Header) -> None:
        if header.version != VERSION:
            raise DamagedSnapshot(f"expected a snapshot of version {VERSION}, got {header.version}")
        if self._header is not None:
            raise DamagedSnapshot("there is a second header")
        self._header = header

    def _load(self, table: AnyTable, records: list[Counters | Limits | Task | Ended]) -> None:
        for record in records:
            if not table.load(record):
                raise DamagedSnapshot(f"table {table.name} has {table.of(record)!r} twice")
            if isinstance(record, Task):
                self.store.attach(record)
                self.store.enter(record)
            elif isinstance(record, Ended):
                self.store.attach_stub(record)
