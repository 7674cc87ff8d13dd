"""Laws of the data folder: order, durability, one process, and an end at the first error."""

import asyncio
import errno
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write
from quorate.node import disk as disk_module
from quorate.node.disk import AsyncFlush, FolderDisk, open_disk
from quorate.node.disk_writer import OsFiles
from quorate.node.folder_lock import FolderInUseError, FolderLock
from quorate.node.kernel_flush import KernelFlush
from tests.polling import eventually_async


class Recording(OsFiles):
    """The real files, with a log of calls, a gate to hold the flusher at, and a fault per call name."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.faults: dict[str, int] = {}
        self.longest_write = 1 << 30
        self.gate = threading.Event()
        self.gate.set()

    def _note(self, call: str) -> None:
        assert self.gate.wait(10)
        self.calls.append(call)
        if call in self.faults:
            raise OSError(self.faults[call], os.strerror(self.faults[call]))

    def open(self, path: str, flags: int, mode: int, /) -> int:
        self._note("open")
        return super().open(path, flags, mode)

    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int:  # type: ignore[override]  # a method over a static one
        self._note("pwrite")
        return os.pwrite(fd, data[: self.longest_write], offset)

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int, flags: int, /) -> int:  # type: ignore[override]
        self._note("pwritev")
        if self.longest_write < 1 << 30:
            return os.pwrite(fd, b"".join(buffers)[: self.longest_write], offset)
        return os.pwritev(fd, buffers, offset, flags)

    def fdatasync(self, fd: int, /) -> None:  # type: ignore[override]
        self._note("fdatasync")
        os.fdatasync(fd)

    def fsync(self, fd: int, /) -> None:  # type: ignore[override]
        self._note("fsync")
        os.fsync(fd)

    def rename(self, old: str, new: str, /) -> None:
        self._note("rename")
        super().rename(old, new)


class HandFlush:
    """An AsyncFlush that is done when the test says so, with the result the test says."""

    def __init__(self) -> None:
        self.bell, self._ring = os.pipe()
        self.started: list[int] = []
        self.refuses = False
        self._result = 0

    def start(self, descriptor: int, /) -> bool:
        if not self.refuses:
            self.started.append(descriptor)
        return not self.refuses

    def done(self, result: int) -> None:
        self._result = result
        os.write(self._ring, b"!")

    def result(self) -> int:
        os.read(self.bell, 1)
        return self._result

    def wait(self) -> int:
        return 0

    def close(self) -> None:
        os.close(self.bell)
        os.close(self._ring)


class Shell:
    """What a peer's shell sees. `kernel`: None for the thread alone."""

    def __init__(self, folder: Path, files: Recording, kernel: AsyncFlush | None) -> None:
        self.files = files
        self.tickets: list[int] = []
        self.failures: list[OSError] = []
        loop = asyncio.get_running_loop()
        self.disk = FolderDisk(folder, loop, self.tickets.extend, self.failures.append, files, kernel)

    async def run(self, *ops: DiskOp) -> None:
        """Submit and wait until it is flushed, or the disk failed."""
        ticket = max(self.tickets, default=0) + 1
        self.disk.submit(ticket, ops)
        await within(lambda: ticket in self.tickets or self.failures)


async def within(predicate: Callable[[], object]) -> None:
    async def look() -> object:
        return predicate()

    await eventually_async(look, 5)


@pytest.fixture(params=["thread", "kernel"])
async def shell(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shell]:
    """Both ways of flushing keep the same laws."""
    kernel = KernelFlush.open() if request.param == "kernel" else None
    if request.param == "kernel" and kernel is None:
        pytest.skip("this kernel or sandbox has no asynchronous flush")
    made = Shell(tmp_path, Recording(), kernel)
    yield made
    made.files.gate.set()
    made.disk.close()


@pytest.fixture
async def threaded(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path, Recording(), None)
    yield made
    made.files.gate.set()
    made.disk.close()


@pytest.fixture
def by_hand() -> HandFlush:
    return HandFlush()


@pytest.fixture
async def handed(tmp_path: Path, by_hand: HandFlush) -> AsyncIterator[Shell]:
    """With an open file `journal`, and a flush the test completes."""
    made = Shell(tmp_path, Recording(), by_hand)
    await made.run(Create("journal", 1000))
    made.files.calls.clear()
    yield made
    made.disk.close()


async def test_a_flushed_batch_is_what_a_reader_finds(shell: Shell) -> None:
    await shell.run(Create("a", 10), Write("a", 2, b"xyz"))
    assert shell.disk.read("a") == b"\0\0xyz\0\0\0\0\0"
    assert shell.disk.read_at("a", 3, 2) == b"yz"
    await shell.run(Write("b.new", 0, b"1"), Sync("b.new"), Rename("b.new", "b"))
    assert shell.disk.names() == ["a", "b"]
    await shell.run(Remove("a"), Remove("never-there"))
    assert shell.disk.names() == ["b"]
    await shell.run(Create("b", 3))
    assert shell.disk.read("b") == b"\0\0\0"


