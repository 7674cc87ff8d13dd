"""Laws of the store of ended tasks."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from quorate.node.history import FILE_NAME, HistoryError, SqliteHistory
from quorate.scheduling.task import State, Task, TaskId
from tests.node.history.rows import row
from tests.polling import eventually_async

NO_FLOOR = (0, 0)


class Wanted(msgspec.Struct, frozen=True):
    namespace: str | None = None
    queue: str | None = None
    state: State | None = None
    handler: str | None = None


class Shelf:
    """Opens histories of one folder, one after the other, and notes their failures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: list[HistoryError] = []
        self.open_ones: list[SqliteHistory] = []

    @property
    def file(self) -> Path:
        return self.folder / FILE_NAME

    def open(self) -> SqliteHistory:
        history = SqliteHistory(self.folder, asyncio.get_running_loop(), self.failures.append)
        self.open_ones.append(history)
        return history

    async def reopen(self) -> SqliteHistory:
        self.open_ones[-1].close()
        return self.open()


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    for history in made.open_ones:
        history.close()


async def within(predicate: Callable[[], object], within_s: float = 5) -> None:
    async def look() -> object:
        return predicate()

    await eventually_async(look, within_s)


async def durable(history: SqliteHistory) -> None:
    await within(lambda: history.backlog() == 0)


def ends(rows: list[Task]) -> list[int]:
    return [found.end_seq for found in rows]


async def test_a_row_is_readable_at_once_durable_later_and_there_after_a_restart(shelf: Shelf) -> None:
    history = shelf.open()
    ended = row(1, key="k", result=b'{"a": 1}')
    history.append(10, [ended])
    history.advance(10)
    assert history.find(ended.id) == history.find_key("default", "k") == ended
    assert history.list_ended(Wanted(), 99, 10, NO_FLOOR) == [ended]
    assert history.rows_between(0, 9, 1000) == [ended]
    assert (history.readable_index(), history.last_end(), history.backlog()) == (0, 1, 1)
    await durable(history)
    assert history.readable_index() == 10
    history = await shelf.reopen()
    assert history.find(ended.id) == history.find_key("default", "k") == ended
    assert history.list_ended(Wanted(), 99, 10, NO_FLOOR) == [ended]
    assert (history.readable_index(), history.last_end()) == (10, 1)
    assert history.find(TaskId("nobody")) is None
    assert history.find_key("default", "") is None


async def test_progress_without_rows_waits_for_rows_on_their_way(shelf: Shelf) -> None:
    history = shelf.open()
    history.advance(5)
    assert history.readable_index() == 5
    history.append(6, [row(1)])
    history.advance(6)
    history.advance(7)
    assert history.readable_index() == 5
    await durable(history)
    assert history.readable_index() == 7


async def test_what_waits_at_the_end_is_written(shelf: Shelf) -> None:
    history = shelf.open()
    for end in range(1, 5001):
        history.append(end, [row(end)])
        history.advance(end)
    history = await shelf.reopen()
    assert (history.last_end(), history.readable_index()) == (5000, 5000)
    assert history.find(row(4999).id) == row(4999)


async def test_a_replay_after_a_restart_changes_nothing(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(1), row(2)])
    await durable(history)
    history = await shelf.reopen()
    history.append(1, [row(1), row(2)])
    assert history.backlog() == 0
    history.append(2, [row(2), row(3)])
    assert history.backlog() == 1
    await durable(history)
    assert ends(history.rows_between(0, 10, 10_000)) == [1, 2, 3]


async def test_a_file_of_another_log_is_noticed_at_the_replay(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(1)])
    history = await shelf.reopen()
    with pytest.raises(HistoryError, match="another log"):
        history.append(1, [row(1, id="somebody-else")])


async def test_a_task_that_ended_again_is_told_as_it_ended_last_in_whatever_order_rows_come(shelf: Shelf) -> None:
    history = shelf.open()
    failed, done = row(1, id="t", seq=1, state=State.FAILED), row(3, id="t", seq=1)
    history.append(1, [failed])
    await durable(history)
    history.append(3, [row(2), done])
    assert history.find(TaskId("t")) == done
    await durable(history)
    assert history.find(TaskId("t")) == done
    history.fill([failed])
    await durable(history)
    assert history.find(TaskId("t")) == done
    assert ends(history.list_ended(Wanted(), 99, 10, NO_FLOOR)) == [2, 3]


async def test_the_newest_row_of_a_key_counts(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(1, seq=8, key="k"), row(2, seq=5, key="k")])
    assert history.find_key("default", "k") == row(1, seq=8, key="k")
    await durable(history)
    assert history.find_key("default", "k") == row(1, seq=8, key="k")
    history.append(2, [row(3, seq=9, key="k")])
    assert history.find_key("default", "k") == row(3, seq=9, key="k")
    assert history.find_key("other", "k") is None


async def test_lists_go_newest_first_page_by_page_through_file_and_buffer(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(end, seq=100 - end) for end in range(1, 31)])
    await durable(history)
    history.append(2, [row(end, seq=100 - end, queue="slow", state=State.FAILED) for end in range(31, 61)])
    pages: list[Task] = []
    before_seq = 1000
    while page := history.list_ended(Wanted(), before_seq, 7, NO_FLOOR):
        assert len(page) <= 7
        pages += page
        before_seq = page[-1].seq
    assert ends(pages) == list(range(1, 61))
    assert ends(history.list_ended(Wanted(queue="slow"), 1000, 3, NO_FLOOR)) == [31, 32, 33]
    assert ends(history.list_ended(Wanted(state=State.SUCCEEDED), 72, 9, NO_FLOOR)) == [29, 30]
    assert history.list_ended(Wanted(handler="other"), 1000, 9, NO_FLOOR) == []
    assert history.list_ended(Wanted(namespace="other"), 1000, 9, NO_FLOOR) == []


