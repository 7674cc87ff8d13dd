"""The leader's batch: bounded, and no kind of operation starves another."""

from quorate.consensus.batch import ENTRY_BYTES, ENTRY_OPS, Batch, Waiting


def test_a_stream_of_completions_does_not_starve_a_large_submission() -> None:
    """It does not fit beside them, and they never cease."""
    batch = Batch()
    large = b"s" * ENTRY_BYTES
    assert batch.add(Waiting("a", 1, large))
    for number in range(2, 5):
        assert batch.add_reserved(Waiting("b", number, b"completion"))
        if large in batch.take():
            return
    raise AssertionError("the submission was never taken")


def test_a_crowd_of_completions_leaves_room_for_a_submission() -> None:
    batch = Batch()
    assert batch.add(Waiting("a", 1, b"submission"))
    for number in range(2 * ENTRY_OPS):
        assert batch.add_reserved(Waiting("b", number, b"completion"))
    assert batch.take()[-1] == b"submission"


def test_what_is_taken_makes_room() -> None:
    """Bytes are counted in and out alike."""
    batch = Batch()
    for round_ in range(10):
        for number in range(3):
            assert batch.add(Waiting("a", number, bytes([round_, number]) * (ENTRY_BYTES // 2)))
        assert not batch.add(Waiting("a", 3, b"x" * ENTRY_BYTES))
        while len(batch):
            assert batch.take()


def test_what_is_sent_again_while_it_waits_is_taken_once() -> None:
    """Repetitions of a slow cluster's peers would otherwise fill its log."""
    batch = Batch()
    for _ in range(2):
        assert batch.add(Waiting("a", 1, b"one"))
        assert batch.add_reserved(Waiting("a", 2, b"two"))
    assert batch.take() == [b"two", b"one"]
    assert batch.add(Waiting("a", 1, b"one")), "it may be in a log by now; the state knows it again"
    assert [waiting.number for waiting in batch.drain()] == [1]
    assert batch.add(Waiting("a", 1, b"one"))
    assert len(batch) == 1
