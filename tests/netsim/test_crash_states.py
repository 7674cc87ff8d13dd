"""Whatever a crash leaves, what was flushed is there; whatever damage does, it is noticed. On the real file formats."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from quorate.consensus import journal_recovery
from quorate.consensus.journal import segment_number
from quorate.consensus.journal_recovery import DamagedJournal
from quorate.consensus.ports import DiskOp, Rename, Sync, Write
from quorate.consensus.raft import parts, recovery, standing
from quorate.consensus.raft.gate import Gate
from quorate.consensus.raft.identity import ForeignFolder
from quorate.consensus.raft.identity import write_identity as write_identity_anew
from quorate.consensus.raft.standing import Standing
from quorate.consensus.settings import PeerSettings
from quorate.consensus.snapshot import snapshot_index
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.crashes import campaign
from quorate.netsim.crashes.disk import crash, shares
from quorate.netsim.crashes.folder import Folder, Inode
from quorate.netsim.crashes.opening import find, open_peer, open_whole
from quorate.netsim.crashes.recording import Recording
from quorate.netsim.violation import Violation
from quorate.node.disk import FolderDisk
from quorate.node.disk_writer import Batch, FolderWriter, OsFiles

SETTINGS = PeerSettings(me="a", voters=("a", "b", "c"), cluster="sim")


@pytest.fixture(scope="module")
def recording() -> Recording:
    made = Recording(5)
    made.run(6)
    return made


def first_batch() -> list[DiskOp]:
    """What a peer writes that starts on an empty folder."""
    _, disk, _ = open_peer({}, SETTINGS)
    return disk.submitted


def in_use(recording: Recording) -> dict[str, bytes]:
    """The files of peer a, everything flushed."""
    return recording.own_files("a")


def newest_segment(files: dict[str, bytes]) -> str:
    """The last one that holds records."""
    return max(name for name, data in files.items() if segment_number(name) is not None and any(data))


# --- the campaign


def test_crashes_lose_nothing_flushed_and_all_damage_is_noticed() -> None:
    """A tenth of what `make soak` draws."""
    table = campaign(1_000, 1_000, 200, seed=1)
    assert table.states == 1_000
    assert 0 < table.of_kills < table.states
    assert table.with_open_promises > 50, "crashes that leave a part of what was not flushed"
    for damage, drawn in ((table.flips, 1_000), (table.truncations, 200)):
        assert damage.refused + damage.without_effect + damage.made_good == drawn
        assert damage.refused > drawn // 2
        assert damage.repaired == drawn // 50


def test_a_recording_brings_everything_into_the_files(recording: Recording) -> None:
    """Rotation, snapshots of its own and of a leader, removals: crash states of a log that only grows prove little."""
    operations = [op for _, moment in recording.moments() for op in moment.ops]
    kinds = {type(op).__name__ for op in operations}
    assert kinds == {"Create", "Write", "Sync", "Rename", "Remove"}
    assert any(isinstance(op, Rename) and op.old.startswith("incoming-") for op in operations)
    assert any(isinstance(op, Rename) and snapshot_index(op.new) is not None for op in operations)
    reached = recording.world.reached
    assert [
        p for p in ("journal.rotate", "journal.trim", "journal.cut", "snapshot.drop", "install.done") if not reached[p]
    ] == []


# --- planted bugs are caught


def forget_the_flush(patch: pytest.MonkeyPatch) -> None:
    """The folder does not remember which files of the journal were flushed."""
    patch.setattr(Standing, "remember_flush", lambda _self, _mark: [])


def write_over_leftovers(patch: pytest.MonkeyPatch) -> None:
    """The identity goes into whatever file of that name a killed process left."""
    for module in (parts, standing):
        patch.setattr(module, "write_identity", lambda identity: write_identity_anew(identity)[1:])


def journal_before_identity(patch: pytest.MonkeyPatch) -> None:
    """The journal has a header before the folder can say whose it is."""
    made = Gate.__init__

    def late(self: Gate, *given: object) -> None:
        *others, first, remember = given
        made(self, *others, [], remember)  # type: ignore[arg-type, call-arg]  # passed on as they came
        self.write(first)  # type: ignore[arg-type]  # likewise

    patch.setattr(Gate, "__init__", late)


def drop_the_tail(patch: pytest.MonkeyPatch) -> None:
    """Recovery loses the last entry."""
    recover = journal_recovery.recover

    def shorter(*given: object) -> object:
        log = recover(*given)  # type: ignore[arg-type]  # passed on as they came
        del log.entries[-1:]
        return log

    patch.setattr(recovery, "recover", shorter)


def acknowledge_before_the_flush(patch: pytest.MonkeyPatch) -> None:
    """A file of the journal is said to be flushed before it is."""
    flush = Gate.flush

    def early(self: Gate) -> None:
        submit = self._disk.submit

        def reordered(ticket: int, ops: list[DiskOp]) -> None:
            journal = [op for op in ops if isinstance(op, (Write, Sync)) and segment_number(op.name) is not None]
            submit(ticket, [op for op in ops if op not in journal] + [op for op in journal if isinstance(op, Write)])

        self._disk = _Submitting(self._disk, reordered)  # type: ignore[assignment]
        try:
            flush(self)
        finally:
            self._disk = self._disk.disk  # type: ignore[attr-defined]

    patch.setattr(Gate, "flush", early)


class _Submitting:
    def __init__(self, disk: object, submit: Callable[[int, list[DiskOp]], None]) -> None:
        self.disk = disk
        self.submit = submit


@pytest.mark.parametrize(
    "bug",
    [forget_the_flush, write_over_leftovers, journal_before_identity, drop_the_tail, acknowledge_before_the_flush],
    ids=lambda bug: bug.__name__,
)
def test_a_planted_bug_is_caught(bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first draws or by some more: which of a few hundred states show it is a matter of luck."""
    bug(monkeypatch)

    def look() -> None:
        for seed in range(3, 9):
            campaign(600, 50, 100, seed)

    with pytest.raises(Violation, match="crash_states"):
        look()


