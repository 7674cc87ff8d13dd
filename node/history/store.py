"""Ended tasks on this peer.

Law: a row is readable from the moment it is appended, and `readable_index` and `last_end` never promise what a crash
could take back or what is not here. One writer thread changes the file; reading never waits for it.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from quorate.node.history.file import FILE_NAME, HistoryError, damaged, failed, open_for_writing
from quorate.node.history.reading import Reading
from quorate.node.history.recent import Recent
from quorate.node.history.spans import Spans
from quorate.node.history.writing import PRUNED_AT_ONCE, Batch, Writing
from quorate.scheduling.task import State, Task, TaskId

BATCH_ROWS = 2_000
BATCH_WAIT_S = 0.1
MAX_BACKLOG_ROWS = 500_000
"""A peer stops applying long before (its own limit on `backlog()`); beyond this the disk has stopped."""
PRUNE_PAUSE_S = 0.02
"""Between two slices of pruning, so that it never takes more than a part of the disk."""

T = TypeVar("T")

Floor = tuple[int, int]
"""What ended up to this (end_seq, wall ms) is no longer told. It comes from the replicated state: the same on every
peer."""


class Filter(Protocol):
    """Which tasks a list shows. None: all."""

    @property
    def namespace(self) -> str | None: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def state(self) -> State | None: ...
    @property
    def handler(self) -> str | None: ...


class _Piece(msgspec.Struct):
    rows: Sequence[Task]
    span: tuple[int, int]
    readable_index: int = 0


class SqliteHistory:
    """`ports.History` in `folder`, and what HTTP needs beside it. All calls on the loop thread, except `list_ended`.

    `on_failed(error)` is called once, on the loop, when the file cannot be written or turns out to be damaged;
    nothing is written afterwards.
    """

    def __init__(
        self, folder: Path, loop: asyncio.AbstractEventLoop, on_failed: Callable[[HistoryError], None]
    ) -> None:
        """Raises HistoryError."""
        self._path = folder / FILE_NAME
        self._loop = loop
        self._on_failed = on_failed
        self._failure: HistoryError | None = None
        self._recent = Recent()
        self._pieces: deque[_Piece] = deque()
        self._piece_rows = 0
        self._flying: Batch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._floor: Floor | None = None
        self._replay_checked = False
        self._closed = False
        self._work: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        try:
            self._writing = Writing(open_for_writing(self._path))
            self._spans = Spans(self._writing.stored_spans())
            self._readable_index = self._writing.stored_index()
        except sqlite3.Error as error:
            raise failed(self._path, error) from error
        self._reading = Reading(self._path)
        self._checking = Reading(self._path)
        self._idle_readers: queue.SimpleQueue[Reading] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._write, name="quorate-history", daemon=True),
            threading.Thread(target=self._check, name="quorate-history-check", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # --- ports.History ------------------------------------------------------------------------------------------------

    def append(self, index: int, rows: Sequence[Task]) -> None:  # noqa: ARG002 - progress comes with `advance`
        """Rows that ended at log index `index`. What is here already (a replay after a restart) is skipped.

        Raises HistoryError if such a replay shows that the file belongs to another cluster's log.
        """
        new = [row for row in rows if row.end_seq not in self._spans]
        if len(new) < len(rows) and not self._replay_checked:
            self._check_replay(rows[0])
        if new:
            self._keep(_Piece(new, (new[0].end_seq, new[-1].end_seq)))

    def advance(self, index: int) -> None:
        if self._pieces:
            self._pieces[-1].readable_index = index
        elif self._flying is not None:
            self._flying.readable_index = max(self._flying.readable_index, index)
        elif self._failure is None:
            self._readable_index = max(self._readable_index, index)

    def readable_index(self) -> int:
        return self._readable_index

    def backlog(self) -> int:
        return len(self._recent)

    def find(self, task: TaskId) -> Task | None:
        with self._telling_of_damage():
            return self._recent.find(task) or self._reading.find(task)

    def find_key(self, namespace: str, key: str) -> Task | None:
        recent = self._recent.find_key(namespace, key)
        with self._telling_of_damage():
            durable = self._reading.find_key(namespace, key)
        if recent is None or durable is None:
            return recent or durable
        return recent if (recent.seq, recent.end_seq) >= (durable.seq, durable.end_seq) else durable

    def rows_between(self, after_end: int, upto_end: int, limit_bytes: int) -> list[Task]:
        with self._telling_of_damage():
            durable, looked_to = self._reading.between(after_end, upto_end, limit_bytes)
        rows = {row.end_seq: row for row in self._recent.rows() if after_end < row.end_seq <= looked_to}
        rows.update((row.end_seq, row) for row in durable)
        return [rows[end] for end in sorted(rows)]

    def last_end(self) -> int:
        return self._spans.complete_to()

    def fill(self, rows: Sequence[Task]) -> None:
        """The rows that follow `last_end()`, lowest first: what is missing between them is nowhere (pruned, or ended
        again later)."""
        if rows:
            self._keep(_Piece(rows, (self.last_end() + 1, max(self.last_end() + 1, rows[-1].end_seq))))

    # --- lists and retention ------------------------------------------------------------------------------------------

    def list_ended(self, wanted: Filter, before_seq: int, limit: int, floor: Floor) -> list[Task]:
        """Ended tasks with `seq < before_seq`, newest first. May take long: to be called in a thread. Raises
        HistoryError."""
        # First what is not in the file yet, then the file: a row on its way from one to the other is seen at least
        # once.
        recent = [row for row in self._recent.rows() if _shown(row, wanted, before_seq, floor)]
        state = wanted.state.value if wanted.state is not None else None
        with self._telling_of_damage(), self._reader() as reading:
            durable = reading.newest({
                "before_seq": before_seq,
                "limit": limit,
                "state": state,
                "namespace": wanted.namespace,
                "queue": wanted.queue,
                "handler": wanted.handler,
                "floor_end": floor[0],
                "floor_ms": floor[1],
            })  # fmt: skip
        newest = {row.id: row for row in sorted([*durable, *recent], key=lambda row: row.end_seq)}
        return sorted(newest.values(), key=lambda row: row.seq, reverse=True)[:limit]

    def prune(self, floor: Floor) -> None:
        """Forget what ended up to `floor`, in small slices behind everything else."""
        self._floor = floor
        self._plan(PRUNE_PAUSE_S)

    def close(self) -> None:
        """Write what waits, stop the threads, close the file. Blocks until then; again is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._pieces:
            self._work.put(self._batch())
        self._work.put(None)
        writer, checker = self._threads
        writer.join()
        while checker.is_alive():
            self._checking.interrupt()  # again, if it had not yet begun to look
            checker.join(0.05)
        while not self._idle_readers.empty():
            self._idle_readers.get().close()
        for connection in (self._reading, self._checking, self._writing):
            connection.close()

    # --- handing rows to the writer, on the loop ----------------------------------------------------------------------

    def _keep(self, piece: _Piece) -> None:
        if len(self._recent) + len(piece.rows) > MAX_BACKLOG_ROWS:
            self._fail(
                HistoryError(f"{self._path}: {len(self._recent)} rows wait to be written: the disk does not keep up")
            )
        if self._failure is not None:
            return
        self._spans.add(*piece.span)
        self._recent.add(piece.rows)
        self._pieces.append(piece)
        self._piece_rows += len(piece.rows)
        self._plan(BATCH_WAIT_S)

    def _plan(self, wait_s: float) -> None:
        if self._flying is not None or self._failure is not None or self._closed:
            return
        if self._piece_rows >= BATCH_ROWS:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait_s, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            self._flying = self._batch()
        elif self._floor is not None:
            self._flying = Batch([], [], 0, self._floor)
        else:
            return
        self._work.put(self._flying)

    def _batch(self) -> Batch:
        batch = Batch([], [], 0)
        while self._pieces and len(batch.rows) < BATCH_ROWS:
            piece = self._pieces.popleft()
            batch.rows.extend(piece.rows)
            batch.spans.append(piece.span)
            batch.readable_index = max(batch.readable_index, piece.readable_index)
        self._piece_rows -= len(batch.rows)
        return batch

    def _written(self, batch: Batch) -> None:
        self._flying = None
        self._recent.remove(batch.rows)
        self._readable_index = max(self._readable_index, batch.readable_index)
        if batch.prune is not None and batch.pruned < PRUNED_AT_ONCE and batch.prune == self._floor:
            self._floor = None
        if self._pieces:
            self._plan(BATCH_WAIT_S)
        elif self._floor is not None:
            self._plan(PRUNE_PAUSE_S)

    def _fail(self, error: HistoryError) -> None:
        if self._failure is None and not self._closed:
            self._failure = error
            self._on_failed(error)

    def _check_replay(self, row: Task) -> None:
        """Once in a life: a file left over from another cluster would hide the new tasks behind the old ones'
        numbers."""
        self._replay_checked = True
        there = self._reading.id_at(row.end_seq)
        if there is not None and there != row.id:
            raise damaged(
                self._path, f"its row {row.end_seq} is task {there}, the log says {row.id}: it belongs to another log"
            )

    # --- the threads --------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        while (batch := self._work.get()) is not None:
            try:
                self._writing.execute(batch)
            except sqlite3.Error as error:
                self._tell(self._fail, failed(self._path, error))
                return
            except Exception as error:  # noqa: BLE001 - a writer that dies silently would let the backlog grow for ever
                self._tell(self._fail, HistoryError(f"{self._path}: the writer failed: {error!r}"))
                return
            self._tell(self._written, batch)

    def _check(self) -> None:
        try:
            flaw = self._checking.flaw()
        except HistoryError as error:
            if not self._closed:
                self._tell(self._fail, error)
            return
        if flaw is not None:
            self._tell(self._fail, damaged(self._path, flaw))

    def _tell(self, callback: Callable[[T], None], value: T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(callback, value)

    @contextmanager
    def _telling_of_damage(self) -> Iterator[None]:
        try:
            yield
        except HistoryError as error:
            self._tell(self._fail, error)
            raise

    @contextmanager
    def _reader(self) -> Iterator[Reading]:
        try:
            reading = self._idle_readers.get_nowait()
        except queue.Empty:
            reading = Reading(self._path)
        try:
            yield reading
        except HistoryError:
            reading.close()
            raise
        self._idle_readers.put(reading)


def _shown(row: Task, wanted: Filter, before_seq: int, floor: Floor) -> bool:
    return (
        row.seq < before_seq
        and row.end_seq > floor[0]
        and row.ended_stamp >> 16 > floor[1]
        and wanted.namespace in (None, row.namespace)
        and wanted.queue in (None, row.queue)
        and wanted.state in (None, row.state)
        and wanted.handler in (None, row.handler)
    )
