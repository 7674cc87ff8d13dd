"""Ended tasks for the tests of history."""

from quorate.scheduling.task import State, Task, TaskId

SECOND = 1000 << 16


def row(
    end: int,
    id: str = "",  # noqa: A002 - the field's name
    seq: int = 0,
    key: str = "",
    queue: str = "default",
    state: State = State.SUCCEEDED,
    result: bytes = b"1",
) -> Task:
    """Ended at `end` seconds; by default the `end`-th task in every order."""
    return Task(
        id=TaskId(id or f"T{end:025d}"),
        seq=seq or end,
        handler="shop.pay",
        args=b"{}",
        namespace="default",
        queue=queue,
        priority=0,
        key=key,
        digest=b"",
        not_before_ms=0,
        deadline_ms=0,
        timeout_ms=0,
        after=(),
        run_after_failure=False,
        retry=None,
        labels=None,
        principal="",
        trace="",
        submitted_stamp=0,
        state=state,
        ended_stamp=end * SECOND,
        result=result,
        end_seq=end,
    )
