"""An operation of a client: what it asked, what it was told, and between which two moments it was under way.

Law: positions are the order in which calls and answers were seen; `a.ret < b.call` means that a was over before b
began, and nothing else is known about their order. Values are compared as JSON, so `1`, `true` and `"1"` are three
things.
"""

from enum import Enum

import msgspec

NEVER = 1 << 60
"""The position of an answer that never came."""

Json = None | bool | int | float | str | list["Json"] | tuple["Json", ...] | dict[str, "Json"]
"""What JSON says, a list also as a tuple."""


class Untold(Enum):
    """What an operation gives of which nobody knows what it gave."""

    UNKNOWN = "?"


UNKNOWN = Untold.UNKNOWN

Value = None | int | str | bytes | tuple["Value", ...] | Untold
"""null, whole number, text; a JSON list as a tuple; any other JSON as its encoding."""


class Operation(msgspec.Struct, frozen=True, gc=False):
    """`given`: with the call. `told`: with the answer; UNKNOWN without one."""

    process: int | str
    f: str
    key: Value
    given: Value
    told: Value
    call: int
    ret: int
    """NEVER: it may have taken effect at any time after the call, or not at all."""

    @property
    def is_open(self) -> bool:
        return self.ret == NEVER

    def __str__(self) -> str:
        words = [self.f] if self.given is None else [self.f, shown(self.given)]
        if self.told not in (UNKNOWN, self.given):
            words += ["->", shown(self.told)]
        return " ".join(words)


def value_of(json: Json) -> Value:
    """As it is compared. Equal JSON gives equal values, and different JSON different ones."""
    if json is None or isinstance(json, str) or (isinstance(json, int) and not isinstance(json, bool)):
        return json
    if isinstance(json, list | tuple):
        return tuple(map(value_of, json))
    if isinstance(json, float) and json.is_integer():
        return int(json)
    return msgspec.json.encode(_whole(json), order="sorted")


def _whole(json: Json) -> Json:
    """1.0 is 1, however deep it lies."""
    if isinstance(json, dict):
        return {name: _whole(part) for name, part in json.items()}
    if isinstance(json, list | tuple):
        return [_whole(part) for part in json]
    return int(json) if isinstance(json, float) and json.is_integer() else json


def shown(value: Value) -> str:
    """As JSON."""
    if value is UNKNOWN:
        return "?"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, tuple):
        return "[" + ",".join(map(shown, value)) + "]"
    return msgspec.json.encode(value).decode()
