"""What a killed or frozen process was doing is its begun lines without an end."""

import os
from pathlib import Path

import pytest

from examples.orders.attempts import AttemptLog, AttemptReader
from examples.orders.order import Step


def test_attempts_are_running_between_their_two_lines(tmp_path: Path) -> None:
    log, reader = AttemptLog(tmp_path, "a"), AttemptReader(tmp_path)
    with log.attempt(Step.PAY, "1", 1, 5):
        reader.follow()
        assert (reader.running(os.getpid()), reader.done) == (1, set())
    reader.follow()
    assert (reader.running(os.getpid()), reader.done) == (0, {(Step.PAY, "1")})
    log.close()


def test_a_failed_attempt_is_not_done(tmp_path: Path) -> None:
    log, reader = AttemptLog(tmp_path, "a"), AttemptReader(tmp_path)
    with pytest.raises(RuntimeError), log.attempt(Step.PAY, "1", 1, 5):
        raise RuntimeError
    reader.follow()
    assert (reader.running(os.getpid()), reader.done) == (0, set())
    log.close()


def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    """It may still be being written; if its writer was killed, it never was a line."""
    log, reader = AttemptLog(tmp_path, "a"), AttemptReader(tmp_path)
    with log.attempt(Step.PAY, "1", 1, 5):
        pass
    log.close()
    (path,) = tmp_path.glob("*.ndjson")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    reader.follow()
    assert reader.running(os.getpid()) == 1
    path.write_bytes(whole)
    reader.follow()
    assert reader.running(os.getpid()) == 0
