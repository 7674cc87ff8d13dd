"""A verdict in words, for somebody who has never met this checker.

Law: every operation is told with the lines where it stands; what could be ordered, what could not, and what it means
that a part is the shortest.
"""

from collections.abc import Iterator, Sequence

import msgspec

from quorate.netsim.linear.check import Verdict
from quorate.netsim.linear.operation import NEVER, UNKNOWN, Operation, Value, shown
from quorate.netsim.linear.part import Part

SHOWN_OPERATIONS = 60
SHOWN_CHARS = 120


def lines_of(verdict: Verdict, answers: dict[int, int]) -> Iterator[str]:
    """`answers`: by position of a call, that of its answer."""
    checked = f"{_count(verdict.operations, 'operation')} on {_count(verdict.keys, 'key')}"
    if verdict.result == "linearizable":
        yield f"Linearizable: {checked}, and for each key an order that explains every answer."
        return
    if verdict.result == "unknown":
        yield f"Unknown: the budget ran out before an order was found or ruled out {_key(verdict)}."
        yield f"({checked}.) Give it more with --budget-s, or check a shorter history."
        return
    yield f"Not linearizable: no order of the operations {_key(verdict)} explains what they were told ({checked})."
    if verdict.part is not None:
        yield from _of_part(verdict.part, answers)


def _key(verdict: Verdict) -> str:
    return "without a key" if verdict.key is None else f"on key {shown(verdict.key)}"


def _of_part(part: Part, answers: dict[int, int]) -> Iterator[str]:
    before = "whatever the state was before" if part.from_anywhere else "from the very beginning"
    which = "The shortest part" if part.is_shortest else "A part (the budget ran out before it was the shortest)"
    yield f"{which} that cannot be ordered, {before}:"
    yield ""
    numbers = {operation.call: n for n, operation in enumerate(part.operations, 1)}
    yield from _table(part.operations, answers)
    yield ""
    if part.stuck is None:
        yield "Where exactly it fails took too long to find."
    else:
        yield from _where(part, part.stuck, numbers)
    if part.is_shortest:
        yield "Without any of these (and what rests on it) the rest can be ordered, or proves nothing."


def _where(part: Part, stuck: Operation, numbers: dict[int, int]) -> Iterator[str]:
    if part.order:
        placed = ", ".join(str(numbers[operation.call]) for operation in part.order[:SHOWN_OPERATIONS])
        more = ", ..." if len(part.order) > SHOWN_OPERATIONS else ""
        yield f"The longest order that works: {placed}{more}. After it the object {part.state}."
    else:
        yield f"At first the object {part.state}."
    yield f"Next would be {numbers[stuck.call]} ({_short(stuck)}), answered at line {stuck.ret}."
    yield "But neither this order nor any other of what was under way by then explains that answer."


def _table(operations: Sequence[Operation], answers: dict[int, int]) -> Iterator[str]:
    rows = [
        (
            str(n),
            _span(operation, answers),
            f"process {operation.process}",
            _short(operation),
            _note(operation, answers),
        )
        for n, operation in enumerate(operations[:SHOWN_OPERATIONS], 1)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [f"{row[0]:>{widths[0]}}", *(f"{row[n]:<{widths[n]}}" for n in (1, 2, 3)), row[4]]
        yield ("  " + "  ".join(cells)).rstrip()
    if len(operations) > SHOWN_OPERATIONS:
        yield f"  ... and {len(operations) - SHOWN_OPERATIONS:,} more (all of them with -o json)"


def _span(operation: Operation, answers: dict[int, int]) -> str:
    answer = answers.get(operation.call, NEVER)
    return f"line {operation.call}" if answer == NEVER else f"lines {operation.call}-{answer}"


def _note(operation: Operation, answers: dict[int, int]) -> str:
    if not operation.is_open:
        return ""
    if answers.get(operation.call, NEVER) == NEVER:
        return "(nobody knows whether it happened)"
    return "(under way at the edge of this part: may have happened in it or not)"


def _short(operation: Operation) -> str:
    text = str(operation)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}" if number == 1 else f"{number:,} {of}s"


def document_of(verdict: Verdict, answers: dict[int, int]) -> dict[str, object]:
    """For programs: the verdict, and of every operation of the shortest part its lines (`answered` null: never)."""
    document: dict[str, object] = {
        "result": verdict.result,
        "operations": verdict.operations,
        "keys": verdict.keys,
        "key": None if verdict.result == "linearizable" else _json(verdict.key),
    }
    part = verdict.part
    if part is not None:
        document["part"] = {
            "operations": [_document(operation, answers) for operation in part.operations],
            "from_anywhere": part.from_anywhere,
            "is_shortest": part.is_shortest,
            "order": [operation.call for operation in part.order],
            "state": part.state,
            "stuck": None if part.stuck is None else part.stuck.call,
        }
    return document


def _document(operation: Operation, answers: dict[int, int]) -> dict[str, object]:
    answer = answers.get(operation.call, NEVER)
    return {
        "process": operation.process,
        "f": operation.f,
        "given": _json(operation.given),
        "told": None if operation.told is UNKNOWN else _json(operation.told),
        "invoked": operation.call,
        "answered": None if answer == NEVER else answer,
        "may_not_have_happened": operation.is_open,
    }


def _json(value: Value) -> object:
    return msgspec.json.decode(shown(value))
