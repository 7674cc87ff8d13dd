"""`python -m examples.orders`: see README.md beside this file."""

import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from examples.orders.api import DemoFailed
from examples.orders.generator import generate
from examples.orders.order import Order, read_ndjson, steps_of, write_ndjson
from examples.orders.progress import open_display
from examples.orders.report import print_findings, print_oddities
from examples.orders.retail import read_retail
from examples.orders.run import Figures, run


@click.command(
    help="Orders through three peers, with the leader killed and another peer frozen; then the books are checked."
)
@click.option(
    "--orders",
    "count",
    type=click.IntRange(300, 1_000_000),
    default=5_000,
    show_default=True,
    envvar="ORDERS",
    help="How many to generate.",
)
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="INPUT",
    help='Instead: orders as NDJSON, or the UCI "Online Retail" CSV, per item or per invoice.',
)
@click.option(
    "--seed",
    type=int,
    default=2011,
    show_default=True,
    envvar="SEED",
    help="Of the orders and of the gateway's faults.",
)
@click.option("--no-key-check", is_flag=True, help="The gateway ignores idempotency keys: the books must fail.")
@click.option(
    "--data-folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything is written; empty or new. Default: a temporary folder.",
)
@click.option("--keep", is_flag=True, help="Leave the folder behind also when all is well.")
def main(count: int, source: Path | None, seed: int, no_key_check: bool, data_folder: Path | None, keep: bool) -> None:
    # Stopped politely, it stops its children first, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    console = Console()
    folder = _folder(data_folder)
    try:
        submissions = _orders(console, source, count, seed)
        (folder / "orders.ndjson").write_bytes(b"".join(write_ndjson(submissions)))
        figures = _play(console, submissions, folder, seed, key_check=not no_key_check)
    except KeyboardInterrupt:
        console.print(f"\nStopped before the end, and with it every peer. What was written is in {folder}")
        sys.exit(130)
    except (DemoFailed, ValueError, OSError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}", highlight=False)
        console.print(f"Everything that was written is in {folder}", highlight=False)
        sys.exit(1)
    print_findings(console, figures.findings)
    ok = all(finding.ok for finding in figures.findings)
    console.print(_last_words(figures), highlight=False)
    if keep or not ok:
        console.print(f"Ledger, shelves, parcels, attempts and logs are in {folder}", highlight=False)
    else:
        shutil.rmtree(folder)
    sys.exit(0 if ok else 1)


def _folder(asked: Path | None) -> Path:
    if asked is None:
        return Path(tempfile.mkdtemp(prefix="quorate-orders-"))
    asked.mkdir(parents=True, exist_ok=True)
    if any(asked.iterdir()):
        raise click.BadParameter(f"{asked} is not empty; the demo starts from nothing", param_hint="--data-folder")
    return asked.resolve()


def _orders(console: Console, source: Path | None, count: int, seed: int) -> list[Order]:
    if source is None:
        return list(generate(count, seed))
    if source.suffix.lower() != ".csv":
        with source.open("rb") as lines:
            return list(read_ndjson(lines))
    submissions, oddities = read_retail(source)
    print_oddities(console, oddities)
    if not submissions:
        raise ValueError(f"{source}: no orders in it")
    return submissions


def _play(console: Console, submissions: list[Order], folder: Path, seed: int, *, key_check: bool) -> Figures:
    orders = {order.number: order for order in submissions}
    steps = sum(len(steps_of(order)) for order in orders.values())
    vips = sum(order.vip for order in orders.values())
    console.print(
        f"{len(orders):,} orders ({vips:,} of VIPs, {len(submissions) - len(orders):,} submitted again), "
        f"{steps:,} steps" + ("" if key_check else "; the gateway does not look at idempotency keys"),
        highlight=False,
    )
    console.print(
        "An order is a chain of steps (pay, reserve, ship), and each step is a task. "
        "Three equal peers share them. At a third of the orders the one that leads is killed (kill -9), at two thirds "
        "another is frozen (SIGSTOP). Then the books are checked against records that the cluster does not keep.",
        highlight=False,
    )
    display = open_display(console, len(orders), steps)
    try:
        return asyncio.run(run(submissions, folder, seed, display, key_check=key_check))
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        display.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; the rest of the group was only told to stop."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _last_words(figures: Figures) -> str:
    failed = [finding.name for finding in figures.findings if not finding.ok]
    rate = figures.steps / figures.seconds
    return f"{figures.steps:,} steps in {figures.seconds:.1f} s ({rate:,.0f} a second). " + _verdict(failed)


def _verdict(failed: list[str]) -> str:
    if failed:
        return f"The books do NOT balance: {', '.join(failed)}."
    return "The books balance."


if __name__ == "__main__":
    main()
