"""Which faults come when: drawn from the seed, as data.

Law: the same seed, peers, seconds and kinds give the same schedule on every machine. At most one fault at a time hits
processes or disks and one the network, so that both kinds meet; roles are resolved when a fault strikes.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from quorate.netsim.scenario import Fault

FAMILIES: dict[str, tuple[str, ...]] = {
    "kill": ("kill",),
    "freeze": ("freeze",),
    "partition": ("partition", "one_way", "partial"),
    "slow": ("slow_link", "narrow"),
    "drop": ("drop",),
    "disk": ("disk_full", "wipe", "damage"),
}
"""What `--faults` names -> the kinds of faults it means, called as in the virtual world where they are the same."""
OF_LINKS = ("partition", "slow", "drop")
"""Families that strike the network."""

EXPLAINED: dict[str, str] = {
    "kill": "kill -9 of one peer, a majority, or all at once; started again after a while",
    "freeze": "SIGSTOP and SIGCONT; sometimes for longer than a session lives",
    "partition": "one peer cut off from all others, held in silence or refused",
    "one_way": "what one peer sends is lost, what it is sent arrives",
    "partial": "two peers cut off from each other, both still reach the rest",
    "slow_link": "everything between one peer and the others arrives late",
    "narrow": "little passes between one peer and the others",
    "drop": "every connection of one peer breaks once",
    "disk_full": "no file of one peer may grow any more (RLIMIT_FSIZE); the peer ends, and is started again",
    "wipe": "the folder of one peer is gone while it is down and all others are up",
    "damage": "one byte of a stopped peer's log changes: it must refuse to start; the byte is put back",
}

CALM_S = (0.3, 2.0)
"""Between two faults of the same lane."""
OFTEN = frozenset(("kill", "freeze"))
"""Twice as often as the others."""
FIRST_AT_S = 1.0
LAST_BEFORE_END_S = 0.5


def plan(seed: int, peers: Sequence[str], seconds: float, families: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of a run, in order of time."""
    of_links = [family for family in families if family in OF_LINKS]
    of_peers = [family for family in families if family not in OF_LINKS]
    lanes = [_lane(seed, name, peers, seconds, lane) for name, lane in (("peers", of_peers), ("links", of_links))]
    return tuple(sorted(itertools.chain(*lanes), key=lambda fault: fault.at))


def _lane(seed: int, name: str, peers: Sequence[str], seconds: float, families: Sequence[str]) -> Iterator[Fault]:
    chance = random.Random(f"live {name} {seed}")
    kinds = [kind for family in FAMILIES if family in families for kind in FAMILIES[family]]
    bag: list[str] = []
    at = FIRST_AT_S
    while kinds:
        at += chance.uniform(*CALM_S)
        if not bag:  # each kind before any comes again, so that a short run meets all it can
            bag = [*kinds, *(kind for kind in kinds if kind in OFTEN)]
            chance.shuffle(bag)
        fault = _DRAWN[bag.pop()](chance, tuple(peers), round(at, 3))
        if fault.at + (fault.for_s or 0.0) > seconds - LAST_BEFORE_END_S:
            return
        yield fault
        at += fault.for_s or 0.0


Drawn = Callable[[random.Random, tuple[str, ...], float], Fault]


def _kill(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    majority = len(peers) // 2 + 1
    on = chance.choice([("leader",), ("leader",), _some(chance, peers, 1), _some(chance, peers, majority), ("all",)])
    return Fault(at=at, do="kill", on=on, for_s=_seconds(chance, 0.1, 2.5))


def _freeze(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    on = chance.choice([("leader",), _some(chance, peers, 1)])
    # Two in three are shorter than a session's 5 s, one is longer: its holder wakes up as a stale one.
    longest_s = chance.choice([1.5, 4.0, 8.0])
    return Fault(at=at, do="freeze", on=on, for_s=_seconds(chance, longest_s / 2, longest_s))


def _partition(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    on = chance.choice([("leader",), _some(chance, peers, 1)])
    how = chance.choice(["hold", "hold", "reset"])
    return Fault(at=at, do="partition", on=on, to=("others",), for_s=_seconds(chance, 0.5, 6.0), amount=how)


def _one_way(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    on = chance.choice([("leader",), _some(chance, peers, 1)])
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(on, ("others",)), (("others",), on)]
    source, target = chance.choice(ways)
    return Fault(at=at, do="one_way", on=source, to=target, for_s=_seconds(chance, 0.5, 5.0))


def _partial(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    one, other = chance.sample(peers, 2)
    return Fault(at=at, do="partial", on=(one,), to=(other,), for_s=_seconds(chance, 1.0, 6.0), amount="hold")


def _slow_link(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    on = chance.choice([("leader",), _some(chance, peers, 1)])
    delay_s = _seconds(chance, 0.02, 0.4)
    return Fault(at=at, do="slow_link", on=on, to=("others",), for_s=_seconds(chance, 1.0, 4.0), amount=delay_s)


def _narrow(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    bytes_per_s = float(chance.choice([2_000, 8_000, 32_000]))
    on = _some(chance, peers, 1)
    return Fault(at=at, do="narrow", on=on, to=("others",), for_s=_seconds(chance, 1.0, 4.0), amount=bytes_per_s)


def _drop(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
    return Fault(at=at, do="drop", on=chance.choice([("leader",), _some(chance, peers, 1)]), to=("others",))


def _of_disk(kind: str, for_s: float) -> Drawn:
    def drawn(chance: random.Random, peers: tuple[str, ...], at: float) -> Fault:
        amount = float(chance.randrange(1 << 30))  # where the damage lies, and how far a full disk was from full
        return Fault(at=at, do=kind, on=_some(chance, peers, 1), for_s=for_s, amount=amount)

    return drawn


def _some(chance: random.Random, peers: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(sorted(chance.sample(peers, count)))


def _seconds(chance: random.Random, least: float, most: float) -> float:
    return round(chance.uniform(least, most), 3)


_DRAWN: dict[str, Drawn] = {
    "kill": _kill,
    "freeze": _freeze,
    "partition": _partition,
    "one_way": _one_way,
    "partial": _partial,
    "slow_link": _slow_link,
    "narrow": _narrow,
    "drop": _drop,
    "disk_full": _of_disk("disk_full", 3.0),
    "wipe": _of_disk("wipe", 2.0),
    "damage": _of_disk("damage", 3.0),
}
