"""Snapshot files: whole, or not believed."""

import random

import pytest

from quorate.consensus.snapshot import (
    BadSnapshot,
    SnapshotHeader,
    SnapshotParser,
    SnapshotWriter,
    check_snapshot,
    read_snapshot,
    snapshot_index,
    snapshot_name,
)
from tests.consensus.raft.lab_disk import LabDisk

HEADER = SnapshotHeader("lab", 700, 3, 650, {"a": "disk of a"})
CHUNKS = [b"first", b"", b"x" * 5_000, b"last"]


def file_of(chunks: list[bytes]) -> bytes:
    writer = SnapshotWriter()
    data = writer.begin(HEADER) + b"".join(writer.chunk(chunk) for chunk in chunks) + writer.end()
    assert writer.size == len(data)
    return data


def disk_with(data: bytes) -> LabDisk:
    disk = LabDisk(random.Random(0))
    disk.files[snapshot_name(700)] = bytearray(data)
    return disk


def test_a_snapshot_is_read_back_as_it_was_written() -> None:
    data = file_of(CHUNKS)
    disk = disk_with(data)
    assert check_snapshot(disk, snapshot_name(700)) == (HEADER, len(data))
    assert list(read_snapshot(disk, snapshot_name(700))) == CHUNKS


@pytest.mark.parametrize("slice_bytes", [1, 7, 100, 10_000])
def test_it_may_arrive_in_slices_of_any_size(slice_bytes: int) -> None:
    data = file_of(CHUNKS)
    parser = SnapshotParser()
    chunks = [chunk for at in range(0, len(data), slice_bytes) for chunk in parser.feed(data[at : at + slice_bytes])]
    assert chunks == CHUNKS
    assert parser.finish() == HEADER


def test_any_changed_bit_is_noticed() -> None:
    data = file_of(CHUNKS)
    for place in [*range(100), *range(100, len(data), 37), len(data) - 1]:
        bad = bytearray(data)
        bad[place] ^= 0x04
        with pytest.raises(BadSnapshot):
            check_snapshot(disk_with(bytes(bad)), snapshot_name(700))


def test_any_missing_end_or_addition_is_noticed() -> None:
    data = file_of(CHUNKS)
    for length in [*range(0, len(data), 101), len(data) - 1]:
        with pytest.raises(BadSnapshot):
            check_snapshot(disk_with(data[:length]), snapshot_name(700))
    with pytest.raises(BadSnapshot):
        check_snapshot(disk_with(data + b"\0"), snapshot_name(700))


def test_chunks_left_out_or_exchanged_are_noticed_though_each_is_whole() -> None:
    whole, one = file_of([b"first", b"later"]), file_of([b"later", b"first"])
    end = whole[-41:]
    with pytest.raises(BadSnapshot):
        check_snapshot(disk_with(one[:-41] + end), snapshot_name(700))
    with pytest.raises(BadSnapshot):
        check_snapshot(disk_with(file_of([b"first"])[:-41] + end), snapshot_name(700))


def test_a_length_beyond_the_limit_takes_no_memory() -> None:
    parser = SnapshotParser()
    data = bytearray(file_of(CHUNKS)[:60])
    data[8:12] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(BadSnapshot, match="no frame can stand"):
        parser.feed(bytes(data))


def test_only_finished_files_bear_the_name_of_a_snapshot() -> None:
    assert snapshot_index(snapshot_name(700)) == 700
    for name in (snapshot_name(700) + ".tmp", "snapshot-12", "journal-00000000000002bc", "snapshot-zzzzzzzzzzzzzzzz"):
        assert snapshot_index(name) is None
