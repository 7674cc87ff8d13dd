"""Rows that are readable and not yet durable.

Law: a row is found here until the file has it for certain, so at every moment one of the two has it.
"""

from collections.abc import Sequence

from quorate.scheduling.task import Task, TaskId


class Recent:
    """Changed on the loop thread only; `rows()` may be asked from any."""

    def __init__(self) -> None:
        self._by_end: dict[int, Task] = {}
        self._by_id: dict[TaskId, Task] = {}
        self._by_key: dict[tuple[str, str], Task] = {}

    def __len__(self) -> int:
        return len(self._by_end)

    def add(self, rows: Sequence[Task]) -> None:
        for row in rows:
            self._by_end[row.end_seq] = row
            self._keep_newer(row)

    def remove(self, rows: Sequence[Task]) -> None:
        """The file has them."""
        for row in rows:
            self._by_end.pop(row.end_seq, None)
            if self._by_id.get(row.id) is row:
                del self._by_id[row.id]
            if row.key and self._by_key.get((row.namespace, row.key)) is row:
                del self._by_key[(row.namespace, row.key)]

    def find(self, task: TaskId) -> Task | None:
        return self._by_id.get(task)

    def find_key(self, namespace: str, key: str) -> Task | None:
        return self._by_key.get((namespace, key))

    def rows(self) -> list[Task]:
        """One per task, the newest."""
        return list(self._by_id.values())  # one step of the interpreter: the loop cannot change it meanwhile

    def _keep_newer(self, row: Task) -> None:
        known = self._by_id.get(row.id)
        if known is None or row.end_seq > known.end_seq:
            self._by_id[row.id] = row
        if not row.key:
            return
        named = self._by_key.get((row.namespace, row.key))
        if named is None or (row.seq, row.end_seq) > (named.seq, named.end_seq):
            self._by_key[(row.namespace, row.key)] = row
