"""Holes of PySyncObj 0.3.17 on the disk: wrong on the stock engine with real files, right on ours."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pysyncobj.journal import FileJournal

from quorate.consensus.frames import AppendReply, PreVoteReply, RequestVote, Vote
from quorate.consensus.raft import DamagedJournal, MissingSnapshot, RaftSettings
from tests.consensus.raft.lab import SMALL
from tests.consensus.raft.lab_disk import LabDisk
from tests.consensus.raft.solo import Solo
from tests.consensus.raft.stock import StockPeer

# The stock engine leaves its meta file to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


class Killed(BaseException):
    """kill -9, at this very place."""


def _kill(*_anything: object) -> None:
    raise Killed


# --- stock ---


def test_s3_stock_throws_away_the_log_after_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, Any] = {
        "journalFile": str(tmp_path / "journal"),
        "fullDumpFile": str(tmp_path / "dump"),
        "useFork": False,
    }
    stock = StockPeer(peers=1, **files)
    stock.tick(5.0)
    answered: list[int] = []

    def put(numbers: range) -> None:
        for number in numbers:
            stock.sync.put(number, callback=lambda _result, error: answered.append(error))
        stock.tick()

    put(range(50))
    stock.tick()
    stock.sync.forceLogCompaction()
    put(range(50, 70))  # the snapshot is renamed at the end of this tick
    monkeypatch.setattr(type(stock.sync), "_SyncObj__tryLogCompaction", _kill)
    with pytest.raises(Killed):
        stock.tick()  # answers 20 more, and dies before it trims the journal
    assert answered == [0] * 70

    again = StockPeer(peers=1, **files)
    again.sync.items = []
    for _ in range(10):
        again.tick(5.0)
    assert again.sync.items == list(range(50)), "20 acknowledged commands are gone"
    stock.close()
    again.close()


def test_s4_stock_loses_the_log_while_it_trims_it(tmp_path: Path) -> None:
    class Dying(FileJournal):  # type: ignore[misc]  # the engine carries no types
        added = 0

        def add(self, *entry: object) -> None:
            self.added += 1
            if self.added == 1_100:
                raise Killed
            super().add(*entry)

    journal = Dying(str(tmp_path / "journal"))
    for index in range(1, 1_001):
        journal.add(b"x", index, 1)
    with pytest.raises(Killed):
        journal.deleteEntriesTo(100)
    again = FileJournal(str(tmp_path / "journal"))
    assert len(again) == 99, "of 900"
    assert again[-1][1] == 199
    journal._destroy()
    again._destroy()


def test_s12_stock_flushes_nothing_before_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _fd: flushes.append("fsync"))
    monkeypatch.setattr(os, "fdatasync", lambda _fd: flushes.append("fdatasync"))
    stock = StockPeer(journalFile=str(tmp_path / "journal"))
    stock.private("raftLog").flush = lambda: flushes.append("flush")
    stock.deliver("b", type="request_vote", term=3, last_log_index=1, last_log_term=0)
    stock.append("b", term=3, previous=(1, 0), items=["x"])
    assert [message["type"] for _, message in stock.outbox.sent] == ["response_vote", "next_node_idx"]
    assert flushes == []
    stock.close()


def test_s12_stock_reads_changed_bytes_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(str(path))
    journal.add(b"pay 1 to bob", 1, 1)
    journal._destroy()
    path.write_bytes(path.read_bytes().replace(b"bob", b"eve"))
    again = FileJournal(str(path))
    assert again[0] == (b"pay 1 to eve", 1, 1)
    again._destroy()


def test_s13_stock_without_a_dump_file_loses_everything_in_a_clean_restart(tmp_path: Path) -> None:
    files: dict[str, Any] = {"journalFile": str(tmp_path / "journal"), "logCompactionMinEntries": 20}
    stock = StockPeer(peers=1, **files)
    stock.tick(5.0)
    for number in range(100):
        stock.sync.put(number)
        stock.tick()
    for _ in range(10):
        stock.tick()
    assert len(stock.sync.items) == 100
    stock.close()
    again = StockPeer(peers=1, **files)
    for _ in range(20):
        again.tick(5.0)
    assert len(again.sync.items) < 100
    again.close()


def test_l5_stock_runs_on_empty_when_its_dump_is_damaged(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    files: dict[str, Any] = {"journalFile": str(tmp_path / "journal"), "fullDumpFile": str(dump), "useFork": False}
    stock = StockPeer(peers=1, **files)
    stock.tick(5.0)
    for number in range(50):
        stock.sync.put(number)
        stock.tick()
    stock.tick()
    stock.sync.forceLogCompaction()
    for _ in range(3):
        stock.tick()
    stock.close()
    dump.write_bytes(b"rot" + dump.read_bytes()[3:])
    again = StockPeer(peers=1, **files)
    for _ in range(10):
        again.tick(5.0)
    assert again.sync._isLeader()
    assert len(again.sync.items) < 50, "and it leads"
    again.close()


# --- ours ---


class StopsAfter(LabDisk):
    """Executes so many operations, then the machine is dead: no batch finishes any more."""

    def __init__(self, disk: LabDisk, operations: int) -> None:
        super().__init__(disk.rng)
        self.files = {name: bytearray(data) for name, data in disk.files.items()}
        self.left = operations

    def finish_batch(self) -> int:
        ticket, ops = self.batches.popleft()
        for op in ops:
            if self.left == 0:
                raise Killed
            self.left -= 1
            self._do(op)
        return ticket


def busy_life(disk: LabDisk, settings: RaftSettings) -> tuple[list[bytes], bool]:
    """A peer alone in its cluster writes, takes snapshots, drops log. What it had acknowledged; whether it died."""
    try:
        solo = Solo(peers=1, disk=disk, settings=settings)
    except Killed:
        return [], True
    try:
        for number in range(30):
            assert solo.raft.propose(b"new %d" % number + b"." * 300)
            if number % 6 == 3:
                solo.raft.snapshot_now()
            solo.settle()
    except Killed:
        return list(solo.applied), True
    return list(solo.applied), False


def crash_points(disk: LabDisk, settings: RaftSettings) -> Iterator[tuple[Solo, list[bytes]]]:
    """That life, ended after 1, 2, 3 ... disk operations: who came back, and what was acknowledged before."""
    operations, died = 0, True
    while died:
        operations += 1
        dying = StopsAfter(disk, operations)
        acknowledged, died = busy_life(dying, settings)
        back = LabDisk(disk.rng)
        back.files = dying.files
        yield Solo(peers=1, disk=back, settings=settings), acknowledged


def test_s3_s4_ours_loses_nothing_at_any_crash_point_of_snapshot_and_compaction() -> None:
    settings = RaftSettings(keep_entries=2, segment_bytes=2_048, walk_bytes=200)
    first = Solo(peers=1, settings=settings)
    for number in range(15):
        assert first.raft.propose(b"%d" % number)
        first.settle()
    points = 0
    removed_segments = 0
    for back, acknowledged in crash_points(first.disk, settings):
        points += 1
        removed_segments += "journal-0000000000000001" not in back.disk.names()
        back.settle()
        assert back.applied[: len(acknowledged)] == acknowledged
        assert back.applied[:15] == [b"%d" % number for number in range(15)]
    assert points > 60
    assert removed_segments > 5, "the log was dropped in some of them"


def test_s12_ours_promises_nothing_before_it_is_flushed() -> None:
    ours = Solo().founded()
    ours.deliver("b", RequestVote(3, 1, 0))
    ours.step()
    assert ours.all(Vote) == []
    ours.flush()
    assert ours.take(Vote) == [Vote(3, granted=True)]
    ours.append("b", 3, (1, 0), [b"x"], commit=2)
    ours.step()
    assert {reply.match for reply in ours.all(AppendReply)} <= {1}, "a sign of life at most"
    assert ours.applied == [], "nor does it apply what is not on its own disk"
    ours.flush()
    assert ours.take(AppendReply)[-1].match == 2
    ours.settle()
    assert ours.applied == [b"x"]


def test_s12_ours_asks_for_votes_when_its_own_is_flushed() -> None:
    ours = Solo().founded()
    ours.now += 5.0
    ours.step()
    for peer in "bc":
        ours.deliver(peer, PreVoteReply(ours.raft.term + 1, granted=True, term=0))
    ours.step()
    assert ours.raft.role == "candidate"
    assert ours.all(RequestVote) == []
    ours.flush()
    assert len(ours.take(RequestVote)) == 2


def test_s12_ours_counts_its_own_log_only_as_far_as_it_is_flushed() -> None:
    ours = Solo().founded()
    ours.become_leader()
    ours.acknowledge("b", ours.raft.last_index)
    ours.settle()
    before = ours.raft.commit_index
    assert ours.raft.propose(b"x")
    ours.step()
    ours.acknowledge("b", ours.raft.last_index)
    ours.step()
    assert ours.raft._p.core.engine.commit_index == before, "not even the engine counts it"
    assert ours.raft.commit_index == before
    ours.flush()
    ours.step()
    assert ours.raft.commit_index == before + 1


def test_s12_ours_refuses_changed_bytes() -> None:
    ours = Solo().founded()
    ours.append("b", 1, (1, 0), [b"pay 1 to bob"], commit=2)
    ours.settle()
    (name,) = [name for name in ours.disk.names() if name.startswith("journal") and b"bob" in ours.disk.read(name)]
    place = ours.disk.read(name).index(b"bob")
    ours.disk.files[name][place : place + 3] = b"eve"
    with pytest.raises(DamagedJournal, match=name):
        Solo(disk=ours.disk)


def test_s13_ours_has_everything_after_compaction_and_a_restart() -> None:
    ours = Solo(peers=1, settings=SMALL)
    for number in range(300):
        assert ours.raft.propose(b"%d" % number)
        ours.settle()
    assert ours.raft.counters["snapshots_taken"] >= 3
    assert ours.raft.first_index > 200
    again = Solo(peers=1, disk=ours.disk)
    again.settle()
    again.now += 5
    again.settle()
    assert again.applied == [b"%d" % number for number in range(300)]


def test_l5_ours_refuses_to_start_on_a_damaged_snapshot_and_says_what_to_do() -> None:
    ours = Solo(peers=1, settings=SMALL)
    for number in range(300):
        assert ours.raft.propose(b"%d" % number)
        ours.settle()
    (name,) = [name for name in ours.disk.names() if name.startswith("snapshot-")]
    whole = {name: bytearray(data) for name, data in ours.disk.files.items()}
    for damage in (30, len(whole[name]) // 2, len(whole[name]) - 1):
        ours.disk.files = {each: bytearray(data) for each, data in whole.items()}
        ours.disk.files[name][damage] ^= 1
        with pytest.raises(MissingSnapshot, match="empty this folder and start again"):
            Solo(peers=1, disk=ours.disk)
    ours.disk.files = {each: bytearray(data) for each, data in whole.items() if each != name}
    with pytest.raises(MissingSnapshot):
        Solo(peers=1, disk=ours.disk)
    assert sorted(ours.disk.files) == sorted(each for each in whole if each != name), "nothing was touched"
