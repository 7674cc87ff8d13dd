"""From bytes to request types, and from what is wrong with them to words.

Law: every way in which bytes can be bad ends here, as a problem that names the field; nothing is repaired and
nothing is dropped.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from quorate.node.http.model import (
    NOT_BUILT_FIELDS,
    CancelAsked,
    NothingAsked,
    ReadyAsked,
    RetryAsked,
    TaskAsked,
    TasksAsked,
    WaitAsked,
)
from quorate.node.http.problems import Problem, bad, not_built

T = TypeVar("T", bound=msgspec.Struct)

MAX_DEPTH: Final = 64
"""Nesting of arrays and objects in `args`."""


class _Envelope(msgspec.Struct):
    """Enough to tell one task from many."""

    tasks: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (TaskAsked, TasksAsked, WaitAsked, ReadyAsked, CancelAsked, NothingAsked, _Envelope)
}


def decode(body: bytes, kind: type[T]) -> T:
    """Raises Problem."""
    try:
        asked: T = _DECODERS[kind].decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_value(str(error)) from None
    except msgspec.DecodeError as error:
        raise Problem(400, "bad-request", _malformed(body, str(error))) from None
    except UnicodeDecodeError as error:
        raise Problem(
            400, "bad-request", f"a text in the body is not UTF-8 ({error.reason}); send JSON in UTF-8"
        ) from None
    except RecursionError:
        raise bad("args", f"nested too deep; expected at most {MAX_DEPTH} levels") from None
    return asked


def is_many(body: bytes) -> bool:
    """`{"tasks": [...]}` rather than one task object."""
    return b'"tasks"' in body and decode(body, _Envelope).tasks is not msgspec.UNSET


def check_depth(value: object, levels: int, field: str) -> None:
    """Raises Problem if arrays and objects stand in each other more than `levels` deep. Walks with its own stack."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if not isinstance(part, dict | list):
            continue
        inner: Iterable[object] = part.values() if isinstance(part, dict) else part
        if depth > levels:
            raise bad(field, f"nested too deep; expected at most {levels} levels")
        waiting.extend((item, depth + 1) for item in inner if isinstance(item, dict | list))


def _malformed(body: bytes, error: str) -> str:
    if not body.strip():
        return "the body is empty; expected a JSON object"
    if error == "Input data was truncated":
        return "the body is not JSON: it ends too early"
    return f"the body is not JSON: {error.removeprefix('JSON is malformed: ')}"


_WHERE: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING_FIELD: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)


def _wrong_value(message: str) -> Problem:
    found = _WHERE.match(message)
    what = found["what"] if found else message
    path = ((found["path"] if found else "") or "").removeprefix(".")
    unknown = _UNKNOWN_FIELD.match(what)
    if unknown:
        name = unknown["name"][:100]
        field = _joined(path, name)
        if name in NOT_BUILT_FIELDS:
            return not_built(f"the field `{field}`", field)
        return bad(field, f"there is no field `{name}` here; see /openapi.json for those there are")
    missing = _MISSING_FIELD.match(what)
    if missing:
        field = _joined(path, missing["name"])
        return bad(field, f"the field `{field}` is missing; it is required")
    inside_args = re.search(r"(^|\.)args[.\[]", path)
    words = None if inside_args else _WORDS.get(re.sub(r"\[[^\]]*\]$", "", path).rpartition(".")[2])
    if "matching regex" in what and words:
        what = f"got a text that is not allowed here; expected {words}"
    elif words:
        what = f"{what[0].lower()}{what[1:]} ({words})"
    return bad(path, what)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words() -> dict[str, str]:
    """What is expected of a field, from the descriptions of the types."""
    words: dict[str, str] = {}
    for kind in (TaskAsked, RetryAsked, WaitAsked, ReadyAsked, CancelAsked):
        (_,), components = msgspec.json.schema_components([kind])
        for name, schema in components[kind.__name__]["properties"].items():
            told = _description(schema)
            if told:
                words[name] = told
    return words


def _description(schema: dict[str, Any]) -> str:
    if "description" in schema:
        return str(schema["description"])
    for choice in (*schema.get("anyOf", ()), schema.get("items", {}), schema.get("propertyNames", {})):
        told = _description(choice) if choice else ""
        if told:
            return told
    return ""


_WORDS: Final = _words()
