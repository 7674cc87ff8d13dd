"""A measured figure beside its floor.

Law: the floors are those of two idle cores and a disk that flushes in 0.3 ms. On less they scale, by what was measured
while the figure itself was: rates fall, and times grow, with the share of two cores that was left to us or with how
much slower the disk flushes, whichever is worse. Bytes, and what the cluster's own timers decide, do not scale.
"""

from typing import Literal

import msgspec

FLUSH_MS = 0.3
CORES = 2.0

Kind = Literal["rate", "time", "fixed"]


class Machine(msgspec.Struct, frozen=True):
    """What the machine could do while a figure was taken."""

    cores_left: float
    """Cores that nobody but the benchmark used."""
    flush_ms: float
    """fdatasync of a 4 KiB append, median."""

    @property
    def share(self) -> float:
        """Of what the floors are stated for; 1.0 at most."""
        return min(1.0, self.cores_left / CORES, FLUSH_MS / self.flush_ms)


class Figure(msgspec.Struct, frozen=True):
    case: str
    name: str
    value: float
    unit: str
    machine: Machine
    floor: float | None = None
    """None: told for its own sake."""
    kind: Kind = "fixed"

    @property
    def scaled_floor(self) -> float | None:
        if self.floor is None or self.kind == "fixed":
            return self.floor
        return self.floor * self.machine.share if self.kind == "rate" else self.floor / self.machine.share

    @property
    def verdict(self) -> str:
        floor = self.scaled_floor
        if floor is None:
            return ""
        enough = self.value >= floor if self.kind == "rate" else self.value <= floor
        return "ok" if enough else "short"


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(figure: Figure) -> str:
    bound = "" if figure.floor is None else (">= " if figure.kind == "rate" else "<= ")
    return (
        f"{figure.case:9} {figure.name:62} {number(figure.value):>8} {figure.unit:8}"
        f"{bound + number(figure.floor):>11} {number(figure.scaled_floor):>8}"
        f" {figure.machine.cores_left:6.2f} {figure.machine.flush_ms:6.2f}  {figure.verdict}"
    )


HEADER = f"{'case':9} {'figure':62} {'measured':>8} {'':8}{'floor':>11} {'scaled':>8} {'cores':>6} {'flush':>6}"
"""`cores`: left to us meanwhile; `flush`: median ms meanwhile."""


def told(figure: Figure) -> dict[str, object]:
    return {**msgspec.to_builtins(figure), "scaled_floor": figure.scaled_floor, "verdict": figure.verdict}
