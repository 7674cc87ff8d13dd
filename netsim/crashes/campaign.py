"""Many crash states, flipped bits and truncations on one peer of three, and what became of them.

Laws:
- Each draw has a stream of its own, named by its number: the failure text is enough to repeat it.
- Every crash state keeps what was flushed, is never refused, and opens into the cluster's own state.
- All damage is one of: refused by name; without effect on anything promised; noticed and made good by what else is in
  the folder.
- A part of both goes back into the running cluster, and everybody becomes equal again.
"""

from collections.abc import Callable

import msgspec

from quorate.consensus.ports import PeerId
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.crashes.damage import Damaged, flip, truncate
from quorate.netsim.crashes.disk import Moment, crash, shares
from quorate.netsim.crashes.folder import Folder
from quorate.netsim.crashes.opening import CHECK, REFUSALS, Found, find, kept, kept_of_log, open_peer, open_whole
from quorate.netsim.crashes.recording import Recording
from quorate.netsim.violation import Violation

STATES_OF_A_RECORDING = 1_000
TROUBLES = 10
CLUSTER_SHARE = 50
"""For so many damaged folders one more is given to a peer of the running cluster."""
KILLED = 0.2
"""Share of the crash states of a killed process, without a loss of power."""
STOPPED = 0.5
"""Share of the damage done after everything was flushed."""


_Draw = Callable[[SeededEntropy], None]
_Strike = Callable[[dict[str, bytes], SeededEntropy], Damaged]


class Damage(msgspec.Struct):
    """How often damage of one kind ended in which way."""

    refused: int = 0
    without_effect: int = 0
    made_good: int = 0
    """Noticed, and what else is in the folder stands for it."""
    repaired: int = 0
    """Damage done to a peer of a running cluster, which became equal again."""


class Table(msgspec.Struct):
    states: int = 0
    of_kills: int = 0
    with_open_promises: int = 0
    """Something of the batch in flight was there."""
    starts: int = 0
    """In running clusters, each after a crash of its own, measured the same way and caught up."""
    flips: Damage = msgspec.field(default_factory=Damage)
    truncations: Damage = msgspec.field(default_factory=Damage)

    def lines(self) -> list[str]:
        told = [
            f"crash states {self.states} (kills {self.of_kills}), unflushed found in {self.with_open_promises}, lost 0",
            f"crashes in running clusters {self.starts}, each start found what was flushed, all replicas equal",
        ]
        for name, damage in (("flipped bits", self.flips), ("truncations", self.truncations)):
            total = damage.refused + damage.without_effect + damage.made_good
            told.append(
                f"{name} {total}: refused by name {damage.refused}, without effect {damage.without_effect}, "
                f"noticed and made good {damage.made_good}, unnoticed 0; "
                f"{damage.repaired} more in running clusters, all repaired"
            )
        return told


