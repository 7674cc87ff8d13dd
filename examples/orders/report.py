"""The figures at the end, for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from examples.orders.books import Finding
from examples.orders.retail import Oddities


def print_oddities(console: Console, oddities: Oddities) -> None:
    table = Table(title="What is odd in the file, and what is done about it", title_justify="left")
    table.add_column("found")
    table.add_column("count", justify="right")
    table.add_column("handled")
    for what, count, handled in oddities.explained():
        table.add_row(what, f"{count:,}", handled)
    console.print(table)


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    table = Table(title="The books", title_justify="left")
    table.add_column("check")
    table.add_column("")
    table.add_column("figures")
    for finding in findings:
        table.add_row(finding.name, "[green]ok[/]" if finding.ok else "[bold red]FAILED[/]", finding.says)
    console.print(table)
