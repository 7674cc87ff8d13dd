"""A history: who asked what and was told what, in the order in which it was seen.

Law: `invoke` begins an operation of a process, and the next `ok`, `fail` or `info` of that process ends it: `ok` it was
done, `fail` it was surely not done, `info` nobody knows. What never ends counts as `info`. A process has one operation
under way at a time. Each event has a position that rises; nothing is known of time but that order.
"""

from typing import Literal, NamedTuple

from quorate.netsim.linear.model import Model
from quorate.netsim.linear.operation import NEVER, UNKNOWN, Json, Operation, Value, shown, value_of

MAX_OPERATIONS = 1_000_000

EventType = Literal["invoke", "ok", "fail", "info"]


class Malformed(ValueError):
    """Not a history of this model. `field`: of the event at `position`; the text says what was got and expected."""

    def __init__(self, position: int, field: str, text: str) -> None:
        super().__init__(f"event {position}: {field}: {text}")
        self.position = position
        self.field = field
        self.text = text


class _UnderWay(NamedTuple):
    f: str
    key: Value
    value: Value
    position: int


class History:
    """Of one model. Events are told with `note`; `operations()` may be asked at any time."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._under_way: dict[int | str, _UnderWay] = {}
        self._over: list[Operation] = []
        self._calls = 0
        self._position = 0

    def note(  # an event has so many parts
        self,
        process: int | str,
        type: EventType,  # noqa: A002  # as it is called in every such history
        f: str,
        value: Json = None,
        key: Json = None,
        position: int = 0,
    ) -> None:
        """`position`: of the event, above all before; 0: the next. Raises Malformed, and then nothing was noted."""
        position = position or self._position + 1
        if type == "invoke":
            self._invoke(process, _UnderWay(f, value_of(key), value_of(value), position))
        else:
            self._end(process, type, _UnderWay(f, value_of(key), value_of(value), position))
        self._position = position

    def operations(self) -> list[Operation]:
        """In order of call, without those that surely did not happen."""
        still = [
            Operation(process, begun.f, begun.key, begun.value, UNKNOWN, begun.position, NEVER)
            for process, begun in self._under_way.items()
        ]
        return sorted(self._over + still, key=lambda operation: operation.call)

    def _invoke(self, process: int | str, event: _UnderWay) -> None:
        forms = self._model.forms
        if forms and event.f not in forms:
            raise Malformed(event.position, "f", f"got {event.f!r}, expected one of {', '.join(forms)}")
        wrong = forms[event.f].given(event.value) if forms else None
        if wrong is not None:
            raise Malformed(event.position, "value", f"of an invoked {event.f}: {wrong}")
        other = self._under_way.get(process)
        if other is not None:
            what = f"{process!r} began a {other.f} at {other.position} and has not been answered"
            raise Malformed(event.position, "process", f"{what}; one that does two things at once is two processes")
        if self._calls == MAX_OPERATIONS:
            raise Malformed(event.position, "type", f"more than {MAX_OPERATIONS:,} operations; check fewer at once")
        self._calls += 1
        self._under_way[process] = event

    def _end(self, process: int | str, type: EventType, event: _UnderWay) -> None:  # noqa: A002  # as above
        begun = self._under_way.get(process)
        if begun is None:
            what = f"got {type!r} of process {process!r}, which has nothing under way; expected its invoke before"
            raise Malformed(event.position, "type", what)
        if event.f != begun.f:
            what = f"got {event.f!r}, expected {begun.f!r}, as invoked at {begun.position}"
            raise Malformed(event.position, "f", what)
        if event.key not in (None, begun.key):
            raise Malformed(
                event.position, "key", f"is not the one invoked at {begun.position}; expected the same or null"
            )
        if type == "ok":
            operation = self._told(process, begun, event)
        elif type == "info":
            operation = Operation(process, begun.f, begun.key, begun.value, UNKNOWN, begun.position, NEVER)
        else:
            operation = None
        del self._under_way[process]
        if operation is not None:
            self._over.append(operation)

    def _told(self, process: int | str, begun: _UnderWay, event: _UnderWay) -> Operation:
        forms = self._model.forms
        wrong = forms[begun.f].told(event.value) if forms else None
        if wrong is None and forms and forms[begun.f].repeats and event.value not in (None, begun.value):
            wrong = f"got {shown(event.value)}, expected {shown(begun.value)}, as invoked at {begun.position}, or null"
        if wrong is not None:
            raise Malformed(event.position, "value", f"of a {begun.f} told ok: {wrong}")
        return Operation(process, begun.f, begun.key, begun.value, event.value, begun.position, event.position)
