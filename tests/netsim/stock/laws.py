"""What Raft promises, watched on stock peers, under the names of our checkers.

Law: the first thing broken of each kind is kept, and the run goes on: a table can say all that was broken.
"""

from collections import Counter
from typing import Any

from quorate.netsim.machine import Machine
from quorate.netsim.world import World

Entry = tuple[bytes, int, int]


class Laws:
    def __init__(self, world: World) -> None:
        self._world = world
        self._leaders: dict[int, tuple[str, int]] = {}
        self._committed: dict[int, tuple[int, bytes, int]] = {}
        """Term and command of each committed index, and the term in which that was first said."""
        self._applied: dict[int, int] = {}
        self._seen: dict[tuple[str, int], int] = {}
        self._logs: dict[str, Any] = {}
        """The newest journal of each machine: what stood in it when its process ended stands in its file."""
        self.broken: dict[str, str] = {}
        world.watchers.append(self.step)

    def tell(self, check: str, text: str) -> None:
        self.broken.setdefault(check, f"{self._world.now:.3f} s: {text}")

    def forget(self, peer: str) -> None:
        """Its disk has lost what was not flushed; it is taken to hold everything until it is read again."""
        self._logs.pop(peer, None)

    def step(self, machine: Machine) -> None:
        peer: Any = machine.peer
        if peer is None or not len(peer.journal):
            return
        self._logs[peer.id] = peer.journal
        if peer.role == "leader":
            self._leads(peer, machine.life)
        self._commits(peer, (peer.id, machine.life))

    def _leads(self, peer: Any, life: int) -> None:
        first = self._leaders.get(peer.term)
        if first == (peer.id, life):
            return
        if first is not None:
            self.tell("one_leader", f"{first[0]} and {peer.id} both lead in term {peer.term}")
        self._leaders[peer.term] = (peer.id, life)
        for index, (term, _, said_in) in self._committed.items():
            if said_in < peer.term and not _holds(peer.journal, index, term):
                self.tell("leader_completeness", f"{peer.id} leads in term {peer.term} without entry {index}")
                return

    def _commits(self, peer: Any, life: tuple[str, int]) -> None:
        log, seen = peer.journal, self._seen.get(life, 1)
        upto = min(peer.commit_index, log[-1][1])
        for index in range(max(seen + 1, log[0][1]), upto + 1):
            command, _, term = log[index - log[0][1]]
            known = self._committed.get(index)
            if known is None:
                self._committed[index] = (term, command, peer.term)
                self._majority(index, term)
            elif known[:2] != (term, command):
                self.tell("committed_for_good", f"{peer.id} has committed another entry {index} than was committed")
        self._seen[life] = max(seen, upto)

    def _majority(self, index: int, term: int) -> None:
        logs = [self._logs.get(peer) for peer in self._world.ids]
        held = sum(log is None or _holds(log, index, term) for log in logs)
        if held * 2 <= len(logs):
            self.tell("majority", f"entry {index} is committed and stands on {held} of {len(logs)} disks")

    def log_matching(self) -> None:
        logs = sorted((peer, list(log)) for peer, log in self._logs.items() if len(log))
        for place, (one, mine) in enumerate(logs):
            for other, theirs in logs[place + 1 :]:
                first, last = max(mine[0][1], theirs[0][1]), min(mine[-1][1], theirs[-1][1])
                same = False
                for index in range(last, first - 1, -1):
                    a, b = mine[index - mine[0][1]], theirs[index - theirs[0][1]]
                    same = same or a[2] == b[2]
                    if same and a != b:
                        self.tell("log_matching", f"{one} and {other} differ at {index} below an equal entry")
                        break

    def applied(self, peer: str, index: int, item: int) -> None:
        first = self._applied.setdefault(index, item)
        if first != item:
            self.tell("equal_states", f"{peer} applied {item} at index {index}, another peer {first}")

    def end(self, states: dict[str, list[int]], acknowledged: set[int], refused: set[int]) -> None:
        longest = max(states.values(), key=len)
        for peer, items in states.items():
            if items != longest:
                self.tell("convergence", f"{peer} has {len(items)} of {len(longest)} commands")
        counts = Counter(longest)
        lost = sorted(item for item in acknowledged if not counts[item])
        twice = sorted(item for item, count in counts.items() if count > 1)
        wrong = sorted(item for item in refused if counts[item])
        if lost:
            self.tell("acknowledged_lost", f"{len(lost)} of {len(acknowledged)} acknowledged commands are gone")
        if twice:
            self.tell("applied_twice", f"command {twice[0]} was applied {counts[twice[0]]} times")
        if wrong:
            self.tell("refused_applied", f"command {wrong[0]}, told as surely not applied, was applied")


def _holds(log: Any, index: int, term: int) -> bool:
    if not len(log) or index > log[-1][1]:
        return False
    return bool(index < log[0][1] or log[index - log[0][1]][2] == term)
