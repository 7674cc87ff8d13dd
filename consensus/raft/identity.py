"""Who this data folder is: the file `identity`.

Laws:
- A Raft identity is peer id *and* disk id; the disk id is minted with the folder and never changes.
- The incarnation rises at every start and is durable before anything is sent.
- A folder is never taken for another peer's or another cluster's, nor silently for an empty one.
"""

from zlib import crc32

import msgspec

from quorate.consensus.journal_format import Position
from quorate.consensus.ports import Create, Disk, DiskOp, PeerId, Rename, Sync, Write

NAME = "identity"
MAGIC = b"QRTIDNT1"


class Identity(msgspec.Struct, frozen=True, array_like=True):
    cluster: str
    peer: PeerId
    disk: str
    incarnation: int
    founding: str
    """Founding id; "" while the folder has not taken part in a founding."""
    voters: tuple[PeerId, ...]
    disks: dict[PeerId, str]
    """The founding map: configuration 0."""
    voter: bool
    """The newest committed configuration that this disk knows names it: it votes and counts."""
    config_index: int
    """Index of the entry with that configuration (0: the founding map)."""
    flushed: Position
    """The journal was flushed up to there at least: told once for each of its files, so that none can be cut short or
    vanish in silence."""


class ForeignFolder(Exception):
    """The data folder belongs to somebody else, or cannot say whose it is. Says what to do."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Identity)


def write_identity(identity: Identity) -> list[DiskOp]:
    """A new file each time: one that a killed process left behind may be longer."""
    payload = _encoder.encode(identity)
    data = MAGIC + crc32(payload).to_bytes(4, "little") + payload
    return [Create(f"{NAME}.tmp", 0), Write(f"{NAME}.tmp", 0, data), Sync(f"{NAME}.tmp"), Rename(f"{NAME}.tmp", NAME)]


def read_identity(disk: Disk, cluster: str, me: PeerId, voters: tuple[PeerId, ...]) -> Identity | None:
    """None: the folder is empty. Raises ForeignFolder, OSError."""
    names = disk.names()
    if NAME not in names:
        ours = [name for name in names if name.startswith(("journal-", "snapshot-"))]
        if ours and any(_holds_something(disk, name) for name in ours):
            raise ForeignFolder(
                f"the data folder holds {ours[0]} but no {NAME!r} file, so nobody can say whose it is; "
                "restore the whole folder, or empty it and start the peer anew"
            )
        return None
    identity = _decode(disk.read(NAME))
    if identity.cluster != cluster:
        raise ForeignFolder(
            f"the data folder belongs to cluster {identity.cluster!r}, the cluster file says {cluster!r}; "
            "give this peer its own data folder, or correct the name"
        )
    if identity.peer != me:
        raise ForeignFolder(
            f"the data folder belongs to peer {identity.peer!r}, this peer is {me!r}; "
            "give each peer its own data folder"
        )
    if identity.founding and set(identity.voters) != set(voters):
        raise ForeignFolder(
            f"the cluster was founded by {', '.join(sorted(identity.voters))}, the cluster file lists "
            f"{', '.join(sorted(voters))}; peers cannot be added or removed by editing the file"
        )
    return identity


def _decode(data: bytes) -> Identity:
    payload = data[len(MAGIC) + 4 :]
    check = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    if not data.startswith(MAGIC) or not payload or crc32(payload) != check:
        raise ForeignFolder(
            f"the file {NAME!r} is damaged; restore the data folder from a copy, or, if the other peers are a healthy "
            "majority, empty it and start again: the peer then joins anew"
        )
    return _decoder.decode(payload)


def _holds_something(disk: Disk, name: str) -> bool:
    return any(disk.read(name))
