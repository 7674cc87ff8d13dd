"""How deep msgpack is nested, without recursion.

Law: a decoder's own limit of nesting follows the interpreter's stack, so it is not the same on every peer. Where
bytes are skipped that no type describes, this limit comes first.
"""

MAX_DEPTH = 16

_FIXED = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
"""Bytes after a tag of fixed length (the msgpack specification's table of formats)."""
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""Bytes of the length of a binary, a text or an extension."""
_EXTENSIONS = (0xC7, 0xC8, 0xC9)
_COUNTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Bytes of the count of an array or a map, and values per element."""


def is_shallow(data: bytes) -> bool:
    """Whether `data` is one msgpack value, complete, nested at most `MAX_DEPTH` deep."""
    position = 0
    open_values = [1]
    while open_values:
        if open_values[-1] == 0:
            open_values.pop()
            continue
        if position >= len(data) or len(open_values) > MAX_DEPTH + 1:
            return False
        open_values[-1] -= 1
        position, inner = _step(data, position)
        if inner:
            open_values.append(inner)
    return position == len(data)


def _step(data: bytes, position: int) -> tuple[int, int]:
    """(where the next value begins, values inside this one) of the value at `position`; beyond the end if it is cut
    off."""
    tag = data[position]
    position += 1
    if tag < 0x80 or tag >= 0xE0:
        return position, 0
    if tag < 0xA0:
        return position, (tag & 15) * (2 if tag < 0x90 else 1)
    if tag < 0xC0:
        return position + (tag & 31), 0
    if tag in _SIZED:
        size = _SIZED[tag]
        length = int.from_bytes(data[position : position + size], "big")
        return position + size + length + (tag in _EXTENSIONS), 0
    if tag in _COUNTED:
        size, each = _COUNTED[tag]
        return position + size, int.from_bytes(data[position : position + size], "big") * each
    # 0xC1 is the one tag that msgpack never uses: as good as cut off.
    return position + _FIXED.get(tag, len(data)), 0
