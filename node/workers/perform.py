"""One attempt, from its JSON arguments to its ending, on the thread that calls.

Law: it reads top to bottom and never raises: decode, check, call, encode; what goes wrong at a step is the attempt's
failure, by a name of its own.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from quorate.node import context as contexts
from quorate.node.context import Context
from quorate.node.workers import arguments
from quorate.node.workers.failure import error_of
from quorate.scheduling.graph import MissingResult, TooDeep
from quorate.scheduling.handler import BadArguments, Handler
from quorate.scheduling.task import Attempt, Ending, Failed, Returned, Succeeded, TaskError

OWN_FILES = frozenset({__file__, asyncio.runners.__file__, asyncio.base_events.__file__})

ENCODER = msgspec.json.Encoder()


def perform(handler: Handler, attempt: Attempt, context: Context, result_max_bytes: int) -> Ending:
    """Runs the handler. An exception of an attempt that was told to stop is that stop, not a failure."""
    token = contexts.enter(context)
    try:
        unfit = _prepared(handler, attempt, context)
        if unfit is not None:
            return Failed(unfit, context.ran_ms)
        returned = _called(handler, context)
        result = _encoded(returned, handler, result_max_bytes)
    # Everything is caught, SystemExit and the like too: a worker outlives its handlers.
    except BaseException as raised:  # noqa: BLE001
        if context.told_to_stop:
            return Returned(context.told_to_stop)
        return Failed(error_of(raised, OWN_FILES), context.ran_ms)
    finally:
        contexts.leave(token)
    if isinstance(result, TaskError):
        return Failed(result, context.ran_ms)
    return Succeeded(result, context.staged, context.ran_ms)


def _prepared(handler: Handler, attempt: Attempt, context: Context) -> TaskError | None:
    """Fills in `context.args`; or what is wrong with them."""
    try:
        context.args = arguments.decoded(attempt.args, attempt.results)
        handler.check(context.args)
    except MissingResult as error:
        return TaskError("MissingResult", str(error))
    except (BadArguments, TooDeep, msgspec.DecodeError, RecursionError) as error:
        return TaskError("BadArguments", str(error))
    return None


def _called(handler: Handler, context: Context) -> Any:
    args = context.args
    call = handler.function
    if handler.is_async:
        return _awaited(handler, context)
    return call(**args) if isinstance(args, Mapping) else call(*args)


def _awaited(handler: Handler, context: Context) -> Any:
    """On an event loop of its own, in this thread; a stop cancels it, as asyncio code expects."""

    async def main() -> Any:
        loop, me = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            if me is not None:
                loop.call_soon_threadsafe(me.cancel)

        context.bell.listen(stop)
        try:
            if context.told_to_stop:
                stop()
            args = context.args
            return await (handler.function(**args) if isinstance(args, Mapping) else handler.function(*args))
        finally:
            context.bell.unlisten()

    with asyncio.Runner(loop_factory=context.new_loop) as runner:
        return runner.run(main())


def _encoded(returned: Any, handler: Handler, max_bytes: int) -> bytes | TaskError:
    try:
        result = ENCODER.encode(returned)
    # The value is the user's: what the encoder says of it, whatever class the error has, is the message.
    except Exception as error:  # noqa: BLE001
        problem = f"{handler.name} returned a {type(returned).__name__} that JSON cannot carry: {error}"
        return TaskError("ResultNotSerializable", problem[:500].encode("utf-8", "backslashreplace").decode())
    if len(result) > max_bytes:
        problem = f"the result of {handler.name} is {len(result)} bytes as JSON, at most {max_bytes}"
        return TaskError("ResultTooLarge", f"{problem}: store it, return a reference")
    return result
