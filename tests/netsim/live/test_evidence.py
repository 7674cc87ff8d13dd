"""The files of a run: what handlers appended, and the log of a stopped peer."""

import os
from pathlib import Path

import msgspec
import pytest

from quorate.consensus.journal_format import SECTOR
from quorate.netsim.live import found, log_files
from quorate.netsim.live.evidence import BadEffects, Over, read_effects
from quorate.node.folder_lock import FolderLock
from tests.netsim.live.good import effect


def test_effects_of_all_processes_are_read_in_order_of_time_and_a_torn_last_line_is_none(tmp_path: Path) -> None:
    first, second, third = effect(1), effect(2), effect(3)
    encode = msgspec.json.encode
    (tmp_path / "a-1.jsonl").write_bytes(encode(third) + b"\n" + encode(first) + b"\n" + encode(second)[:20])
    (tmp_path / "b-2.jsonl").write_bytes(encode(second) + b"\n")
    assert read_effects(tmp_path) == [first, second, third]


def test_an_end_that_a_handler_wrote_belongs_to_its_beginning(tmp_path: Path) -> None:
    over = Over(effect(1).run, "failed", 1_500)
    encode = msgspec.json.encode
    (tmp_path / "a-1.jsonl").write_bytes(b"".join(encode(line) + b"\n" for line in (effect(1), effect(2), over)))
    first, second = read_effects(tmp_path)
    assert (first.over_ns, first.how) == (1_500, "failed")
    assert second == effect(2), "it never came to its end"


def test_a_whole_line_that_is_no_effect_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a-1.jsonl").write_bytes(msgspec.json.encode(effect(1)) + b'\n{"task": 7}\n')
    with pytest.raises(BadEffects, match=r"a-1\.jsonl, line 2"):
        read_effects(tmp_path)


def test_damage_changes_one_written_byte_of_a_log_and_is_put_back_whole(tmp_path: Path) -> None:
    log = tmp_path / "journal-0000000000000001"
    written = bytes(range(1, 256)) * 5
    log.write_bytes(written + bytes(4096))
    seen = set()
    for choice in range(9):
        flipped = log_files.flip(tmp_path, choice)
        now = log.read_bytes()
        assert [at for at in range(len(now)) if now[at] != (written + bytes(4096))[at]] == [flipped.offset]
        seen.add(flipped.offset)
        log_files.put_back(flipped)
        assert log.read_bytes() == written + bytes(4096)
    assert {offset // SECTOR for offset in seen} == {0, 1}
    assert log_files.written_bytes(tmp_path) == len(written)


def test_a_folder_without_a_log_has_nothing_to_damage(tmp_path: Path) -> None:
    (tmp_path / "identity").write_bytes(b"x")
    with pytest.raises(log_files.NothingToDamage):
        log_files.flip(tmp_path, 3)
    assert log_files.written_bytes(tmp_path) == 0


def test_the_process_of_a_peer_is_the_one_that_holds_its_folder_now(tmp_path: Path) -> None:
    """Not the one that the lock file names: it may have ended long ago."""
    with pytest.raises(found.NotHere):
        found.process_of(tmp_path)
    lock = FolderLock(tmp_path)
    assert found.process_of(tmp_path) == os.getpid()
    lock.release()
    with pytest.raises(found.NotHere, match="no process of this machine"):
        found.process_of(tmp_path)
