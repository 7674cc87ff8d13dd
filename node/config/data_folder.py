"""Whose data folder is it? Asked before a peer starts, by reading alone.

Law: the file `identity` decides, as `quorate.consensus.raft.identity` reads it; nothing is locked, made or changed, so
that it may be asked while the peer runs.
"""

from pathlib import Path
from typing import cast

import msgspec

from quorate.consensus.ports import Disk
from quorate.consensus.raft.identity import ForeignFolder, read_identity


class Folder:
    """As much of `ports.Disk` as a start reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self._path.iterdir() if entry.is_file())

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()


def stranger(folder: Path, cluster: str, peer_id: str, voters: tuple[str, ...]) -> str:
    """Why this peer of this cluster may not use the folder, and what to do, parted by `; `. Empty if it may."""
    disk = cast(Disk, Folder(folder))  # writing is not asked of it
    try:
        read_identity(disk, cluster, peer_id, voters)
    except ForeignFolder as foreign:
        return str(foreign)
    except (OSError, msgspec.DecodeError) as bad:
        return (
            f"the file 'identity' cannot be read ({bad}); restore the data folder, or empty it and start the peer anew"
        )
    return ""
