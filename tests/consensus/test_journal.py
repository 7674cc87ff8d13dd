"""The journal: what was flushed is read back or refused loudly, what was torn was never promised."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.journal import EMPTY, Journal, segment_name
from quorate.consensus.journal_format import SECTOR, record_bytes
from quorate.consensus.journal_recovery import DamagedJournal, ForeignJournal, RecoveredLog, recover
from quorate.consensus.ports import Create, Write
from tests.consensus.raft.lab_disk import LabDisk

SEGMENT = 4_096


class Writing:
    """A journal on a lab disk."""

    def __init__(self, disk: LabDisk | None = None) -> None:
        self.disk = disk or LabDisk(random.Random(0))
        self.journal = Journal("lab", "disk", SEGMENT, self.read().tail)
        self.flush()

    def read(self) -> RecoveredLog:
        return recover(self.disk, "lab", "disk", covered=1, flushed=0)

    def flush(self) -> None:
        self.begin_flush()
        while self.disk.batches:
            self.disk.finish_batch()
        self.journal.flushed()

    def begin_flush(self) -> None:
        self.disk.submit(1, self.journal.take())

    def append(self, first: int, last: int, size: int = 20) -> "Writing":
        for index in range(first, last + 1):
            self.journal.append(index, 1, b"%d " % index + b"x" * size)
        return self

    @property
    def indexes(self) -> list[int]:
        return [index for _, index, _ in self.read().entries]

    def copy(self) -> "Writing":
        twin = object.__new__(Writing)
        twin.disk = LabDisk(random.Random(0))
        twin.disk.files = {name: bytearray(data) for name, data in self.disk.files.items()}
        return twin


def test_what_was_written_is_read_back() -> None:
    written = Writing()
    written.journal.promise(3, "b")
    written.append(2, 9)
    written.journal.cut(6, 1)
    written.journal.append(6, 3, b"other")
    written.flush()
    log = written.read()
    assert (log.base_index, log.base_term, log.dropped_bytes) == (1, 0, 0)
    assert [entry[1:] for entry in log.entries] == [(2, 1), (3, 1), (4, 1), (5, 1), (6, 3)]
    assert log.entries[-1][0] == b"other"
    assert (log.tail.term, log.tail.vote) == (3, "b")


def test_segments_follow_each_other_and_old_ones_can_be_dropped() -> None:
    written = Writing().append(2, 400, size=50)
    written.journal.promise(7, None)
    written.flush()
    names = written.disk.names()
    assert len(names) > 5
    assert written.indexes == list(range(2, 401))
    written.disk.submit(1, written.journal.drop_to(200))
    written.disk.finish_batch()
    assert len(written.disk.names()) < len(names)
    log = recover(written.disk, "lab", "disk", covered=200, flushed=0)
    assert 100 < log.base_index <= 200
    assert [index for _, index, _ in log.entries] == list(range(log.base_index + 1, 401))
    assert log.tail.term == 7


def test_every_prefix_of_dropping_leaves_a_journal_that_reaches_back() -> None:
    whole = Writing().append(2, 400, size=50)
    whole.flush()
    removals = whole.journal.drop_to(300)
    assert len(removals) > 3
    for done in range(len(removals) + 1):
        twin = whole.copy()
        twin.disk.submit(1, removals[:done])
        twin.disk.finish_batch()
        log = recover(twin.disk, "lab", "disk", covered=300, flushed=0)
        assert log.base_index <= 300
        assert log.entries[-1][1] == 400


def test_a_start_goes_on_in_a_new_segment_and_changes_no_old_one() -> None:
    first = Writing().append(2, 5)
    first.flush()
    before = first.disk.read(segment_name(1))
    again = Writing(first.disk).append(6, 9)
    again.flush()
    assert first.disk.read(segment_name(1)) == before
    assert again.indexes == list(range(2, 10))


def test_an_entry_larger_than_a_segment_gets_a_larger_one() -> None:
    written = Writing().append(2, 3).append(4, 4, size=5 * SEGMENT).append(5, 6)
    written.flush()
    assert written.indexes == [2, 3, 4, 5, 6]
    assert len(written.read().entries[2][0]) > 5 * SEGMENT


def test_flushes_change_no_metadata_because_segments_are_filled_with_zeros_ahead() -> None:
    written = Writing().append(2, 30, size=50)
    ahead = written.journal.take() + written.journal.prepare()
    assert ahead[-1] == Create(segment_name(2), SEGMENT)
    assert written.journal.prepare() == [], "once"
    written.append(31, 60, size=50)
    assert all(isinstance(op, Write) for op in written.journal.take())


# --- torn tails ---------------------------------------------------------------------------------------------


def unflushed(writing: Writing) -> Iterator[tuple[int, LabDisk]]:
    """States the disk may be in when the power goes during the flush that has begun."""
    for seed in range(200):
        disk = LabDisk(random.Random(seed))
        disk.files = {name: bytearray(data) for name, data in writing.disk.files.items()}
        disk.batches.extend(writing.disk.batches)
        disk.lose_power()
        yield seed, disk


@pytest.mark.parametrize("size", [5, 100, 700, 3_000])
def test_a_torn_tail_is_dropped_and_nothing_else(size: int) -> None:
    written = Writing().append(2, 20)
    written.flush()
    written.append(21, 40, size)
    written.begin_flush()
    lengths = set()
    for seed, disk in unflushed(written):
        again = Writing(disk)
        indexes = again.indexes
        assert indexes[:19] == list(range(2, 21)), f"flushed, seed {seed}"
        assert indexes == list(range(2, 2 + len(indexes))), f"a prefix, seed {seed}"
        lengths.add(len(indexes))
        last = indexes[-1]
        again.append(last + 1, last + 30, size=40)
        again.flush()
        assert Writing(disk).indexes == list(range(2, last + 31)), "leftovers of the torn batch never come back"
    assert len(lengths) > 1


def test_a_torn_batch_may_span_segments_and_lose_a_header() -> None:
    written = Writing().append(2, 20)
    written.flush()
    written.append(21, 200, 100)
    written.begin_flush()
    dropped = 0
    for _, disk in unflushed(written):
        log = recover(disk, "lab", "disk", covered=1, flushed=0)
        assert [index for _, index, _ in log.entries][:19] == list(range(2, 21))
        dropped += log.dropped_bytes > 0
    assert dropped > 50


def test_what_a_killed_process_left_in_memory_is_written_again_before_it_counts() -> None:
    """kill -9 leaves bytes that no flush has proven; the next life must not take them for durable."""
    for seed in range(20):
        written = Writing(LabDisk(random.Random(seed))).append(2, 20)
        written.flush()
        written.append(21, 60)
        written.begin_flush()
        for op in written.disk.batches.popleft()[1]:
            written.disk._do(op)  # written; the process dies before the flush
        again = Writing(written.disk)
        assert again.indexes == list(range(2, 61))
        again.append(61, 61)
        again.flush()
        again.disk.lose_power()
        assert again.indexes == list(range(2, 62)), "flushed by the second life"


# --- damage -------------------------------------------------------------------------------------------------


def flushed_in_batches() -> Writing:
    written = Writing()
    for first in range(2, 120, 6):
        written.append(first, first + 5, size=60)
        written.flush()
    return written


def test_a_single_changed_bit_is_refused_wherever_it_is() -> None:
    written = flushed_in_batches()
    rng = random.Random(5)
    for _ in range(400):
        twin = written.copy()
        name = rng.choice([name for name in twin.disk.names() if any(twin.disk.read(name))])
        place = rng.randrange(len(twin.disk.read(name).rstrip(b"\0")))
        twin.disk.files[name][place] ^= 1 << rng.randrange(8)
        with pytest.raises(DamagedJournal, match=f"{name} is damaged at offset .* empty this folder"):
            twin.read()


def test_a_vanished_sector_below_what_was_flushed_is_damage_not_a_torn_tail() -> None:
    written = flushed_in_batches()
    for name in [name for name in written.disk.names() if any(written.disk.read(name))]:
        last = name == segment_name(len(written.journal.segments))
        used = len(written.disk.read(name).rstrip(b"\0"))
        for start in range(0, used - (2 * SECTOR if last else 0), SECTOR):
            twin = written.copy()
            twin.disk.files[name][start : start + SECTOR] = bytes(SECTOR)
            with pytest.raises(DamagedJournal) as refused:
                twin.read()
            assert refused.value.name == name


def test_a_vanished_file_in_the_middle_is_noticed() -> None:
    written = flushed_in_batches()
    assert len(written.journal.segments) >= 3
    del written.disk.files[segment_name(2)]
    assert written.read().base_index > 1, "the caller compares this with its snapshot and refuses"


def test_zeros_in_the_contents_are_never_taken_for_a_sector_that_is_missing() -> None:
    written = Writing().append(2, 3)
    written.journal.append(4, 1, bytes(3_000))
    written.flush()
    assert written.read().entries[-1] == (bytes(3_000), 4, 1)
    name = segment_name(1)
    place = record_bytes(0) + 2_000
    written.disk.files[name][place] ^= 1
    with pytest.raises(DamagedJournal, match="checksum"):
        written.read()


def test_found_the_length_in_the_header_of_a_file_is_covered_by_its_checksum() -> None:
    """A flipped bit of it used to end the start with the decoder's error instead of a refusal."""
    written = Writing().append(2, 3)
    written.flush()
    for bit in range(32):
        twin = written.copy()
        twin.disk.files[segment_name(1)][8 + bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedJournal, match="header of the file fails its checksum"):
            twin.read()


