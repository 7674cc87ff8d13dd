"""One file for each figure, or for figures of the same cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bench.figure import Figure


class Run(msgspec.Struct, frozen=True):
    """`folder`: on the disk that is measured. `quick`: shorter, for a look; the floors stay."""

    folder: Path
    quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


Case = Callable[[Run], Iterator[Figure]]
