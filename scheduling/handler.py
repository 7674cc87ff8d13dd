"""What a handler is: the code a task names, and what its author said about running it.

Law: a description, complete in itself, that cannot be built invalid. Nothing here runs a handler or keeps a list of
them: whoever runs handlers is given them (`quorate.node.registry`), so that two peers in one process may serve
different ones.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from quorate.scheduling.task import Retry

NAME_FORM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
NAME_FORM_IN_WORDS = "1 to 128 of letters, digits and _ . : / -, beginning with a letter, a digit or _"
TIMEOUT_MAX_S = 366 * 24 * 3600.0
PRIORITY_LIMIT = 100

Isolation = Literal["thread", "process"]

Arguments = Sequence[Any] | Mapping[str, Any]
"""Decoded `args` of a task: an array is positions, an object keywords."""


class BadArguments(TypeError):
    """The arguments of a task do not fit the signature of its handler."""


@dataclass(frozen=True, slots=True)
class Handler:
    """name: what tasks call it by. function: plain or `async def`. What is None was left open by the author.

    timeout_s: seconds per attempt, 0 for none. isolation: in a thread of the peer, or in a child process of its own
    that can be killed. Raises ValueError naming the field.
    """

    name: str
    function: Callable[..., Any]
    retry: Retry | None = None
    timeout_s: float | None = None
    isolation: Isolation = "thread"
    queue: str | None = None
    priority: int | None = None
    is_async: bool = field(init=False, compare=False, repr=False)
    signature: inspect.Signature = field(init=False, compare=False, repr=False)
    _required: frozenset[str] = field(init=False, compare=False, repr=False)
    _allowed: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not NAME_FORM.fullmatch(self.name):
            raise ValueError(f"handler name {self.name!r}: expected {NAME_FORM_IN_WORDS}")
        if not callable(self.function):
            raise ValueError(f"handler {self.name!r}: expected a function, got {type(self.function).__name__}")
        if inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function):
            raise ValueError(f"handler {self.name!r} is a generator: nobody would run it; return a list instead")
        if self.timeout_s is not None and not 0 <= self.timeout_s <= TIMEOUT_MAX_S:
            raise ValueError(f"timeout of handler {self.name!r} is {self.timeout_s!r}: expected seconds, or 0 for none")
        if self.isolation not in get_args(Isolation):
            raise ValueError(
                f"isolation of handler {self.name!r} is {self.isolation!r}: expected one of {get_args(Isolation)}"
            )
        if self.priority is not None and abs(self.priority) > PRIORITY_LIMIT:
            raise ValueError(f"priority of handler {self.name!r} is {self.priority}: expected -100 to 100")
        signature = inspect.signature(self.function)
        by_name = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        named = [parameter for parameter in signature.parameters.values() if parameter.kind in by_name]
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.function))
        object.__setattr__(self, "signature", signature)
        object.__setattr__(self, "_allowed", frozenset(parameter.name for parameter in named))
        required = (parameter.name for parameter in named if parameter.default is inspect.Parameter.empty)
        object.__setattr__(self, "_required", frozenset(required))

    @property
    def place(self) -> str:
        """Where its code stands, for messages: `file:line`, or the module of what has no lines."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        if code is None:
            return str(getattr(self.function, "__module__", "unknown place"))
        return f"{code.co_filename}:{code.co_firstlineno}"

    def check(self, arguments: Arguments) -> None:
        """Raises BadArguments in the words of Python's own call errors; the function is not called."""
        if isinstance(arguments, Mapping):
            # The usual case, without the cost of binding; whatever is not plainly right is bound, for the words of its
            # error.
            if arguments.keys() <= self._allowed and self._required <= arguments.keys():
                return
            positions, keywords = (), arguments
        else:
            positions, keywords = tuple(arguments), {}
        try:
            self.signature.bind(*positions, **keywords)
        except TypeError as error:
            raise BadArguments(f"{self.name}{self.signature}: {error}") from None


class Declared:
    """Base of what a module may hold and a peer serve: found by type when a peer loads the module."""

    handler: Handler
