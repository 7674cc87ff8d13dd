"""Nothing goes back: not the term, not the commit index, not the state of a peer.

Law: each step of each peer is looked at once, here; other checkers ask what this one saw. So it stands first among
them.
"""

from quorate.consensus.machine import Machine as State
from quorate.consensus.peer import Peer
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation


class Seen:
    """A machine as it was last seen. `*_before`: in the step before, of the same life. `restored`: its state came from
    a snapshot in this step, or from a restart.
    """

    __slots__ = (
        "applied",
        "applied_before",
        "changed",
        "commit",
        "commit_before",
        "life",
        "new_life",
        "peer",
        "restored",
        "role",
        "role_and_term",
        "state",
        "term",
    )

    def __init__(self) -> None:
        self.peer: Peer | None = None
        self.state: State | None = None
        self.life = -1
        self.changed = self.new_life = self.restored = False
        self.role = ""
        self.role_and_term = ("", -1)
        self.term = self.commit = self.commit_before = self.applied = self.applied_before = 0


class Progress:
    name = "never_back"
    looks = Looks.EVERY_STEP

    def __init__(self) -> None:
        self._machines: dict[str, Seen] = {}
        self.now = Seen()
        """Of the machine whose step is looked at."""

    def step(self, machine: Machine) -> None:
        seen = self._machines.get(machine.id)
        if seen is None:
            seen = self._machines[machine.id] = Seen()
        self.now = seen
        commit, applied = machine.seen_commit, machine.seen_index
        same = seen.life == machine.life
        if same and seen.commit == commit and seen.applied == applied and seen.role_and_term == machine.seen:
            seen.changed = seen.new_life = seen.restored = False
            seen.commit_before, seen.applied_before = commit, applied
            return
        seen.new_life = not same
        if not same:
            self._begin(seen, machine)
        self._change(seen, machine)

    @staticmethod
    def _begin(seen: Seen, machine: Machine) -> None:
        """A new process remembers what was durable, and no more."""
        seen.life, seen.peer, seen.role = machine.life, machine.peer, ""
        seen.term = seen.commit = seen.applied = 0

    def _change(self, seen: Seen, machine: Machine) -> None:
        assert machine.peer is not None
        seen.changed, seen.role_and_term = True, machine.seen
        (role, term), commit, applied = machine.seen, machine.seen_commit, machine.seen_index
        if term < seen.term:
            raise Violation(self.name, f"{machine.id} went back from term {seen.term} to {term}")
        if commit < seen.commit:
            raise Violation(self.name, f"{machine.id} went back from commit index {seen.commit} to {commit}")
        if applied < seen.applied:
            raise Violation(self.name, f"{machine.id} went back from the state at {seen.applied} to that at {applied}")
        seen.role, seen.term = role, term
        seen.commit_before, seen.commit = seen.commit, commit
        seen.applied_before, seen.applied = seen.applied, applied
        state = machine.peer.machine
        seen.restored, seen.state = state is not seen.state, state

    def end(self) -> None:
        """Every step has been judged."""
