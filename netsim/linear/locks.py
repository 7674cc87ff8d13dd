"""A lock that one process holds at a time.

Law: `acquire` and `release` are given null; the holder is the process. `acquire` may be told a fence, a whole number:
fences rise from grant to grant. A process that holds the lock cannot acquire it again, and only the holder releases.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from quorate.netsim.linear import forms
from quorate.netsim.linear.model import IMPOSSIBLE, Forms, Model, State
from quorate.netsim.linear.operation import Operation

ACQUIRE, RELEASE = "acquire", "release"
NO_FENCE = -1


class Held(NamedTuple):
    """`fence`: the highest given out and told; NO_FENCE: none yet."""

    by: int | str | None
    fence: int


class Anybody(NamedTuple):
    """Free or held, by whomever, under whatever fence."""

    by: str


FREE = Held(None, NO_FENCE)
ANYBODY = Anybody("anybody")


def step(state: Held | Anybody, operation: Operation) -> State:
    by, fence = (operation.process, NO_FENCE) if state is ANYBODY else state  # type: ignore[misc]  # then it is Held
    if operation.f == RELEASE:
        return Held(None, fence) if by == operation.process else IMPOSSIBLE
    if by is not None and state is not ANYBODY:
        return IMPOSSIBLE
    told = operation.told
    if not isinstance(told, int):
        return Held(operation.process, fence)
    return Held(operation.process, told) if told > fence else IMPOSSIBLE


def leaving(chosen: Collection[int], among: Sequence[Operation]) -> set[int]:
    """What a process acquired and what it released leave together; an open one may have been either's partner, and
    stays."""
    gone: set[int] = set()
    last: dict[int | str, Operation] = {}
    for operation in among:
        if operation.is_open:
            continue
        if operation.call in chosen:
            gone.add(operation.call)
        acquired = last.get(operation.process)
        last[operation.process] = operation
        if acquired is None or acquired.f == RELEASE or operation.f == ACQUIRE:
            continue
        pair = {acquired.call, operation.call}
        if pair & gone:
            gone |= pair
    return gone


def words(state: Held) -> str:
    is_held = "is free" if state.by is None else f"is held by process {state.by}"
    return is_held if state.fence == NO_FENCE else f"{is_held}, the last fence is {state.fence}"


LOCK = Model(
    name="lock",
    initial=FREE,
    step=step,
    forms={ACQUIRE: Forms(given=forms.null, told=forms.fence), RELEASE: Forms(given=forms.null, told=forms.anything)},
    anywhere=ANYBODY,
    leaving=leaving,
    words=words,
)
