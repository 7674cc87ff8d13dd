"""From what was asked to what stands in the log: refs become ids, times become numbers, contents get their digest.

Law: a function of the request, except for `new_id`. A `NewTask` leaves here complete and valid, or a `Problem`
names the field; nothing later looks at the request.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from quorate.node.http.decode import MAX_DEPTH, check_depth
from quorate.node.http.model import MAX_TIMEOUT_S, RetryAsked, TaskAsked
from quorate.node.http.problems import Problem, bad, too_large
from quorate.scheduling.graph import find_cycle
from quorate.scheduling.task import NewTask, Retry, TaskId
from quorate.scheduling.ulid import is_task_id

RESULT: Final = "$result"
RESULT_BYTES: Final = RESULT.encode()
MAX_PATH: Final = 512
SLICE: Final = 200
"""Tasks turned into commands before the loop gets a turn again."""

_encode: Final = msgspec.json.Encoder().encode
_canonical: Final = msgspec.json.Encoder(order="sorted").encode
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Submitted(msgspec.Struct, frozen=True):
    """Who asks, and what the server adds to every task of a request."""

    principal: str
    trace: str
    attempt_timeout_ms: int
    args_bytes: int


def one(
    asked: TaskAsked, header_key: str, by: Submitted, refs: Mapping[str, TaskId], new_id: Callable[[], TaskId]
) -> NewTask:
    """A task on its own. `refs`: what earlier lines of the same stream were called. Raises Problem."""
    if header_key and asked.key and asked.key != header_key:
        detail = (
            f"got {asked.key!r} here and {header_key!r} in the header Idempotency-Key; send one, or the same in both"
        )
        raise bad("key", detail)
    if asked.ref is not None and asked.ref in asked.after:
        raise Problem(400, "cycle", f"the task waits for itself: {asked.ref} -> {asked.ref}", field="after")
    return _task(asked, new_id(), header_key or asked.key or "", by, refs)


async def many(
    tasks: Sequence[TaskAsked], header_key: str, by: Submitted, new_id: Callable[[], TaskId]
) -> list[NewTask]:
    """All tasks of an atomic request; task n (from 1) is keyed `<header_key>/n`. Raises Problem."""
    ids = [new_id() for _ in tasks]
    refs = _refs(tasks, ids)
    _check_cycles(tasks)
    submitted = []
    for n, asked in enumerate(tasks):
        if n % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        key = asked.key or ""
        if header_key:
            derived = f"{header_key}/{n + 1}"
            if key not in ("", derived):
                detail = f"got {key!r}, but the header Idempotency-Key makes it {derived!r}; send one of them"
                raise bad(f"tasks[{n}].key", detail)
            key = derived
        try:
            submitted.append(_task(asked, ids[n], key, by, refs))
        except Problem as problem:
            raise problem.under(f"tasks[{n}]") from None
    _check_keys_differ(submitted)
    return submitted


def _refs(tasks: Sequence[TaskAsked], ids: Sequence[TaskId]) -> dict[str, TaskId]:
    refs: dict[str, TaskId] = {}
    for n, asked in enumerate(tasks):
        if asked.ref is None:
            continue
        if asked.ref in refs:
            raise bad(
                f"tasks[{n}].ref", f"the ref {asked.ref!r} is used twice in this request; give every task its own"
            )
        refs[asked.ref] = ids[n]
    return refs


def _check_keys_differ(tasks: Sequence[NewTask]) -> None:
    seen: dict[tuple[str, str], NewTask] = {}
    for n, task in enumerate(tasks):
        if not task.key:
            continue
        first = seen.setdefault((task.namespace, task.key), task)
        if first is not task:
            raise bad(f"tasks[{n}].key", f"the key {task.key!r} is used twice in this request; give every task its own")


def _check_cycles(tasks: Sequence[TaskAsked]) -> None:
    """Only dependencies on refs can close a circle: an id is that of a task that was there before."""
    places = {asked.ref: n for n, asked in enumerate(tasks) if asked.ref is not None}
    waits_for = {
        n: [places[name] for name in asked.after if name in places] for n, asked in enumerate(tasks) if asked.after
    }
    if all(place < n for n, needed in waits_for.items() for place in needed):
        return
    cycle = find_cycle(waits_for)
    if cycle:
        names = " -> ".join(str(tasks[n].ref) for n in (*cycle, cycle[0]))
        raise Problem(400, "cycle", f"these tasks wait for each other: {names}", field=f"tasks[{cycle[0]}].after")


def _task(asked: TaskAsked, task: TaskId, key: str, by: Submitted, refs: Mapping[str, TaskId]) -> NewTask:
    after = _after(asked.after, refs) if asked.after else ()
    args = _args(asked, refs, by.args_bytes)
    timeout_ms = by.attempt_timeout_ms if asked.timeout is None else round(asked.timeout * 1000)
    if asked.timeout and not timeout_ms:
        raise bad("timeout", f"got {asked.timeout:g}; expected 0 for none, or 0.001 to {MAX_TIMEOUT_S} seconds")
    not_before_ms = milliseconds(asked.not_before, "not_before")
    deadline_ms = milliseconds(asked.deadline, "deadline")
    retry = _retry(asked.retry)
    return NewTask(
        id=task,
        handler=asked.handler,
        args=args,
        namespace=asked.namespace,
        queue=asked.queue,
        priority=asked.priority,
        key=key,
        digest=_digest(asked, not_before_ms, deadline_ms) if key else b"",
        held=asked.held,
        not_before_ms=not_before_ms,
        deadline_ms=deadline_ms,
        timeout_ms=timeout_ms,
        after=after,
        run_after_failure=asked.on_dependency_failure == "run",
        retry=retry,
        labels=asked.labels or None,
        principal=by.principal,
        trace=by.trace,
    )


def _retry(asked: RetryAsked | None) -> Retry | None:
    if asked is None:
        return None
    return Retry(max=asked.max, schedule=asked.schedule, on=asked.on)


def milliseconds(moment: datetime | None, field: str) -> int:
    if moment is None:
        return 0
    at_ms = round((moment - _EPOCH).total_seconds() * 1000)
    if at_ms <= 0:
        raise bad(field, f"got {moment.isoformat()}; expected a time after 1970-01-01T00:00:00Z")
    return at_ms


def _after(names: Sequence[str], refs: Mapping[str, TaskId]) -> tuple[TaskId, ...]:
    after: dict[TaskId, None] = {}
    for n, name in enumerate(names):
        task = refs.get(name)
        if task is None:
            if not is_task_id(name):
                raise bad(f"after[{n}]", f"got {name!r}, which is neither a ref of this request nor the id of a task")
            task = TaskId(name)
        if task in after:
            raise bad(f"after[{n}]", f"{name!r} stands here twice; name every task once")
        after[task] = None
    return tuple(after)


def _args(asked: TaskAsked, refs: Mapping[str, TaskId], limit_bytes: int) -> bytes:
    """The arguments as they stand in the log: JSON written anew, with every `$result` naming an id."""
    encoded = _encode(asked.args)
    if len(encoded) > limit_bytes:
        raise too_large(
            "args",
            f"got {len(encoded):,} bytes, expected at most {limit_bytes:,}; pass a reference to where the data is",
        )
    if encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH:  # fewer brackets cannot nest deeper
        check_depth(asked.args, MAX_DEPTH, "args")
    if RESULT_BYTES not in encoded:
        return encoded
    filled = _encode(_with_ids(asked.args, "args", frozenset(asked.after), refs))
    if len(filled) > limit_bytes:
        raise too_large(
            "args", f"got {len(filled):,} bytes with ids in place of refs, expected at most {limit_bytes:,}"
        )
    return filled


def _with_ids(value: Any, at: str, after: frozenset[str], refs: Mapping[str, TaskId]) -> Any:
    """Recursion is safe here: the depth has been checked."""
    if isinstance(value, list):
        return [_with_ids(item, f"{at}[{n}]", after, refs) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if RESULT not in value:
        return {name: _with_ids(item, f"{at}.{name}", after, refs) for name, item in value.items()}
    name = value[RESULT]
    if not isinstance(name, str):
        raise bad(f"{at}.{RESULT}", "expected the ref or id of a task, as a text")
    if name not in after:
        raise bad(
            f"{at}.{RESULT}",
            f"{name!r} does not stand in `after`; name it there, so that its result is there when the attempt starts",
        )
    path = value.get("path", "")
    if not isinstance(path, str) or len(path) > MAX_PATH or ("path" in value and not all(path.split("."))):
        raise bad(f"{at}.path", f"expected names joined by points, e.g. a.b, at most {MAX_PATH} characters")
    extra = value.keys() - {RESULT, "path"}
    if extra:
        raise bad(f"{at}.{min(extra)}", f"an object with {RESULT} may only have `path` beside it")
    return {**value, RESULT: refs.get(name, name)}


def _digest(asked: TaskAsked, not_before_ms: int, deadline_ms: int) -> bytes:
    """blake2b-16 of the contents as asked: refs as written, defaults filled in, keys in order, without `key`."""
    contents = (
        asked.handler,
        asked.args,
        asked.namespace,
        asked.queue,
        asked.priority,
        deadline_ms,
        not_before_ms,
        asked.timeout,
        asked.held,
        asked.after,
        asked.ref,
        asked.retry,
        asked.labels,
        asked.on_dependency_failure,
    )
    return hashlib.blake2b(_canonical(contents), digest_size=16).digest()