async def test_a_plain_append_is_one_system_call(threaded: Shell) -> None:
    await threaded.run(Create("journal", 1000))
    threaded.files.calls.clear()
    await threaded.run(Write("journal", 0, b"abc"), Write("journal", 3, b"def"), Sync("journal"))
    assert threaded.files.calls == ["pwritev"]
    assert threaded.disk.read_at("journal", 0, 6) == b"abcdef"


async def test_scattered_writes_are_flushed_once_at_the_end(threaded: Shell) -> None:
    await threaded.run(Create("journal", 1000))
    threaded.files.calls.clear()
    await threaded.run(Write("journal", 500, b"abc"), Write("journal", 0, b"def"))
    assert threaded.files.calls == ["pwrite", "pwrite", "fdatasync"]


async def test_a_rename_is_durable_in_its_folder_and_never_overtakes_the_bytes(shell: Shell) -> None:
    await shell.run(Write("meta.new", 0, b"1"), Rename("meta.new", "meta"))
    assert shell.files.calls[-4:] == ["pwrite", "fdatasync", "rename", "fsync"]


async def test_waiting_appends_to_one_file_share_one_flush_and_are_reported_in_order(threaded: Shell) -> None:
    await threaded.run(Create("journal", 1000))
    threaded.files.calls.clear()
    threaded.files.gate.clear()
    for n in range(50):
        threaded.disk.submit(2 + n, [Write("journal", n * 3, b"%03d" % n), Sync("journal")])
    threaded.files.gate.set()
    await within(lambda: len(threaded.tickets) == 51)
    assert threaded.tickets == list(range(1, 52))
    assert threaded.files.calls.count("pwritev") <= 2
    assert threaded.disk.read_at("journal", 0, 150) == b"".join(b"%03d" % n for n in range(50))


async def test_batches_of_different_files_are_never_merged(threaded: Shell) -> None:
    await threaded.run(Create("journal", 100), Create("vote", 100))
    threaded.files.calls.clear()
    threaded.files.gate.clear()
    for n in range(3):
        threaded.disk.submit(2 + 2 * n, [Write("journal", n, b"j")])
        threaded.disk.submit(3 + 2 * n, [Write("vote", n, b"v")])
    threaded.files.gate.set()
    await within(lambda: len(threaded.tickets) == 7)
    assert threaded.files.calls == ["pwritev"] * 6


async def test_short_writes_are_continued(shell: Shell) -> None:
    shell.files.longest_write = 7
    await shell.run(Write("a", 0, b"0123456789" * 5), Sync("a"))
    assert shell.disk.read("a") == b"0123456789" * 5
    assert "fdatasync" in shell.files.calls


@pytest.mark.parametrize(
    ("call", "code", "word"),
    [
        ("pwrite", errno.ENOSPC, "free some space"),
        ("fdatasync", errno.EIO, "flushing failed"),
        ("rename", errno.EIO, "meta"),
    ],
)
async def test_the_first_error_is_told_once_and_nothing_is_done_afterwards(
    shell: Shell, call: str, code: int, word: str
) -> None:
    shell.files.faults[call] = code
    await shell.run(Write("meta.new", 5, b"1"), Write("meta.new", 0, b"1"), Rename("meta.new", "meta"))
    assert shell.tickets == []
    assert [failure.errno for failure in shell.failures] == [code]
    assert word in str(shell.failures[0])
    assert "meta" in str(shell.failures[0])
    del shell.files.faults[call]
    done = list(shell.files.calls)
    shell.disk.submit(9, [Write("later", 0, b"1")])
    shell.disk.close()
    assert shell.files.calls == done
    assert shell.tickets == []
    assert len(shell.failures) == 1


async def test_a_failed_flush_is_never_tried_again(threaded: Shell) -> None:
    await threaded.run(Create("journal", 100))
    threaded.files.calls.clear()
    threaded.files.faults["pwritev"] = errno.EIO
    await threaded.run(Write("journal", 0, b"1"))
    assert threaded.files.calls == ["pwritev"]
    assert threaded.tickets == [1]


async def test_a_kernel_without_flushing_writes_gets_a_flush_of_its_own(threaded: Shell) -> None:
    await threaded.run(Create("journal", 100))
    threaded.files.calls.clear()
    threaded.files.faults["pwritev"] = errno.EOPNOTSUPP
    await threaded.run(Write("journal", 0, b"1"))
    await threaded.run(Write("journal", 1, b"2"))
    assert threaded.files.calls == ["pwritev", "pwrite", "fdatasync", "pwrite", "fdatasync"]
    assert not threaded.failures


async def test_a_disk_that_does_not_keep_up_is_a_failure_not_an_endless_queue(
    threaded: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "MAX_WAITING_BYTES", 1000)
    threaded.files.gate.clear()
    threaded.disk.submit(1, [Write("a", 0, bytes(800))])
    threaded.disk.submit(2, [Write("a", 800, bytes(800))])
    await within(lambda: threaded.failures)
    assert "does not keep up" in str(threaded.failures[0])
    threaded.files.gate.set()
    threaded.disk.close()
    assert threaded.tickets == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "lock", "history.sqlite-wal", "."])
