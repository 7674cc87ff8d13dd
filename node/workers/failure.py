"""From an exception of a handler to the error a user reads.

Law: whatever was raised, the error is bounded in size, is valid text and can be stored; making it never raises.
"""

import traceback

from quorate.scheduling.task import TaskError

MESSAGE_MAX = 2_000
TRACEBACK_MAX = 8_000
"""Characters; of a longer one the end is kept, where the fault is."""
FRAMES_MAX = 20
CODE_MAX = 100


def error_of(raised: BaseException, own_files: frozenset[str]) -> TaskError:
    """type: the class name; code: the exception's attribute `code`, if it is text or a number. Frames of `own_files` at
    the top of the traceback are left out: they are ours, not the user's."""
    return TaskError(
        type=_clean(type(raised).__name__, CODE_MAX),
        message=_clean(_message(raised), MESSAGE_MAX),
        code=_code(raised),
        traceback=_traceback(raised, own_files),
    )


def _message(raised: BaseException) -> str:
    try:
        return str(raised)
    # `__str__` is the user's, and may fail as anything may.
    except Exception as error:  # noqa: BLE001
        return f"(its message could not be made: {type(error).__name__})"


def _code(raised: BaseException) -> str:
    try:
        code = getattr(raised, "code", "")
    # A property of the user's class, as above.
    except Exception:  # noqa: BLE001
        return ""
    return _clean(str(code), CODE_MAX) if isinstance(code, str | int) else ""


def _traceback(raised: BaseException, own_files: frozenset[str]) -> str:
    trace = raised.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in own_files:
        trace = trace.tb_next
    try:
        lines = traceback.format_exception(type(raised), raised, trace, limit=-FRAMES_MAX)
    # Formatting calls the user's `__str__`.
    except Exception:  # noqa: BLE001
        lines = traceback.format_tb(trace, limit=-FRAMES_MAX)
    text = "".join(lines)
    if len(text) > TRACEBACK_MAX:
        text = f"...\n{text[-TRACEBACK_MAX:]}"
    return _clean(text, TRACEBACK_MAX + 10)


def _clean(text: str, limit: int) -> str:
    """Text that can be stored: lone surrogates, which no encoding carries, are written out."""
    cut = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