# --- found by the campaign


def test_found_a_killed_process_leaves_a_longer_identity_behind() -> None:
    """The new one, written over it, would have kept its end, and the next start would have refused the folder."""
    folder = Folder()
    folder.execute(first_batch())
    folder.finish_batch()
    folder.execute([Write("identity.tmp", 0, b"x" * 5_000)])
    folder.reopen()
    _, disk, recovered = open_peer(folder.visible(), SETTINGS)
    for place, op in enumerate(disk.submitted):
        folder.execute([op])
        again = find(folder.visible(), SETTINGS)
        assert again.incarnation in (recovered.incarnation - 1, recovered.incarnation), f"after {place + 1} operations"


def test_found_a_first_start_that_loses_power_anywhere_starts_again() -> None:
    """The journal's header used to come first: with it alone the folder was refused as somebody's without a name."""
    ops = first_batch()
    for done in range(len(ops) + 1):
        for keep in (0.0, 1.0):
            folder = Folder()
            folder.execute(ops[:done])
            files = folder.lose_power(SeededEntropy(f"{done}"), keep, keep)
            open_whole(files, SETTINGS, find(files, SETTINGS), {})


@pytest.mark.parametrize("length", [0, 100, 512, 900, 4_000])
def test_found_the_newest_file_of_the_journal_cut_short_is_refused(recording: Recording, length: int) -> None:
    """It looked like a tail that never reached the disk, and acknowledged entries were dropped."""
    files = in_use(recording)
    name = newest_segment(files)
    with pytest.raises(DamagedJournal, match="if the other peers are a healthy majority, empty this folder"):
        find({**files, name: files[name][:length]}, SETTINGS)


def test_found_the_newest_file_of_the_journal_gone_is_refused(recording: Recording) -> None:
    files = in_use(recording)
    gone = newest_segment(files)
    with pytest.raises(DamagedJournal, match=gone):
        find({name: data for name, data in files.items() if name != gone}, SETTINGS)


def test_found_an_identity_of_nothing_but_its_first_bytes_is_refused_by_name(recording: Recording) -> None:
    """Nothing has the checksum of nothing."""
    files = in_use(recording)
    for length in range(len(files["identity"])):
        with pytest.raises(ForeignFolder):
            find({**files, "identity": files["identity"][:length]}, SETTINGS)


def test_found_a_damaged_snapshot_that_the_log_stands_for_is_told() -> None:
    """It was passed over without a word."""
    made = Recording(11)
    made.settle("a")
    made.world.run_until(lambda: bool(made.disks["a"].folder.names()) and _has_snapshot(made), 20.0)
    files = made.own_files("a")
    name = max(name for name in files if snapshot_index(name) is not None)
    _, _, whole = open_peer(files, SETTINGS)
    assert whole.noticed == ""
    _, _, recovered = open_peer({**files, name: files[name][:-1] + b"!"}, SETTINGS)
    assert name in recovered.noticed
    assert recovered.last_index == whole.last_index