def campaign(states: int, flips: int, truncations: int, seed: int) -> Table:
    """Raises Violation at the first that breaks a law, with what repeats it."""
    table = Table()
    recordings = max(1, -(-states // STATES_OF_A_RECORDING))
    for number in range(recordings):
        recording = Recording(seed * 1_000 + number)
        recording.run(TROUBLES)
        _Round(recording, table, seed * 1_000 + number).run(
            *(_part(whole, number, recordings) for whole in (states, flips, truncations))
        )
        table.starts += recording.starts
    return table


def _part(whole: int, number: int, parts: int) -> int:
    return whole * (number + 1) // parts - whole * number // parts


class _Round:
    """What is drawn from one recording."""

    def __init__(self, recording: Recording, table: Table, seed: int) -> None:
        self._recording = recording
        self._table = table
        self._seed = seed
        self._moments = recording.moments()
        self._busy = [(peer, moment) for peer, moment in self._moments if len(moment.ops) > 1]

    def run(self, states: int, flips: int, truncations: int) -> None:
        for number in range(states):
            self._named(f"state {number}", self._state)
        for number in range(flips):
            self._named(f"flip {number}", self._flip)
        for number in range(truncations):
            self._named(f"truncation {number}", self._truncation)
        for number in range(flips // CLUSTER_SHARE):
            self._named(f"flip {number} in the cluster", self._flip_in_cluster)
        for number in range(truncations // CLUSTER_SHARE):
            self._named(f"truncation {number} in the cluster", self._truncation_in_cluster)

    def _named(self, name: str, draw: _Draw) -> None:
        try:
            draw(SeededEntropy(f"{self._seed} {name}"))
        except (Violation, *REFUSALS) as error:
            raise Violation(CHECK, f"recording {self._seed}, {name}: {error}") from error

    def _moment(self, chance: SeededEntropy) -> tuple[PeerId, Moment]:
        """Most batches are one write; the others (starts, rotations, snapshots, removals) are drawn as often."""
        moments = self._busy if chance.share(0.5) else self._moments
        return moments[chance.below(len(moments))]

    # --- crash states

    def _state(self, chance: SeededEntropy) -> None:
        peer, moment = self._moment(chance)
        files, by_kill = _after_crash(moment, chance)
        number = self._measure(peer, moment, files)
        self._table.states += 1
        self._table.of_kills += by_kill
        self._table.with_open_promises += number > 0

    def _measure(self, peer: PeerId, moment: Moment, files: dict[str, bytes]) -> int:
        settings = self._recording.world.settings_of(peer)
        found = find(files, settings)
        number = kept(found, moment.log, moment.open_promises, moment.folder.durable())
        if number is None:
            raise Violation(CHECK, f"{peer} does not find what it has flushed: {_told(found)}")
        open_whole(files, settings, found, self._recording.hashes)
        return number

    # --- damage

    def _flip(self, chance: SeededEntropy) -> None:
        self._damage(chance, self._table.flips, flip)

    def _truncation(self, chance: SeededEntropy) -> None:
        self._damage(chance, self._table.truncations, truncate)

    def _damage(self, chance: SeededEntropy, counts: Damage, strike: _Strike) -> None:
        peer, moment = self._moment(chance)
        files = _stopped(moment) if chance.share(STOPPED) else _after_crash(moment, chance)[0]
        if not any(files.values()):
            files = _stopped(moment)
        damaged = strike(files, chance)
        settings = self._recording.world.settings_of(peer)
        before = find(files, settings)
        try:
            after = find(damaged.files, settings)
            _, _, recovery = open_peer(damaged.files, settings)
        except REFUSALS:
            counts.refused += 1
            return
        if after == before:
            counts.without_effect += 1
            open_whole(damaged.files, settings, after, self._recording.hashes)
        elif after.same_promises(before):
            if after.snapshot == before.snapshot:
                counts.without_effect += 1  # older entries that the snapshot covers are gone, as after compaction
            elif recovery.noticed:
                counts.made_good += 1
            else:
                raise Violation(CHECK, f"{damaged.where}: made good, and nobody is told")
            open_whole(damaged.files, settings, after, self._recording.hashes)
        else:
            self._shorter(damaged, moment, after, counts)

    def _shorter(self, damaged: Damaged, moment: Moment, after: Found, counts: Damage) -> None:
        """Fewer promises than before the damage are found."""
        if kept_of_log(after, moment.log, moment.open_promises) is not None:
            counts.without_effect += 1  # nobody was told of what is missing
            return
        raise Violation(CHECK, f"{damaged.where}: unnoticed, found {_told(after)}")

    # --- back into the cluster

    def _flip_in_cluster(self, chance: SeededEntropy) -> None:
        self._go_back(chance, self._table.flips, flip)

    def _truncation_in_cluster(self, chance: SeededEntropy) -> None:
        self._go_back(chance, self._table.truncations, truncate)

    def _go_back(self, chance: SeededEntropy, counts: Damage, strike: _Strike) -> None:
        recording = self._recording
        peer = recording.world.ids[chance.below(len(recording.world.ids))]
        damaged = strike(recording.own_files(peer), chance)
        recording.open_on(peer, damaged.files)
        counts.repaired += 1


def _after_crash(moment: Moment, chance: SeededEntropy) -> tuple[dict[str, bytes], bool]:
    folder = moment.folder.copy()
    crash(folder, moment.ops, chance)
    if chance.share(KILLED):
        return folder.visible(), True
    keep, keep_names = shares(chance)
    return folder.lose_power(chance, keep, keep_names), False


def _stopped(moment: Moment) -> dict[str, bytes]:
    folder: Folder = moment.folder.copy()
    folder.execute(moment.ops)
    folder.finish_batch()
    return folder.visible()


def _told(found: Found) -> str:
    last = found.entries[-1][1] if found.entries else found.base[0]
    return f"term {found.term}, vote {found.vote}, entries {found.base[0] + 1} to {last}, snapshot {found.snapshot[0]}"
