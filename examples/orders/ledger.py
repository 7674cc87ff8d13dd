"""The gateway's ledger: one line for every request that reached the gateway, repeats and refusals included.

Law: a line is with the operating system before the request is answered, so a caller never knows more than the ledger.
Lines are only ever appended. Times are the machine's monotonic clock, the one that all processes of the demo share.
"""

import os
from enum import StrEnum
from pathlib import Path

import msgspec

from examples.orders.faults import Fault


class Motion(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"


class Deed(StrEnum):
    MOVED = "moved"
    """Money moved: this line is a charge or a refund."""
    REPEATED = "repeated"
    """The key was known: answered with the first receipt, nothing moved."""
    REFUSED = "refused"
    """Nothing moved: the gateway failed, or the request was wrong."""


class LedgerLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at_ns: int
    motion: Motion
    key: str
    order: str
    cents: int
    because: str
    """What the caller named as the step before ("" for the first step)."""
    deed: Deed
    fault: Fault
    receipt: str
    """Of the charge or refund that the answer tells of; "" if nothing moved."""


class Ledger:
    """The writing end; one gateway process owns the file."""

    def __init__(self, path: Path) -> None:
        """Raises FileExistsError: a ledger is never continued by another gateway, which would not know its keys."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._encoder = msgspec.json.Encoder()

    def write(self, line: LedgerLine) -> None:
        os.write(self._file, self._encoder.encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read_ledger(path: Path) -> list[LedgerLine]:
    decoder = msgspec.json.Decoder(LedgerLine)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]
