"""Histories as files: one JSON object a line, `{process, type, f, value, key, time}`.

Law: strict. Whatever is not understood is refused with its line and field; a line too long is not read to its end.
`process`, `type` and `f` have to be there; `value` and `key` are null without; `time` is any number that never goes
back, and says nothing but that: the order of events is the order of lines. Empty lines are skipped.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from quorate.netsim.linear.history import EventType, History, Malformed
from quorate.netsim.linear.model import Model
from quorate.netsim.linear.operation import Operation

MAX_LINE_BYTES = 65_536
FIELDS = ("process", "type", "f", "value", "key", "time")
TYPES = ("invoke", "ok", "fail", "info")


def read(file: BinaryIO, model: Model) -> list[Operation]:
    """Positions are numbers of lines, from 1. Raises Malformed with such."""
    history = History(model)
    time: float | None = None
    for number, line in _lines(file):
        event = _event(number, line)
        time = _no_earlier(number, event.get("time"), time)
        _note(history, number, event)
    return history.operations()


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise Malformed(number, "line", f"longer than {MAX_LINE_BYTES:,} bytes; expected one event a line")
        if line.strip():
            yield number, line


def _event(number: int, line: bytes) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(number, "line", f"not JSON ({error}); expected one object a line") from None
    if not isinstance(event, dict):
        raise Malformed(number, "line", "not an object; expected {process, type, f, value, key, time}")
    for name in event:
        if name not in FIELDS:
            raise Malformed(number, name[:80], f"not a field of an event; expected {', '.join(FIELDS)}")
    for name in FIELDS[:3]:
        if name not in event:
            raise Malformed(number, name, "is missing")
    return event


def _note(history: History, number: int, event: dict[str, Any]) -> None:
    process, kind, f = event["process"], event["type"], event["f"]
    if isinstance(process, bool) or not isinstance(process, int | str):
        raise Malformed(number, "process", "expected a whole number or a text")
    if kind not in TYPES:
        raise Malformed(number, "type", f"expected one of {', '.join(TYPES)}")
    if not isinstance(f, str):
        raise Malformed(number, "f", "expected the name of an operation")
    type_: EventType = kind
    history.note(process, type_, f, event.get("value"), event.get("key"), number)


def _no_earlier(number: int, time: object, before: float | None) -> float | None:
    if time is None:
        return before
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise Malformed(number, "time", "expected a number")
    if before is not None and time < before:
        raise Malformed(number, "time", f"got {time}, after {before} on a line before; sort the lines by time")
    return time
