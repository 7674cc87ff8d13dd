"""What values look like that models take."""

from quorate.netsim.linear.operation import Value, shown

FORMS_SHOWN_CHARS = 80


def _got(value: Value) -> str:
    text = shown(value)
    return text if len(text) <= FORMS_SHOWN_CHARS else text[:FORMS_SHOWN_CHARS] + "..."


def anything(_value: Value) -> None:
    """No value is wrong."""
    return None  # noqa: RET501  # a form answers, and this is its answer


def null(value: Value) -> str | None:
    return None if value is None else f"got {_got(value)}, expected null"


def not_null(value: Value) -> str | None:
    return None if value is not None else "got null, expected a value"


def old_and_new(value: Value) -> str | None:
    fits = isinstance(value, tuple) and len(value) == 2
    return None if fits else f"got {_got(value)}, expected a list of two: what is compared with, what is put in"


def fence(value: Value) -> str | None:
    fits = value is None or (isinstance(value, int) and value >= 0)
    return None if fits else f"got {_got(value)}, expected a fence (a whole number from 0 on) or null"