async def test_what_is_below_the_floor_is_not_listed_whether_pruned_already_or_not(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(end) for end in range(1, 6)])
    for floor, shown in (((2, 0), [5, 4, 3]), ((0, 4000), [5])):
        assert ends(history.list_ended(Wanted(), 99, 9, floor)) == shown
    await durable(history)
    for floor, shown in (((2, 0), [5, 4, 3]), ((0, 4000), [5])):
        assert ends(history.list_ended(Wanted(), 99, 9, floor)) == shown


async def test_pruning_forgets_exactly_what_is_below_the_floor(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(end) for end in range(1, 2001)])
    await durable(history)
    history.prune((1200, 0))
    await within(lambda: history.rows_between(0, 3000, 1)[0].end_seq == 1201)
    history.prune((0, 1_999_000))
    await within(lambda: ends(history.rows_between(0, 3000, 10_000)) == [2000])
    assert history.last_end() == 2000
    history = await shelf.reopen()
    assert history.last_end() == 2000
    history.append(1, [row(1)])
    assert history.find(row(1).id) is None


async def test_a_gap_after_a_snapshot_is_known_until_it_is_filled(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(1), row(2)])
    history.append(9, [row(10), row(11)])
    assert history.last_end() == 2
    history = await shelf.reopen()
    assert history.last_end() == 2
    history.fill([row(3), row(5)])
    assert history.last_end() == 5
    history.fill([row(3), row(5)])
    history.fill([row(9)])
    assert history.last_end() == 11
    await durable(history)
    assert ends(history.rows_between(2, 10, 10_000)) == [3, 5, 9, 10]
    history = await shelf.reopen()
    assert history.last_end() == 11


async def test_rows_for_another_peer_come_lowest_first_in_pages_without_a_hole(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(end, result=bytes(900)) for end in range(1, 1001)])
    await durable(history)
    history.append(2, [row(end) for end in range(1001, 1101)])
    got: list[int] = []
    while page := history.rows_between(got[-1] if got else 0, 1100, 100_000):
        assert len(page) < 300
        got += ends(page)
    assert got == list(range(1, 1101))
    assert ends(history.rows_between(0, 1100, 1)) == [1]


async def test_a_deleted_file_is_made_anew_and_a_damaged_one_never(shelf: Shelf) -> None:
    shelf.open().close()
    shelf.file.write_bytes(b"this is no database" * 1000)
    before = shelf.file.read_bytes()
    with pytest.raises(HistoryError, match=rf"{FILE_NAME} is damaged.*delete.*fetches the history from another peer"):
        shelf.open()
    assert shelf.file.read_bytes() == before
    for name in os.listdir(shelf.folder):
        (shelf.folder / name).unlink()
    assert shelf.open().last_end() == 0


async def test_damage_in_the_middle_is_found_without_being_asked_for(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(end) for end in range(1, 5001)])
    history.close()
    with shelf.file.open("r+b") as file:
        file.seek(shelf.file.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    shelf.open()
    await within(lambda: shelf.failures)
    assert FILE_NAME in str(shelf.failures[0])


async def test_a_record_that_was_changed_is_not_given_out(shelf: Shelf) -> None:
    history = shelf.open()
    history.append(1, [row(1)])
    history.close()
    with sqlite3.connect(shelf.file) as connection:
        connection.execute("UPDATE ended SET record = CAST(replace(record, 'pay', 'pax') AS BLOB)")
    connection.close()
    history = shelf.open()
    with pytest.raises(HistoryError, match="checksum"):
        history.find(row(1).id)
    await within(lambda: shelf.failures)


async def test_an_sqlite_file_of_another_program_is_left_alone(shelf: Shelf) -> None:
    with sqlite3.connect(shelf.file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(HistoryError, match="another program"):
        shelf.open()


async def test_a_write_that_fails_is_told_once_and_nothing_is_promised(shelf: Shelf) -> None:
    history = shelf.open()
    with sqlite3.connect(shelf.file) as connection:
        connection.execute("DROP TABLE ended")
    connection.close()
    for end in (1, 2, 3):
        history.append(end, [row(end)])
        history.advance(end)
    await within(lambda: shelf.failures)
    history.append(4, [row(4)])
    history.advance(4)
    assert history.readable_index() == 0
    assert len(shelf.failures) == 1


KILLED = """
import asyncio, pathlib, sys
from quorate.node.history import SqliteHistory
from tests.node.history.rows import row

async def main():
    history = SqliteHistory(pathlib.Path(sys.argv[1]), asyncio.get_running_loop(), print)
    end = 0
    while True:
        for _ in range(100):
            end += 1
            history.append(end, [row(end)])
            history.advance(end)
        await asyncio.sleep(0.001)
        print(history.readable_index(), flush=True)

asyncio.run(main())
"""


def killed_while_writing(folder: Path) -> int:
    """The greatest index another process said was readable before it was killed."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = 0
        while said < 5000:
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        return max([said, *(int(line) for line in process.stdout.read().splitlines()[:-1])])


async def test_what_was_said_to_be_readable_survives_kill_9(shelf: Shelf) -> None:
    said = await asyncio.to_thread(killed_while_writing, shelf.folder)
    history = shelf.open()
    assert history.last_end() >= history.readable_index() >= said
    assert ends(history.rows_between(0, history.last_end(), 1 << 30)) == list(range(1, history.last_end() + 1))
    assert not shelf.failures