def test_files_of_another_disk_or_cluster_are_refused() -> None:
    written = Writing().append(2, 3)
    written.flush()
    with pytest.raises(ForeignJournal, match="Files of two data folders were mixed"):
        recover(written.disk, "lab", "another disk", covered=1, flushed=0)
    with pytest.raises(ForeignJournal, match="cluster 'lab'"):
        recover(written.disk, "prod", "disk", covered=1, flushed=0)


def test_an_empty_folder_is_an_empty_log() -> None:
    log = recover(LabDisk(random.Random(0)), "lab", "disk", covered=1, flushed=0)
    assert (log.base_index, log.entries, log.tail) == (1, [], EMPTY)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.binary(max_size=1_500)),
            st.tuples(st.just("cut"), st.integers(0, 30)),
            st.tuples(st.just("promise"), st.integers(1, 9)),
            st.tuples(st.just("flush"), st.none()),
            st.tuples(st.just("restart"), st.none()),
        ),
        max_size=60,
    )
)
def test_any_history_is_read_back_as_a_plain_list_would_have_it(history: list[tuple[str, object]]) -> None:
    written, log, term = Writing(), [(b"", 1, 0)], 0
    for kind, value in history:
        if kind == "append" and isinstance(value, bytes):
            log.append((value, log[-1][1] + 1, term))
            written.journal.append(*log[-1][1:], value)
        elif kind == "cut" and isinstance(value, int) and log[-1][1] - value > 1:
            del log[-value - 1 :]
            written.journal.cut(log[-1][1] + 1, log[-1][2])
        elif kind == "promise" and isinstance(value, int):
            term = max(term, value)
            written.journal.promise(term, None)
        elif kind == "flush":
            written.flush()
        elif kind == "restart":
            written.flush()
            written = Writing(written.disk)
    written.flush()
    assert written.read().entries == log[1:]
    assert written.read().tail.term == term
