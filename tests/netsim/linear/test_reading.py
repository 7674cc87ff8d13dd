"""A file that is no history of the model is refused with the line and the field that are wrong."""

import io

import pytest

from quorate.netsim.linear import MODELS, NEVER, UNKNOWN, History, Malformed, history, reading
from quorate.netsim.linear.operation import Json
from quorate.netsim.linear.reading import read

WRITE = b'{"process": 1, "type": "invoke", "f": "write", "value": 1, "key": "x", "time": 10}\n'
DONE = b'{"process": 1, "type": "ok", "f": "write", "value": 1, "key": "x", "time": 11}\n'

REFUSED = {
    "not JSON": (b"{\n", 1, "line", "not JSON"),
    "not text": (b'{"process": 1, "type": "ok", "f": "\xff"}\n', 1, "line", "not JSON"),
    "no object": (b"[1]\n", 1, "line", "not an object"),
    "nested too deep": (b"[" * 20_000 + b"\n", 1, "line", "not JSON"),
    "unknown field": (WRITE + b'{"process": 1, "type": "ok", "f": "write", "node": 3}\n', 2, "node", "not a field"),
    "missing field": (b'{"type": "invoke", "f": "read"}\n', 1, "process", "missing"),
    "process is a list": (b'{"process": [1], "type": "invoke", "f": "read"}\n', 1, "process", "whole number or a text"),
    "process is true": (b'{"process": true, "type": "invoke", "f": "read"}\n', 1, "process", "whole number or a text"),
    "unknown type": (b'{"process": 1, "type": "done", "f": "read"}\n', 1, "type", "invoke, ok, fail, info"),
    "type is a list": (b'{"process": 1, "type": ["ok"], "f": "read"}\n', 1, "type", "invoke, ok, fail, info"),
    "f is null": (b'{"process": 1, "type": "invoke", "f": null}\n', 1, "f", "name of an operation"),
    "unknown f": (b'{"process": 1, "type": "invoke", "f": "cas", "value": [1, 2]}\n', 1, "f", "read, write"),
    "answer without a question": (DONE, 1, "type", "nothing under way"),
    "two things at once": (WRITE + WRITE, 2, "process", "has not been answered"),
    "answer to something else": (WRITE + b'{"process": 1, "type": "ok", "f": "read"}\n', 2, "f", "expected 'write'"),
    "answer on another key": (
        WRITE + b'{"process": 1, "type": "ok", "f": "write", "key": "y"}\n',
        2,
        "key",
        "invoked at 1",
    ),
    "answer with another value": (
        WRITE + b'{"process": 1, "type": "ok", "f": "write", "value": 2}\n',
        2,
        "value",
        "got 2, expected 1",
    ),
    "read of a given value": (
        b'{"process": 1, "type": "invoke", "f": "read", "value": 3}\n',
        1,
        "value",
        "got 3, expected null",
    ),
    "time is a text": (b'{"process": 1, "type": "invoke", "f": "read", "time": "now"}\n', 1, "time", "number"),
    "time goes back": (
        DONE.replace(b'"ok"', b'"invoke"') + WRITE.replace(b": 1,", b": 2,"),
        2,
        "time",
        "sort the lines",
    ),
    "endless line": (b" " * (reading.MAX_LINE_BYTES + 1), 1, "line", "longer than"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_history_is_refused_by_line_and_field(name: str) -> None:
    text, line, field, words = REFUSED[name]
    with pytest.raises(Malformed) as refused:
        read(io.BytesIO(text), MODELS["register"])
    assert (refused.value.position, refused.value.field) == (line, field)
    assert words in refused.value.text


@pytest.mark.parametrize(
    ("model", "f", "value", "told"),
    [
        ("cas-register", "cas", [1], None),
        ("queue", "enqueue", None, None),
        ("lock", "acquire", None, "seven"),
        ("lock", "acquire", None, -1),
        ("lock", "acquire", 1, None),
        ("submissions", "submit", None, None),
        ("submissions", "look", None, ["t1"]),
        ("submissions", "look", None, ["t1", "sleeping"]),
        ("submissions", "cancel", 3, None),
    ],
)
def test_a_value_that_the_model_does_not_know_is_refused(model: str, f: str, value: Json, told: Json) -> None:
    told_history = History(MODELS[model])

    def tell() -> None:
        told_history.note(1, "invoke", f, value)
        told_history.note(1, "ok", f, told)

    with pytest.raises(Malformed, match=r"value: .*(got|expected)"):
        tell()
    assert all(each.is_open for each in told_history.operations())


def test_positions_are_lines_and_what_surely_did_not_happen_is_left_out() -> None:
    lines = [
        WRITE,
        b"\n",
        b'{"process": "two", "type": "invoke", "f": "read"}\n',
        b'{"process": 3, "type": "invoke", "f": "write", "value": {"b": 1.0, "a": [2]}}\n',
        DONE,
        b'{"process": "two", "type": "fail", "f": "read", "value": "timed out"}\n',
        b'{"process": 3, "type": "info", "f": "write"}\n',
        b'{"process": 3, "type": "invoke", "f": "read"}',
    ]
    first, second, third = read(io.BytesIO(b"".join(lines)), MODELS["register"])
    assert (first.call, first.ret, first.key, first.given, first.told) == (1, 5, "x", 1, 1)
    assert (second.call, second.ret, second.given, second.told) == (4, NEVER, b'{"a":[2],"b":1}', UNKNOWN)
    assert (third.call, third.ret, third.f) == (8, NEVER, "read")


def test_more_operations_than_can_be_checked_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_OPERATIONS", 2)
    with pytest.raises(Malformed, match="more than 2 operations"):
        read(io.BytesIO(b"".join(_reads(3))), MODELS["register"])
    assert len(read(io.BytesIO(b"".join(_reads(2))), MODELS["register"])) == 2


def _reads(count: int) -> list[bytes]:
    return [b'{"process": %d, "type": "invoke", "f": "read"}\n' % process for process in range(count)]
