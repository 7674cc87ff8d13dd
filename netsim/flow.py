"""Graphs of tasks: drawn, measured, and made into the tasks of one submission.

Law: a flow and a key give the same submission whoever makes it, but for the ids: a repetition asks for the same.
"""

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from quorate.netsim.clock import SeededEntropy
from quorate.netsim.scenario import Flow, InTurn, Leaf, Together
from quorate.netsim.work import HANDLER, Rule
from quorate.scheduling.task import NewTask, Retry, TaskId

RETRY = Retry(max=3, schedule=(0.1, 0.5))
TIMEOUT_MS = 2_000
NAMESPACES = ("default", "tenant-1", "tenant-2", "tenant-3")
DEEPEST = 3


def draw_flow(draw: SeededEntropy, run_s: tuple[float, float]) -> Flow:
    """Mostly one task; sometimes a few, in turn or together, within each other."""
    namespace = NAMESPACES[draw.below(len(NAMESPACES))]
    return _draw(draw, run_s, namespace, 0 if draw.share(0.2) else DEEPEST)


def _draw(draw: SeededEntropy, run_s: tuple[float, float], namespace: str, depth: int) -> Flow:
    if depth >= DEEPEST or (depth and draw.share(0.6)):
        failures = draw.below(6) if draw.share(0.25) else 0
        needs_success = draw.share(0.4)
        took = round(draw.between(*run_s), 4)
        return Leaf(
            run_s=took,
            failures=failures,
            needs_success=needs_success,
            namespace=namespace,
            priority=10 * draw.below(3),
        )
    parts = tuple(_draw(draw, run_s, namespace, depth + 1) for _ in range(1 + draw.below(3)))
    return InTurn(parts=parts) if draw.share(0.6) else Together(parts=parts)


def leaves(flow: Flow) -> Iterator[Leaf]:
    """In the order of the submission."""
    if isinstance(flow, Leaf):
        yield flow
        return
    for part in flow.parts:
        yield from leaves(part)


def submission(flow: Flow, key: str, new_id: Callable[[], TaskId]) -> list[NewTask]:
    """Its tasks; the first has the key itself, the others have it with their place."""
    made: list[NewTask] = []
    _add(flow, key, new_id, (), made)
    return made


def _add(
    flow: Flow, key: str, new_id: Callable[[], TaskId], after: tuple[TaskId, ...], made: list[NewTask]
) -> tuple[TaskId, ...]:
    """Returns what waits for all of it has to wait for."""
    if isinstance(flow, Leaf):
        made.append(_task(flow, f"{key}/{len(made)}" if made else key, new_id(), after, len(made)))
        return (made[-1].id,)
    if isinstance(flow, InTurn):
        for part in flow.parts:
            after = _add(part, key, new_id, after, made)
        return after
    return tuple(task for part in flow.parts for task in _add(part, key, new_id, after, made))


def _task(leaf: Leaf, key: str, task_id: TaskId, after: tuple[TaskId, ...], place: int) -> NewTask:
    args = _ENCODER.encode(Rule(leaf.run_s, leaf.failures))
    said = args + b"%d %d %d" % (leaf.priority, place, leaf.needs_success)
    return NewTask(
        id=task_id,
        handler=HANDLER,
        args=args,
        namespace=leaf.namespace,
        key=key,
        digest=hashlib.blake2b(said, digest_size=16).digest(),
        priority=leaf.priority,
        after=after,
        run_after_failure=not leaf.needs_success,
        timeout_ms=TIMEOUT_MS,
        retry=RETRY,
    )


_ENCODER = msgspec.json.Encoder()
