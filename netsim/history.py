"""The history port on the simulated machine: rows survive the process as far as they were flushed.

Declared not simulated: SQLite itself. What is simulated is its promise (ports.History): readable at once, durable
after a delay, in order.
"""

from collections.abc import Callable, Sequence

from quorate.scheduling.task import Task, TaskId


class SimHistory:
    """One per machine; `restart()` when its process dies."""

    def __init__(self, schedule: Callable[[float, Callable[[], None]], None]) -> None:
        self._schedule = schedule
        self.flush_s = 0.02
        self._rows: dict[int, Task] = {}
        self._by_id: dict[TaskId, Task] = {}
        self._by_key: dict[tuple[str, str], Task] = {}
        self._applied = 0
        self._last_end = 0
        self._durable_end = 0
        self._durable_index = 0
        self._complete_to = 0
        self._life = 0
        self._flushing = False

    def restart(self) -> None:
        """Rows not yet flushed are gone with the process."""
        self._life += 1
        self._flushing = False
        for end in [end for end in self._rows if end > self._durable_end]:
            del self._rows[end]
        self._last_end = self._durable_end
        self._complete_to = min(self._complete_to, self._durable_end)
        self._applied = self._durable_index
        self._reindex()

    def wipe(self) -> None:
        self.__init__(self._schedule)  # type: ignore[misc]  # a wiped disk is a new one

    def _reindex(self) -> None:
        self._by_id = {row.id: row for _, row in sorted(self._rows.items())}
        self._by_key = {(row.namespace, row.key): row for _, row in sorted(self._rows.items()) if row.key}

    # --- ports.History

    def append(self, index: int, rows: Sequence[Task]) -> None:  # noqa: ARG002 - progress comes with `advance`
        self.fill(rows)
        if rows and self._complete_to >= rows[0].end_seq - 1:
            self._complete_to = max(self._complete_to, rows[-1].end_seq)

    def advance(self, index: int) -> None:
        self._applied = max(self._applied, index)
        if not self._flushing:
            self._flushing = True
            life = self._life
            self._schedule(self.flush_s, lambda: self._flush(life))

    def _flush(self, life: int) -> None:
        if life != self._life:
            return
        self._flushing = False
        self._durable_end = self._last_end
        self._durable_index = self._applied

    def readable_index(self) -> int:
        return self._durable_index

    def backlog(self) -> int:
        return self._last_end - self._durable_end

    def find(self, task: TaskId) -> Task | None:
        return self._by_id.get(task)

    def find_key(self, namespace: str, key: str) -> Task | None:
        return self._by_key.get((namespace, key))

    def rows_between(self, after_end: int, upto_end: int, limit_bytes: int) -> list[Task]:
        rows: list[Task] = []
        for end in range(after_end + 1, upto_end + 1):
            row = self._rows.get(end)
            if row is None:
                continue
            rows.append(row)
            limit_bytes -= len(row.args) + len(row.result or b"") + 200
            if limit_bytes <= 0:
                break
        return rows

    def last_end(self) -> int:
        return self._complete_to

    def fill(self, rows: Sequence[Task]) -> None:
        for row in rows:
            self._rows[row.end_seq] = row
            self._last_end = max(self._last_end, row.end_seq)
            self._by_id[row.id] = row
            if row.key:
                self._by_key[(row.namespace, row.key)] = row
        while self._complete_to + 1 in self._rows:
            self._complete_to += 1
