"""From the JSON arguments of an attempt to what its handler is called with.

Law: a `$result` in the arguments is there, or the attempt fails by that name. Arguments without one, which is nearly
all, cost no walk.
"""

from collections.abc import Mapping
from typing import cast

import msgspec

from quorate.scheduling.graph import fill_results
from quorate.scheduling.handler import Arguments, BadArguments
from quorate.scheduling.task import TaskId

MARK = b'"$result"'
"""How it stands in JSON as it was re-encoded at submission, without escapes."""


def decoded(args: bytes, results: Mapping[TaskId, bytes]) -> Arguments:
    """Raises BadArguments when `args` is neither object nor array, graph.MissingResult, graph.TooDeep."""
    value = msgspec.json.decode(args) if args else {}
    if MARK in args:
        value = fill_results(value, {task: msgspec.json.decode(result) for task, result in results.items()})
    if not isinstance(value, dict | list):
        raise BadArguments(f"args: expected an object (keywords) or an array (positions), got {type(value).__name__}")
    return cast("Arguments", value)
