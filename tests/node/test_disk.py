"""Laws of the data folder: order, durability, one process, and an end at the first error."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from quorate.consensus.ports import Create, DiskOp, Remove, Rename, Sync, Write
from quorate.node import disk as disk_module
from quorate.node.disk import FolderDisk
from quorate.node.disk_writer import OsFiles
from quorate.node.folder_lock import FolderInUseError
from tests.polling import eventually


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


class Shell:
    """What a peer's shell sees; `call_soon` runs the callback in the flusher thread, which is enough for a test."""

    def __init__(self, folder: Path, files: Recording) -> None:
        self.files = files
        self.tickets: list[int] = []
        self.failures: list[OSError] = []
        self.disk = FolderDisk(folder, self._soon, self.tickets.extend, self.failures.append, files)

    def _soon(self, callback: Callable[[], None]) -> None:
        callback()

    def run(self, *ops: DiskOp) -> None:
        """Submit and wait until it is flushed, or the disk failed."""
        ticket = max(self.tickets, default=0) + 1
        self.disk.submit(ticket, ops)
        eventually(lambda: ticket in self.tickets or self.failures, 5, "the batch is reported")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path, Recording())
    yield made
    made.files.gate.set()
    made.disk.close()


def test_a_flushed_batch_is_what_a_reader_finds(shell: Shell) -> None:
    shell.run(Create("a", 10), Write("a", 2, b"xyz"))
    assert shell.disk.read("a") == b"\0\0xyz\0\0\0\0\0"
    assert shell.disk.read_at("a", 3, 2) == b"yz"
    shell.run(Write("b.new", 0, b"1"), Sync("b.new"), Rename("b.new", "b"))
    assert shell.disk.names() == ["a", "b"]
    shell.run(Remove("a"), Remove("never-there"))
    assert shell.disk.names() == ["b"]
    shell.run(Create("b", 3))
    assert shell.disk.read("b") == b"\0\0\0"


def test_a_plain_append_is_one_system_call(shell: Shell) -> None:
    shell.run(Create("journal", 1000))
    shell.files.calls.clear()
    shell.run(Write("journal", 0, b"abc"), Write("journal", 3, b"def"), Sync("journal"))
    assert shell.files.calls == ["pwritev"]
    assert shell.disk.read_at("journal", 0, 6) == b"abcdef"


def test_scattered_writes_are_flushed_once_at_the_end(shell: Shell) -> None:
    shell.run(Create("journal", 1000))
    shell.files.calls.clear()
    shell.run(Write("journal", 500, b"abc"), Write("journal", 0, b"def"))
    assert shell.files.calls == ["pwrite", "pwrite", "fdatasync"]


def test_a_rename_is_durable_in_its_folder_and_never_overtakes_the_bytes(shell: Shell) -> None:
    shell.run(Write("meta.new", 0, b"1"), Rename("meta.new", "meta"))
    assert shell.files.calls[-4:] == ["pwrite", "fdatasync", "rename", "fsync"]


def test_waiting_appends_to_one_file_share_one_flush_and_are_reported_in_order(shell: Shell) -> None:
    shell.run(Create("journal", 1000))
    shell.files.calls.clear()
    shell.files.gate.clear()
    for n in range(50):
        shell.disk.submit(2 + n, [Write("journal", n * 3, b"%03d" % n), Sync("journal")])
    shell.files.gate.set()
    eventually(lambda: len(shell.tickets) == 51, 5)
    assert shell.tickets == list(range(1, 52))
    assert shell.files.calls.count("pwritev") <= 2
    assert shell.disk.read_at("journal", 0, 150) == b"".join(b"%03d" % n for n in range(50))


def test_batches_of_different_files_are_never_merged(shell: Shell) -> None:
    shell.run(Create("journal", 100), Create("vote", 100))
    shell.files.calls.clear()
    shell.files.gate.clear()
    for n in range(3):
        shell.disk.submit(2 + 2 * n, [Write("journal", n, b"j")])
        shell.disk.submit(3 + 2 * n, [Write("vote", n, b"v")])
    shell.files.gate.set()
    eventually(lambda: len(shell.tickets) == 7, 5)
    assert shell.files.calls == ["pwritev"] * 6


def test_short_writes_are_continued(shell: Shell) -> None:
    shell.files.longest_write = 7
    shell.run(Write("a", 0, b"0123456789" * 5), Sync("a"))
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
def test_the_first_error_is_told_once_and_nothing_is_done_afterwards(
    shell: Shell, call: str, code: int, word: str
) -> None:
    shell.files.faults[call] = code
    shell.run(Write("meta.new", 5, b"1"), Write("meta.new", 0, b"1"), Rename("meta.new", "meta"))
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


def test_a_failed_flush_is_never_tried_again(shell: Shell) -> None:
    shell.run(Create("journal", 100))
    shell.files.calls.clear()
    shell.files.faults["pwritev"] = errno.EIO
    shell.run(Write("journal", 0, b"1"))
    assert shell.files.calls == ["pwritev"]
    assert shell.tickets == [1]


def test_a_kernel_without_flushing_writes_gets_a_flush_of_its_own(shell: Shell) -> None:
    shell.run(Create("journal", 100))
    shell.files.calls.clear()
    shell.files.faults["pwritev"] = errno.EOPNOTSUPP
    shell.run(Write("journal", 0, b"1"))
    shell.run(Write("journal", 1, b"2"))
    assert shell.files.calls == ["pwritev", "pwrite", "fdatasync", "pwrite", "fdatasync"]
    assert not shell.failures


def test_a_disk_that_does_not_keep_up_is_a_failure_not_an_endless_queue(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "MAX_WAITING_BYTES", 1000)
    shell.files.gate.clear()
    shell.disk.submit(1, [Write("a", 0, bytes(800))])
    shell.disk.submit(2, [Write("a", 800, bytes(800))])
    assert "does not keep up" in str(shell.failures[0])
    assert shell.tickets == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "lock", "history.sqlite-wal", "."])
def test_only_plain_names_are_written(shell: Shell, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        shell.disk.submit(1, [Write(name, 0, b"1")])
    assert shell.files.calls == ["open"]  # the folder itself


def test_close_first_executes_what_was_submitted(tmp_path: Path) -> None:
    shell = Shell(tmp_path, Recording())
    for n in range(20):
        shell.disk.submit(n + 1, [Write(f"f{n}", 0, b"x")])
    shell.disk.close()
    assert shell.tickets == list(range(1, 21))
    assert len(list(tmp_path.glob("f*"))) == 20


def test_free_space_is_that_of_the_folder(shell: Shell, tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    assert abs(shell.disk.free_bytes() - state.f_bavail * state.f_frsize) < 1 << 30


def test_two_processes_never_share_a_folder(shell: Shell, tmp_path: Path) -> None:
    """The second is told the first one's process id, and changes nothing."""
    with pytest.raises(FolderInUseError, match=f"process {os.getpid()}.*folder of its own"):
        Shell(tmp_path, Recording())
    shell.run(Write("a", 0, b"still works"))
    assert shell.disk.read("a") == b"still works"


def test_a_forked_child_does_not_keep_the_folder_shut(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from quorate.node.folder_lock import FolderLock\n"
        "FolderLock(pathlib.Path(sys.argv[1]))\n"
        "reader, writer = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(writer, b'1')\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os.read(reader, 1)\n"
        "os._exit(0)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, cwd=root) as parent:
        assert parent.wait(20) == 0
        with contextlib.ExitStack() as stack:
            shell = Shell(tmp_path, Recording())
            stack.callback(shell.disk.close)
            assert parent.stdin is not None
            parent.stdin.close()
