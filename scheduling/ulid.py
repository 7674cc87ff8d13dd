"""Task ids: 48 bits of milliseconds and 80 bits of chance, in 26 characters of Crockford's base32.

Law: the chance is given, never drawn here. Ids sort by time. (github.com/ulid/spec)
"""

import re
from hashlib import blake2b

from quorate.scheduling.task import TaskId

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VALUES = {character: value for value, character in enumerate(ALPHABET)}
ID_BITS = 128
CHANCE_BITS = 80
SHIFTS = tuple(range(125, -1, -5))
PATTERN = re.compile(f"[0-7][{ALPHABET}]{{25}}", re.ASCII)


def make(wall_ms: int, chance: int) -> TaskId:
    """The id for a millisecond and 80 given bits. Raises ValueError if either is out of range."""
    if not 0 <= wall_ms < 1 << (ID_BITS - CHANCE_BITS) or not 0 <= chance < 1 << CHANCE_BITS:
        raise ValueError(f"{wall_ms} ms and {chance:#x} do not fit 48 and 80 bits")
    number = wall_ms << CHANCE_BITS | chance
    return TaskId("".join([ALPHABET[number >> shift & 31] for shift in SHIFTS]))


def derived(parent: TaskId, nth: int) -> TaskId:
    """The id of the nth task that `parent` stages: the same in every attempt, so that no attempt can stage it twice."""
    digest = blake2b(f"{parent}/{nth}".encode(), digest_size=CHANCE_BITS // 8, person=b"staged").digest()
    return make(wall_ms_of(parent), int.from_bytes(digest, "big"))


def is_task_id(text: str) -> bool:
    """Whether it has the form of an id (capital letters only)."""
    return PATTERN.fullmatch(text) is not None


def wall_ms_of(task: TaskId) -> int:
    """The millisecond in an id. Raises ValueError if it has not the form of one."""
    if not is_task_id(task):
        raise ValueError(f"{task!r} is not a task id: 26 characters of Crockford base32")
    number = 0
    for character in task[:10]:
        number = number << 5 | VALUES[character]
    return number
