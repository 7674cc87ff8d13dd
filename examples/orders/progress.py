"""What the person who watches sees while it runs: a bar where there is a terminal, plain lines where there is none."""

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_EVERY_S = 2.0


class Display(Protocol):
    def say(self, words: str) -> None:
        """One event."""

    def show(self, orders_submitted: int, orders_done: int, steps_done: int) -> None:
        """How far it is; called often."""

    def close(self) -> None:
        """Nothing more follows."""


def open_display(console: Console, orders: int, steps: int) -> Display:
    return Bars(console, orders, steps) if console.is_terminal else Lines(console, orders, steps)


class Bars:
    def __init__(self, console: Console, orders: int, steps: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._rows: tuple[TaskID, ...] = (
            self._progress.add_task("submitted", total=orders),
            self._progress.add_task("orders", total=orders),
            self._progress.add_task("steps", total=steps),
        )
        self._progress.start()

    def say(self, words: str) -> None:
        self._progress.console.print(words, highlight=False)

    def show(self, orders_submitted: int, orders_done: int, steps_done: int) -> None:
        for row, count in zip(self._rows, (orders_submitted, orders_done, steps_done), strict=True):
            self._progress.update(row, completed=count)

    def close(self) -> None:
        self._progress.stop()


class Lines:
    def __init__(self, console: Console, orders: int, steps: int) -> None:
        self._console = console
        self._orders, self._steps = orders, steps
        self._began_s = time.monotonic()
        self._next_s = self._began_s

    def say(self, words: str) -> None:
        self._console.print(f"{time.monotonic() - self._began_s:6.1f} s  {words}", highlight=False, soft_wrap=True)

    def show(self, orders_submitted: int, orders_done: int, steps_done: int) -> None:
        if time.monotonic() < self._next_s and orders_done < self._orders:
            return
        self._next_s = time.monotonic() + LINE_EVERY_S
        self.say(
            f"submitted {orders_submitted:,}/{self._orders:,}  orders done {orders_done:,}/{self._orders:,}"
            f"  steps done {steps_done:,}/{self._steps:,}"
        )

    def close(self) -> None:
        """Lines need no end."""
