"""Which peer should take a task.

Law: every peer ranks the peers for a task alike, from the task's id and what the replicated state says of the peers,
without a word between them. It is advice: the claim decides. Rendezvous hashing (Thaler and Ravishankar, 1998): when
a peer comes or goes only its own share moves.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from zlib import crc32

from quorate.scheduling.task import TaskId

MASK = (1 << 64) - 1


@lru_cache(maxsize=1024)
def _peer_seed(peer: str) -> int:
    return crc32(peer.encode())


def affinity(task: TaskId, peer: str) -> int:
    """How much a peer is meant for a task, as good as random."""
    return _mixed(crc32(task.encode()) << 32 | _peer_seed(peer))


def _mixed(drawn: int) -> int:
    """CRC alone is linear (two peers would differ by a constant), hence the mixing: the finaliser of SplitMix64
    (Steele et al., 2014)."""
    drawn = (drawn ^ drawn >> 30) * 0xBF58476D1CE4E5B9 & MASK
    drawn = (drawn ^ drawn >> 27) * 0x94D049BB133111EB & MASK
    return drawn ^ drawn >> 31


def by_affinity(task: TaskId, peers: Iterable[str]) -> tuple[str, ...]:
    """The peers, the one most meant for the task first."""
    drawn = crc32(task.encode()) << 32
    return tuple([peer for _, peer in sorted([(-_mixed(drawn | _peer_seed(peer)), peer) for peer in peers])])


def rank(task: TaskId, free_slots: Mapping[str, int]) -> list[str]:
    """The peers, best first: those with free slots before the others, among equals by affinity."""
    return sorted(free_slots, key=lambda peer: (free_slots[peer] <= 0, -affinity(task, peer), peer))
