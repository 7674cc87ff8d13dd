"""What is printed, for people and for programs.

Law: `json` has every field and keeps its names: one document, or one a line where it goes on. `table` may change
between versions.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec

TABLE, JSON = "table", "json"
WHOLE = frozenset({"id", "state", "mutant"})
"""Columns a narrow terminal does not break."""
UNBROKEN = 100_000
"""Characters of a line that goes to a pipe."""


class Output:
    def __init__(self, form: str) -> None:
        self.is_json = form == JSON

    def document(self, value: object) -> None:
        """One JSON document, indented for a terminal."""
        encoded = msgspec.json.encode(value)
        click.echo(msgspec.json.format(encoded, indent=2) if sys.stdout.isatty() else encoded)

    def line(self, value: object) -> None:
        """One JSON document on one line, of a series without end."""
        click.echo(msgspec.json.encode(value))

    def record(self, value: Mapping[str, Any]) -> None:
        """One thing: its fields below each other, those that say nothing left out."""
        if self.is_json:
            self.document(value)
            return
        told = {name: text for name, part in value.items() if (text := text_of(part))}
        width = max(map(len, told), default=0)
        for name, text in told.items():
            click.echo(f"{name:<{width}}  {text}")

    def rows(self, columns: Sequence[str], values: Iterable[Mapping[str, Any]]) -> None:
        """Many things: a table of some of their fields, or all of them as one JSON array."""
        if self.is_json:
            self.document(list(values))
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            # A narrow terminal breaks the words of people, never an id somebody wants to copy.
            table.add_column(column.replace("_", " ").upper(), no_wrap=column in WHOLE, overflow="fold")
        for value in values:
            table.add_row(*(Text(text_of(value.get(column))) for column in columns))
        Console(width=None if sys.stdout.isatty() else UNBROKEN).print(table)


def text_of(value: object) -> str:
    """Without control characters: what a stranger wrote must not move the reader's cursor."""
    if value is None or value is False or (isinstance(value, str | dict | list | tuple) and not value):
        return ""
    text = value if isinstance(value, str) else "yes" if value is True else msgspec.json.encode(value).decode()
    return "".join(char if char.isprintable() else " " for char in text)
