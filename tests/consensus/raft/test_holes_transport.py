"""What of PySyncObj 0.3.17 is closed by not being used: pickles from strangers, forks, its lock manager."""

import ast
import os
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pysyncobj import SyncObj, SyncObjConf, batteries

from quorate.consensus import codec
from tests.consensus.raft.lab import World
from tests.consensus.raft.solo import Solo
from tests.consensus.raft.stock import StockPeer
from tests.polling import eventually

ROOT = Path(__file__).resolve().parents[3]

_watched: list[tuple[str, tuple[Any, ...]]] | None = None


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watched is not None and event in ("pickle.find_class", "marshal.loads", "os.fork"):
        _watched.append((event, args))


sys.addaudithook(_audit)


@contextmanager
def watched() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """What the interpreter itself reports: classes looked up by a pickle, forks."""
    global _watched  # noqa: PLW0603 - an audit hook cannot be taken away again, only silenced
    seen: list[tuple[str, tuple[Any, ...]]] = []
    _watched = seen
    try:
        yield seen
    finally:
        _watched = None


def program(folder: Path) -> bytes:
    """Bytes which, unpickled by anybody, make that folder (the opcodes are those of protocol 0)."""
    return b"cos\nmkdir\n(V%s\ntR." % str(folder).encode()


def test_j_stock_runs_the_code_of_anyone_who_connects(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    stock = SyncObj(f"127.0.0.1:{port}", [], SyncObjConf(autoTick=False))
    stock.doTick(0.0)
    target = tmp_path / "made by a stranger"
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        body = zlib.compress(program(target))
        stranger.sendall(struct.pack("i", len(body)) + body)

        def ran() -> bool:
            stock.doTick(0.01)
            return target.is_dir()

        eventually(ran, 5.0, "the stranger's code has run")
    stock.destroy()


def test_j_ours_unpickles_nothing_from_wire_log_snapshot_or_disk(tmp_path: Path) -> None:
    target = tmp_path / "made by a stranger"
    bad = program(target)
    with watched() as seen:
        for frame in (bad, zlib.compress(bad), b"\x80\x02" + bad):
            with pytest.raises(codec.Malformed):
                codec.decode_message(frame)
        ours = Solo().founded()
        ours.append("b", 1, (1, 0), [bad, b"\x80\x02" + bad], commit=3)
        ours.settle()
        assert ours.applied == [bad, b"\x80\x02" + bad], "data, and nothing but data"
        again = Solo(disk=ours.disk)
        assert again.raft.last_index == 3
        world = World(3).start()
        world.settle()
        for _ in range(200):
            world.propose(bad)
            world.run(0.01)
        world.kill("b")
        world.restart("b")
        world.run(2.0)
    assert seen == []
    assert not target.exists()


def test_k_stock_forks_the_whole_process_for_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forks: list[int] = []

    def fork() -> int:
        forks.append(1)
        return 1

    stock = StockPeer(peers=1, fullDumpFile=str(tmp_path / "dump"))
    stock.tick(5.0)
    for number in range(5):
        stock.sync.put(number)
        stock.tick()
    monkeypatch.setattr(os, "fork", fork)
    stock.sync.forceLogCompaction()
    stock.tick()
    assert forks == [1]


def test_k_ours_takes_snapshots_in_slices_without_a_fork() -> None:
    with watched() as seen:
        world = World(3).start()
        world.settle()
        for number in range(150):
            world.propose(b"%d" % number)
            world.run(0.01)
        assert all(node.r.counters["snapshots_taken"] for node in world.up())
    assert seen == []


def test_n_stock_gives_a_held_lock_to_whoever_has_the_faster_clock() -> None:
    locks = batteries._ReplLockManagerImpl(10.0)
    assert locks.acquire("door", "slow", 100.0, _doApply=True)
    assert locks.isAcquired("door", "slow", 100.0)
    assert locks.acquire("door", "fast", 150.0, _doApply=True), "at the same moment, by a clock 50 s ahead"
    assert locks.isAcquired("door", "fast", 150.0)


def test_n_ours_uses_neither_its_locks_nor_its_transport_nor_its_files() -> None:
    """The product imports the configuration, the node and the transport's base class; and runs the audited module."""
    imported = set()
    for folder in ("consensus", "node", "netsim", "scheduling", "quorate"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pysyncobj"):
                    imported |= {f"{node.module}.{name.name}" for name in node.names}
                elif isinstance(node, ast.Import):
                    imported |= {name.name for name in node.names if name.name.startswith("pysyncobj")}
    assert imported == {"pysyncobj.config.SyncObjConf", "pysyncobj.node.Node", "pysyncobj.transport.Transport"}
