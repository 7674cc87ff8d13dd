"""The files of stock PySyncObj on the simulated disk: its own journal class, over a page cache that nobody flushes.

Law: what it does in which order is as in its source: writes through a map, `meta` aside and renamed, the snapshot
written by a child process and renamed; every one of these operations is a place where it may be killed.
"""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from pysyncobj import journal
from pysyncobj import pickle as its_pickle
from pysyncobj.config import SERIALIZER_STATE

from quorate.netsim.disk import File, SimDisk

JOURNAL, META, DUMP = "journal", "journal.meta", "dump"
LEAST_BYTES = 1_024
"""Its files are never smaller; what is not there reads as zeros."""
Reach = Callable[[], None]


class MappedFile:
    """In place of its `ResizableFile`."""

    def __init__(self, disk: SimDisk, reach: Reach, name: str, content: bytes) -> None:
        self._disk = disk
        self._reach = reach
        if name not in disk.files:
            disk.files[name] = File()
            self._write(name, 0, content)
        self._name = name
        data = disk.files[name].data
        data.extend(bytes(max(0, LEAST_BYTES - len(data))))

    def _write(self, name: str, offset: int, values: bytes) -> None:
        self._reach()
        self._disk.files[name].write(offset, values)

    def write(self, offset: int, values: bytes) -> None:
        self._write(self._name, offset, values)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._disk.files[self._name].data[offset : offset + size])


class MetaFile:
    """In place of its `MetaStorer`: written aside and moved, never flushed."""

    def __init__(self, disk: SimDisk, reach: Reach, name: str) -> None:
        self._disk = disk
        self._reach = reach
        self._name = name

    def getMeta(self) -> Any:  # noqa: N802 - the engine's name
        try:
            return its_pickle.loads(bytes(self._disk.files[self._name].data))
        except Exception:  # noqa: BLE001 - as in its source: whatever is wrong, it begins with nothing
            return {}

    def storeMeta(self, meta: Any) -> None:  # noqa: N802 - the engine's name
        replace_file(self._disk, self._reach, self._name, its_pickle.dumps(meta))


def replace_file(disk: SimDisk, reach: Reach, name: str, data: bytes) -> None:
    reach()
    file = File()
    file.write(0, data)
    reach()
    before = disk.files.get(name)
    if before is not None:  # at power loss the name may still lead to the old contents, or to what was not written yet
        file.unsynced.insert(0, (0, bytes(before.data), len(before.data)))
    disk.files[name] = file


def open_journal(disk: SimDisk, reach: Reach) -> Any:
    """Its FileJournal, from its own source."""
    module = ModuleType("pysyncobj.journal")
    module.__package__ = "pysyncobj"
    with open(journal.__file__, encoding="utf-8") as source:
        exec(compile(source.read(), journal.__file__, "exec"), vars(module))  # noqa: S102 - an installed package
    module.ResizableFile = lambda name, defaultContent: MappedFile(disk, reach, name, defaultContent)  # type: ignore[attr-defined]  # noqa: N803
    module.MetaStorer = lambda name: MetaFile(disk, reach, name)  # type: ignore[attr-defined]
    return module.FileJournal(JOURNAL)


class Dumps:
    """In place of its `Serializer`: the same decisions, the child process as a delay."""

    def __init__(
        self, disk: SimDisk, reach: Reach, after: Callable[..., None], batch: int, alive: Callable[[], bool]
    ) -> None:
        self._disk = disk
        self._reach = reach
        self._after = after
        self._batch = batch
        self._alive = alive
        self._child = False
        self._done = False
        self._id = 0
        self._sent: dict[Any, int] = {}
        self._incoming: bytes | None = None

    def checkSerializing(self) -> tuple[int, int | None]:  # noqa: N802 - the engine's name
        if not self._child:
            return SERIALIZER_STATE.NOT_SERIALIZING, None
        if not self._done:
            return SERIALIZER_STATE.SERIALIZING, self._id
        self._child, self._sent = False, {}
        return SERIALIZER_STATE.SUCCESS, self._id

    def serialize(self, data: Any, number: int) -> None:
        if self._child:
            return
        self._child, self._done, self._id = True, False, number
        blob = its_pickle.dumps(data)
        self._after(0.05, self._finish, blob)

    def _finish(self, blob: bytes) -> None:
        if self._alive():
            replace_file(self._disk, _nothing, DUMP, blob)
            self._done = True

    def deserialize(self) -> Any:
        return its_pickle.loads(bytes(self._disk.files[DUMP].data))

    def getTransmissionData(self, to: Any) -> tuple[bytes, bool, bool] | None:  # noqa: N802 - the engine's name
        if self._child or DUMP not in self._disk.files:
            return None
        at = self._sent.get(to, 0)
        data = bytes(self._disk.files[DUMP].data[at : at + self._batch])
        self._sent[to] = at + len(data)
        if not data:
            del self._sent[to]
        return data, at == 0, not data

    def setTransmissionData(self, data: Any) -> bool:  # noqa: N802 - the engine's name
        if data is None:
            return False
        part, first, last = data
        if first:
            self._incoming = b""
        elif self._incoming is None:
            return False
        self._incoming = (self._incoming or b"") + part
        if last:
            replace_file(self._disk, self._reach, DUMP, self._incoming)
            self._incoming = None
        return bool(last)

    def cancelTransmisstion(self, to: Any) -> None:  # noqa: N802 - the engine's name
        self._sent.pop(to, None)


def _nothing() -> None:
    """The child process is not killed with its parent."""


def os_of(disk: SimDisk) -> SimpleNamespace:
    """In place of the name `os`: is there a snapshot?"""
    return SimpleNamespace(path=SimpleNamespace(isfile=lambda name: name in disk.files))
