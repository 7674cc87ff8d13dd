"""A run as data: what the world is like, what goes wrong and when, what clients ask.

Law: whatever decides a run stands here, so that it can be printed, edited, shrunk and played again. Reading is strict:
an unknown name or a value out of bounds is refused with the place where it stands.
"""

import msgspec

PEER_NAMES = "abcdefghi"
MAX_PEERS = len(PEER_NAMES)
MAX_SECONDS = 3_600.0
MAX_FAULTS = 10_000
MAX_OPERATIONS = 200_000


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Strict, comparable, short when printed."""


class Conditions(_Data, frozen=True):
    """What the world is like from the first to the last moment. Pairs are (least, most), drawn evenly between."""

    peers: int = 3
    delay_s: tuple[float, float] = (0.0001, 0.002)
    flush_s: tuple[float, float] = (0.0002, 0.001)
    run_s: tuple[float, float] = (0.001, 0.2)
    turn_s: float = 0.0
    """From the first input that a sleeping process gets until it has seen to it, and to all that came meanwhile."""
    history_flush_s: float = 0.02
    deadline_s: float = 5.0
    """Of every request."""
    drift: float = 0.0
    """By how much, at most, the rate of a clock is off: two differ by twice that."""
    snapshot_entries: int = 400
    keep_entries: int = 100
    pending_ops: int = 6_000
    segment_bytes: int = 65_536
    regions: dict[str, tuple[str, ...]] = {}
    """Peers by region; empty: all in one place."""
    region_delay_s: dict[str, float] = {}
    """One-way delay between two regions, by `from-to` in the order of names."""
    datagrams: bool = False
    """A harsher network than TCP, for experiments: frames are lost, doubled and overtaken one by one."""


class Fault(_Data, frozen=True):
    """`do`: a kind in `faults.KINDS`. `on`, `to`: peers or roles. `for_s`: how long; None: until everything heals.
    `amount`: what the kind asks for, in the unit its documentation names.
    """

    at: float
    do: str
    on: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    for_s: float | None = None
    amount: float | str | None = None


class Leaf(_Data, frozen=True, tag="task"):
    """One task. `run_s`: how long its handler takes; `failures`: how many attempts fail before one succeeds.
    `needs_success`: of all it waits for; otherwise it runs after failures too.
    """

    run_s: float = 0.01
    failures: int = 0
    needs_success: bool = False
    namespace: str = "default"
    priority: int = 0


class InTurn(_Data, frozen=True, tag="in_turn"):
    """Each part waits for the one before."""

    parts: tuple["Flow", ...]


class Together(_Data, frozen=True, tag="together"):
    """All parts at once."""

    parts: tuple["Flow", ...]


Flow = Leaf | InTurn | Together
"""A graph of tasks, described recursively: any part of it is a smaller graph."""


class Operation(_Data, frozen=True):
    """What one client asks. `do`: submit, cancel, retry, read, look (at one task), list. `via`: a peer, or `any`.
    `key`: idempotency key of a submission; of the others, the submission they speak of.
    """

    at: float
    do: str
    via: str = "any"
    key: str = ""
    flow: Flow | None = None


class Load(_Data, frozen=True):
    """Operations drawn from the seed. `rate`: operations per virtual second. `reads`: the share of those that only
    read, from 0 to 1; None: a little less than half.
    """

    rate: float = 20.0
    reads: float | None = None
    until_s: float | None = None


class Scenario(_Data, frozen=True):
    """`seconds`: how long faults and load last; healing and settling come after. `expect`: `ok`, or the name of the
    check that fails (a scenario kept to show a mutant).
    """

    name: str = ""
    seed: int = 0
    seconds: float = 15.0
    conditions: Conditions = Conditions()
    load: Load | None = None
    faults: tuple[Fault, ...] = ()
    operations: tuple[Operation, ...] = ()
    expect: str = "ok"


def peer_names(count: int) -> tuple[str, ...]:
    """a, b, c ..."""
    return tuple(PEER_NAMES[:count])