async def test_only_plain_names_are_written(shell: Shell, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        shell.disk.submit(1, [Write(name, 0, b"1")])
    assert shell.files.calls == ["open"]  # the folder itself


async def test_close_first_executes_what_was_submitted(tmp_path: Path) -> None:
    shell = Shell(tmp_path, Recording(), KernelFlush.open())
    await shell.run(Create("journal", 100))
    for n in range(20):
        shell.disk.submit(2 + 2 * n, [Write("journal", n, b"x")])
        shell.disk.submit(3 + 2 * n, [Write(f"f{n}", 0, b"x")])
    shell.disk.close()
    shell.disk.close()
    assert sum(name.startswith("f") for name in os.listdir(tmp_path)) == 20
    assert shell.disk.read_at("journal", 0, 21) == b"x" * 20 + b"\0"


async def test_free_space_is_that_of_the_folder(shell: Shell, tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    assert abs(shell.disk.free_bytes() - state.f_bavail * state.f_frsize) < 1 << 30


async def test_two_processes_never_share_a_folder(shell: Shell, tmp_path: Path) -> None:
    """The second is told the first one's process id, and changes nothing."""
    with pytest.raises(FolderInUseError, match=f"process {os.getpid()}.*folder of its own"):
        Shell(tmp_path, Recording(), None)
    await shell.run(Write("a", 0, b"still works"))
    assert shell.disk.read("a") == b"still works"


FORKS_AND_DIES = """
import os, pathlib, sys
from quorate.node.folder_lock import FolderLock
FolderLock(pathlib.Path(sys.argv[1]))
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, b"1")
    sys.stdin.read()
    os._exit(0)
os.read(reader, 1)
os._exit(0)
"""


def test_a_forked_child_does_not_keep_the_folder_shut(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS_AND_DIES, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]) as parent:
        assert parent.wait(20) == 0
        FolderLock(tmp_path).release()


async def test_a_small_append_is_flushed_by_the_kernel_and_reported_only_then(
    handed: Shell, by_hand: HandFlush
) -> None:
    handed.disk.submit(2, [Write("journal", 0, b"abc"), Sync("journal")])
    assert handed.files.calls == ["pwrite"]
    assert len(by_hand.started) == 1
    handed.disk.submit(3, [Write("journal", 3, b"d")])
    handed.disk.submit(4, [Write("journal", 4, b"e")])
    assert handed.files.calls == ["pwrite"]
    assert handed.tickets == [1]
    by_hand.done(0)
    await within(lambda: len(by_hand.started) == 2)
    assert handed.tickets == [1, 2]
    by_hand.done(0)
    await within(lambda: handed.tickets == [1, 2, 3, 4])
    assert handed.files.calls == ["pwrite"] * 3


async def test_a_flush_the_kernel_reports_as_failed_ends_the_disk(handed: Shell, by_hand: HandFlush) -> None:
    handed.disk.submit(2, [Write("journal", 0, b"abc")])
    handed.disk.submit(3, [Write("journal", 3, b"def")])
    by_hand.done(errno.EIO)
    await within(lambda: handed.failures)
    handed.disk.submit(4, [Write("journal", 6, b"ghi")])
    assert (handed.tickets, len(handed.failures), handed.files.calls) == ([1], 1, ["pwrite"])
    assert "flushing failed" in str(handed.failures[0])
    assert "journal" in str(handed.failures[0])


async def test_where_the_kernel_says_not_now_the_thread_flushes(handed: Shell, by_hand: HandFlush) -> None:
    by_hand.refuses = True
    await handed.run(Write("journal", 0, b"abc"))
    assert handed.files.calls == ["pwrite", "pwritev"]
    assert handed.disk.read_at("journal", 0, 3) == b"abc"


async def test_large_writes_and_new_files_never_hold_the_loop_up(handed: Shell, by_hand: HandFlush) -> None:
    await handed.run(Write("journal", 0, bytes(disk_module.MAX_LOOP_WRITE_BYTES + 1)))
    await handed.run(Write("new", 0, b"1"))
    assert by_hand.started == []
    handed.disk.submit(4, [Write("new", 1, b"2")])
    assert len(by_hand.started) == 1


async def test_a_busy_loop_does_not_keep_a_flush_waiting(tmp_path: Path) -> None:
    """A loop that is never idle, and gives the interpreter away for moments only, starves threads for seconds."""
    if (kernel := KernelFlush.open()) is None:
        pytest.skip("this kernel or sandbox has no asynchronous flush")
    kernel.close()
    tickets: list[int] = []
    failures: list[OSError] = []
    disk = open_disk(tmp_path, asyncio.get_running_loop(), tickets.extend, failures.append)
    disk.submit(1, [Create("journal", 100_000)])
    await within(lambda: tickets == [1])
    began = time.monotonic()
    for ticket in range(2, 52):
        disk.submit(ticket, [Write("journal", ticket, b"x")])
        while tickets[-1] != ticket:
            spin_until = time.perf_counter() + 0.0002
            while time.perf_counter() < spin_until:
                math.sqrt(2)
            await asyncio.sleep(0)
    assert time.monotonic() - began < 2.5
    disk.close()
    assert not failures