def _has_snapshot(made: Recording) -> bool:
    return any(snapshot_index(name) is not None for name in made.disks["a"].folder.names())


# --- the real disk


def test_the_real_writer_makes_the_same_files(recording: Recording, tmp_path: Path) -> None:
    """What is proven of simulated folders is said of real ones: batch by batch the bytes are the same."""
    disk = recording.disks["a"]
    writer = FolderWriter(tmp_path, OsFiles(), set())
    for moment in disk.moments[:60]:
        writer.execute([_batch(moment.ops)])
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == _after(moment.folder, moment.ops)
    writer.close()


def _batch(ops: object) -> Batch:
    assert isinstance(ops, (list, tuple))
    return Batch(1, tuple(ops), 0, "")


def _after(folder: Folder, ops: object) -> dict[str, bytes]:
    assert isinstance(ops, (list, tuple))
    twin = folder.copy()
    twin.execute(ops)
    return twin.visible()


async def _found_on_disk(folder: Path, settings: PeerSettings) -> tuple[list[str], object]:
    disk = FolderDisk(folder, asyncio.get_running_loop(), lambda _tickets: None, lambda _error: None, OsFiles(), None)
    try:
        files = {name: disk.read(name) for name in disk.names()}
        return disk.names(), find(files, settings)
    finally:
        disk.close()


def test_a_crash_state_in_real_files_is_recovered_as_the_simulated_one(recording: Recording, tmp_path: Path) -> None:
    chance = SeededEntropy("real files")
    moments = recording.moments()
    for number in range(40):
        peer, moment = moments[chance.below(len(moments))]
        folder = moment.folder.copy()
        crash(folder, moment.ops, chance)
        files = folder.lose_power(chance, *shares(chance))
        there = tmp_path / f"{number}"
        there.mkdir()
        for name, data in files.items():
            (there / name).write_bytes(data)
        settings = recording.world.settings_of(peer)
        assert asyncio.run(_found_on_disk(there, settings)) == (sorted(files), find(files, settings))


# --- the folder a crash is drawn from


def test_what_is_not_synced_survives_sector_by_sector() -> None:
    inode = Inode(b"a" * 2_048, b"a" * 2_048).written(0, b"b" * 2_048)
    seen = {inode.survivor(SeededEntropy(f"{seed}"), 0.5) for seed in range(200)}
    assert len(seen) == 16, "each of four sectors is old or new, in every combination"
    assert inode.synced().survivor(SeededEntropy("1"), 0.0) == b"b" * 2_048


def test_of_a_sector_written_twice_every_version_may_stand() -> None:
    inode = Inode(b"a" * 512, b"a" * 512).written(0, b"b" * 100).written(100, b"c" * 100)
    seen = {inode.survivor(SeededEntropy(f"{seed}"), 0.3)[:200] for seed in range(100)}
    assert seen == {b"a" * 200, b"b" * 100 + b"a" * 100, b"b" * 100 + b"c" * 100}


def test_a_name_is_durable_when_the_folder_is_synced() -> None:
    folder = Folder()
    folder.execute([Write("f.tmp", 0, b"whole"), Sync("f.tmp")])
    folder.begin(Rename("f.tmp", "f"), 1.0)
    assert {tuple(folder.lose_power(SeededEntropy(f"{s}"), 0.0, 0.5)) for s in range(50)} == {("f.tmp",), ("f",)}
    folder = Folder()
    folder.execute([Write("f.tmp", 0, b"whole")])
    assert {tuple(folder.lose_power(SeededEntropy(f"{s}"), 0.0, 0.5)) for s in range(50)} == {(), ("f.tmp",)}
    folder.execute([Sync("f.tmp"), Rename("f.tmp", "f")])
    assert folder.lose_power(SeededEntropy("1"), 0.0, 0.0) == {"f": b"whole"}


def test_what_a_killed_process_left_unsynced_is_not_synced_by_the_next_one() -> None:
    folder = Folder()
    folder.execute([Write("old", 0, b"old")])
    folder.reopen()
    assert folder.visible() == {"old": b"old"}, "a killed process loses nothing it had written"
    folder.execute([Write("new", 0, b"new")])
    folder.finish_batch()
    assert folder.lose_power(SeededEntropy("1"), 0.0, 0.0) == {"new": b"new", "old": b""}
