"""Snapshots in slices."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.consensus.machine import DamagedSnapshot, Machine, Restore
from tests.consensus.machine.log import Log, check, new
from tests.consensus.machine.traffic import Traffic


def chunks_of(machine: Machine, limit_bytes: int = 400) -> list[bytes]:
    walk = machine.begin_walk()
    return list(iter(lambda: walk.chunk(limit_bytes), None))


def restored(chunks: list[bytes]) -> Machine:
    restore = Restore()
    for chunk in chunks:
        restore.feed(chunk)
    return restore.finish()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("limit_bytes", [1, 700])
def test_a_walk_shows_the_state_at_its_cut_whatever_is_applied_meanwhile(seed: int, limit_bytes: int) -> None:
    made = Traffic(seed)
    for _ in range(150):
        made.step()
    for _ in range(3):
        machine = made.log.machine
        cut, state_hash, index = machine.dump(), machine.state_hash, machine.index
        walk = machine.begin_walk()
        chunks = []
        while (chunk := walk.chunk(limit_bytes)) is not None:
            chunks.append(chunk)
            made.step()
        copy = restored(chunks)
        assert copy.dump() == cut
        assert (copy.state_hash, copy.index) == (state_hash, index)
        check(copy)
        check(machine)


def test_chunks_are_about_as_long_as_asked() -> None:
    log = Log()
    for number in range(1, 500):
        log.submit(new(number))
    chunks = chunks_of(log.machine, 2_000)
    assert max(map(len, chunks)) < 2_600
    assert len(chunks) > 20


def test_an_empty_machine_can_be_walked() -> None:
    assert restored(chunks_of(Machine())).dump() == Machine().dump()


def test_one_walk_at_a_time_and_a_closed_one_keeps_nothing() -> None:
    log = Log()
    log.submit(new(1))
    walk = log.machine.begin_walk()
    with pytest.raises(RuntimeError, match="under way"):
        log.machine.begin_walk()
    walk.close()
    assert all(table._saved is None for table in log.machine._store.all())
    assert walk.chunk(100) is None
    check(log.machine)


def snapshot() -> list[bytes]:
    made = Traffic(3)
    for _ in range(120):
        made.step()
    return chunks_of(made.log.machine)


SNAPSHOT = snapshot()


@given(st.integers(0, len(SNAPSHOT) - 1))
def test_a_missing_or_repeated_chunk_is_noticed(position: int) -> None:
    for chunks in (SNAPSHOT[:position] + SNAPSHOT[position + 1 :], [*SNAPSHOT, SNAPSHOT[position]]):
        with pytest.raises(DamagedSnapshot):
            restored(chunks)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(SNAPSHOT) - 1))
    chunk = bytearray(SNAPSHOT[position])
    at = data.draw(st.integers(0, len(chunk) - 1))
    chunk[at] ^= data.draw(st.integers(1, 255))
    damaged = [*SNAPSHOT[:position], bytes(chunk), *SNAPSHOT[position + 1 :]]
    try:
        copy = restored(damaged)
    except DamagedSnapshot:
        return
    # A byte that says the same in another way (a longer form of a number, say) may pass; another state may not.
    assert copy.dump() == restored(SNAPSHOT).dump()


@given(st.binary(max_size=100))
def test_bytes_that_are_no_chunk_are_noticed(data: bytes) -> None:
    restore = Restore()
    try:
        restore.feed(data)
    except DamagedSnapshot:
        return
    with pytest.raises(DamagedSnapshot):
        restore.finish()


def test_a_snapshot_of_another_version_is_refused_by_name() -> None:
    header, *slices = msgspec.msgpack.decode(SNAPSHOT[0])
    header[0] = 99
    with pytest.raises(DamagedSnapshot, match="version 1, got 99"):
        Restore().feed(msgspec.msgpack.encode([header, *slices]))


def test_nothing_at_all_is_no_snapshot() -> None:
    with pytest.raises(DamagedSnapshot, match="no header"):
        Restore().finish()
