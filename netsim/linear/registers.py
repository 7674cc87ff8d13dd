"""One value that is read, written, and (`cas-register`) compared and set.

Law: `read` is told the value; `write` is given the new one; `cas` is given `[old, new]` and, answered `ok`, has found
the old and put in the new (one that did not is a `fail`). The value before everything is null.

An open read tells nothing. An open write or cas whose value nobody was told of can be left out: taking it out of an
order disturbs nobody, for whoever came between it and the next write would have seen it.
"""

from collections.abc import Collection, Hashable, Sequence
from typing import Any, cast

from quorate.netsim.linear import chains, forms
from quorate.netsim.linear.model import IMPOSSIBLE, Forms, Model, State
from quorate.netsim.linear.operation import UNKNOWN, Operation, Value, shown

READ, WRITE, CAS = "read", "write", "cas"
ANY_VALUE: bytes = b"any value"
"""No JSON is encoded so."""


def step(state: Any, operation: Operation) -> State:
    f = operation.f
    if f == READ:
        told = operation.told
        if told is UNKNOWN or told == state:
            return state  # type: ignore[no-any-return]  # whatever the model's own states are
        return told if state is ANY_VALUE else IMPOSSIBLE
    if f == WRITE:
        return operation.given
    old, new = _pair(operation)
    return new if old == state or state is ANY_VALUE else IMPOSSIBLE


def _pair(operation: Operation) -> tuple[Value, Value]:
    return cast("tuple[Value, Value]", operation.given)  # its form has been looked at


def observes(operation: Operation) -> bool:
    return operation.f == READ


def alike(operation: Operation) -> Hashable:
    return None if operation.f == READ else (operation.f, operation.given)


def put_in(operation: Operation) -> Value:
    """The value that a write or cas leaves there; UNKNOWN: it leaves what there was."""
    if operation.f == READ:
        return UNKNOWN
    return _pair(operation)[1] if operation.f == CAS else operation.given


def found(operation: Operation) -> Value:
    """The value that a read or cas shows to have stood there; UNKNOWN: it shows none."""
    if operation.f == READ:
        return operation.told
    return _pair(operation)[0] if operation.f == CAS else UNKNOWN


def needed(operations: Sequence[Operation]) -> list[Operation]:
    """Without open operations whose value was told to nobody, and found by none that is needed itself."""
    kept = [operation for operation in operations if not operation.is_open]
    open_ones = [operation for operation in operations if operation.is_open and operation.f != READ]
    seen = {found(operation) for operation in kept}
    while useful := [operation for operation in open_ones if put_in(operation) in seen]:
        kept += useful
        seen_before = frozenset(seen)
        seen.update(map(found, useful))
        open_ones = [operation for operation in open_ones if put_in(operation) not in seen_before]
    return kept


def decide(operations: Sequence[Operation], start: State) -> bool | None:
    """`chains.decide`, where it is known what was there first: any value might be that of a later write again."""
    if start is ANY_VALUE:
        return None
    steps = [(operation, put_in(operation), found(operation)) for operation in operations]
    return chains.decide(steps, cast(Value, start))


def leaving(chosen: Collection[int], among: Sequence[Operation]) -> set[int]:
    """A read leaves alone; a value that was seen leaves with all who put it in or saw it."""
    by_put: dict[Value, list[Operation]] = {}
    by_seen: dict[Value, list[Operation]] = {}
    for operation in among:
        by_put.setdefault(put_in(operation), []).append(operation)
        by_seen.setdefault(found(operation), []).append(operation)
    gone = set(chosen)
    doubtful = {put_in(operation) for operation in among if operation.call in gone} - {UNKNOWN}
    while doubtful:
        value = doubtful.pop()
        seers = [operation for operation in by_seen.get(value, []) if operation.call not in gone]
        if seers:
            gone.update(operation.call for operation in (*seers, *by_put[value]))
            doubtful |= {put_in(operation) for operation in seers} - {UNKNOWN}
    return gone


def words(state: Any) -> str:
    return f"is {shown(state)}"


_READ_FORMS = Forms(given=forms.null, told=forms.anything)
_WRITE_FORMS = Forms(given=forms.anything, told=forms.anything, repeats=True)
_CAS_FORMS = Forms(given=forms.old_and_new, told=forms.anything, repeats=True)


def _model(name: str, forms_of: dict[str, Forms]) -> Model:
    return Model(
        name=name,
        initial=None,
        step=step,
        forms=forms_of,
        observes=observes,
        alike=alike,
        needed=needed,
        decide=decide,
        anywhere=ANY_VALUE,
        leaving=leaving,
        words=words,
    )


REGISTER = _model("register", {READ: _READ_FORMS, WRITE: _WRITE_FORMS})
CAS_REGISTER = _model("cas-register", {READ: _READ_FORMS, WRITE: _WRITE_FORMS, CAS: _CAS_FORMS})
