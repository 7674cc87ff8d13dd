"""Arguments of a task from words of a command line.

Law: a value that is JSON is that JSON, everything else is a text: `cents=999` is a number, `order=o-1` a text,
`zip='"01067"'` the text 01067.
"""

from collections.abc import Sequence
from typing import Any

import click
import msgspec


def parse(words: Sequence[str]) -> dict[str, Any] | list[Any]:
    """`name=value` words, or one JSON object or array. Raises click.BadParameter."""
    if len(words) == 1 and words[0].lstrip()[:1] in ("{", "["):
        return _document(words[0])
    args: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"got {word!r}, expected name=value, or one JSON object or array")
        if name in args:
            raise click.BadParameter(f"{name} stands twice")
        args[name] = value(text)
    return args


def value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text


def _document(text: str) -> dict[str, Any] | list[Any]:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    assert isinstance(document, dict | list)
    return document
