"""State Machine Safety (Raft, figure 3): equal states at equal indexes, byte for byte.

Laws:
- The hash a peer keeps is compared at every index it is seen at.
- That hash is kept incrementally and could be wrong everywhere alike: so every so often, right after a restart or an
  installed snapshot, and at the end, it is reckoned anew from the records, and the canonical dumps are compared.
"""

from hashlib import blake2b

import msgspec

from quorate.consensus.machine import Machine as State
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World

DUMP_EVERY = 500
"""Entries between two full comparisons."""
KEPT = 200_000
"""Indexes whose hash is remembered."""
HASH_BYTES = 16
_tables = msgspec.msgpack.Decoder(list[tuple[str, list[msgspec.Raw]]])


def hash_of_records(dump: bytes) -> bytes:
    """What the hash of a state with that dump has to be: the sum of the hashes of its records modulo 2**128."""
    total = 0
    for name, records in _tables.decode(dump):
        for record in records:
            digest = blake2b(record, digest_size=HASH_BYTES, person=name.encode()).digest()
            total += int.from_bytes(digest, "big")
    return (total % (1 << 8 * HASH_BYTES)).to_bytes(HASH_BYTES, "big")


class EqualStates:
    name = "equal_states"
    looks = Looks.CHANGES

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._hashes: dict[int, tuple[bytes, str]] = {}

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        index = now.applied
        if index == now.applied_before or now.peer is None:
            return
        digest = now.peer.machine.state_hash
        first = self._hashes.get(index)
        if first is None:
            self._hashes[index] = (digest, machine.id)
            if len(self._hashes) > KEPT:
                del self._hashes[next(iter(self._hashes))]
        elif first[0] != digest:
            raise Violation(
                self.name,
                f"at index {index} {first[1]} has state {first[0].hex()} and {machine.id} has {digest.hex()}",
            )

    def end(self) -> None:
        """Every index has been judged."""


class FullStates:
    name = "full_states"
    looks = Looks.CHANGES

    def __init__(self, world: World, progress: Progress) -> None:
        self._world = world
        self._progress = progress
        self._dumps: dict[int, tuple[bytes, str]] = {}
        self._next: dict[str, int] = {}

    def step(self, machine: Machine) -> None:
        now = self._progress.now
        if now.applied == now.applied_before or now.peer is None:
            return
        if now.applied < self._next.get(machine.id, 0) and not now.restored:
            return
        self._next[machine.id] = now.applied - now.applied % DUMP_EVERY + DUMP_EVERY
        self._look(machine.id, now.peer.machine)

    def _look(self, peer: str, state: State) -> None:
        dump = state.dump()
        digest = blake2b(dump, digest_size=HASH_BYTES).digest()
        first = self._dumps.setdefault(state.index, (digest, peer))
        if first[0] != digest:
            raise Violation(self.name, f"at index {state.index} the states of {first[1]} and {peer} differ in a record")
        reckoned = hash_of_records(dump)
        if reckoned != state.state_hash:
            raise Violation(
                self.name,
                f"{peer} keeps the hash {state.state_hash.hex()} at index {state.index}; its records have "
                f"{reckoned.hex()}",
            )

    def end(self) -> None:
        for machine in self._world.live():
            assert machine.peer is not None
            self._look(machine.id, machine.peer.machine)
