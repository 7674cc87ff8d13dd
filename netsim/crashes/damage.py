"""Damage to the files of one peer: bits that flip, files that are cut short.

Law: damage is drawn where bytes count as well as where they do not, in every file of the folder alike.
"""

from typing import NamedTuple

from quorate.netsim.clock import SeededEntropy

ANYWHERE = 0.15
"""Share of the flips that fall anywhere in a file, the zeros it was filled with included."""


class Damaged(NamedTuple):
    """`where`: file, offset and what was done to it, in words."""

    files: dict[str, bytes]
    where: str


def flip(files: dict[str, bytes], chance: SeededEntropy) -> Damaged:
    """One bit of one file."""
    name = _pick([name for name, data in sorted(files.items()) if data], chance)
    data = bytearray(files[name])
    used = len(data) if chance.share(ANYWHERE) else len(bytes(data).rstrip(b"\0")) or len(data)
    offset, bit = chance.below(used), chance.below(8)
    data[offset] ^= 1 << bit
    return Damaged({**files, name: bytes(data)}, f"bit {bit} of byte {offset} of {name} flipped")


def truncate(files: dict[str, bytes], chance: SeededEntropy) -> Damaged:
    """One file ends earlier: anywhere, at a sector's end, or at once."""
    name = _pick([name for name, data in sorted(files.items()) if data], chance)
    length = chance.below(len(files[name]))
    kind = chance.below(4)
    if kind == 0:
        length -= length % 512
    elif kind == 1:
        length = min(length, chance.below(64))
    return Damaged({**files, name: files[name][:length]}, f"{name} cut to {length} of {len(files[name])} bytes")


def _pick(names: list[str], chance: SeededEntropy) -> str:
    """Mostly any; often the newest of the journal, where what was flushed last stands."""
    journals = [name for name in names if name.startswith("journal-")]
    if journals and chance.share(0.25):
        return journals[-1]
    return names[chance.below(len(names))]
