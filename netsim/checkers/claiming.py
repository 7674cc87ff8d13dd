"""A ready task is claimed: no wake-up is lost.

Law: while a peer that leads or hears a leader, lags nowhere, trusts its session and has a free place sees the same task
ready that it can run, and the cluster commits, the task is claimed by somebody within `WITHIN_S`.
"""

from quorate.consensus.peer import Peer
from quorate.netsim.checkers.checker import Looks
from quorate.netsim.checkers.progress import Progress
from quorate.netsim.machine import Machine
from quorate.netsim.violation import Violation
from quorate.netsim.world import World
from quorate.scheduling.task import State, TaskId

WITHIN_S = 6.0
PAUSE_S = 2.0
"""A peer that has not stepped for so long was frozen."""
HEARD_WITHIN_S = 0.5
"""A leader has heard its majority, a follower its leader, not longer ago."""


class ClaimedInTime:
    name = "claimed_in_time"
    looks = Looks.NOW_AND_THEN

    def __init__(self, world: World, progress: Progress) -> None:
        self._world = world
        self._progress = progress
        self._looked_at: dict[str, float] = {}
        self._since: dict[str, dict[tuple[TaskId, int], float]] = {}
        """By machine: the ready tasks it could have claimed, by task and attempts so far, and since when."""

    def step(self, machine: Machine) -> None:
        now = self._world.now
        late = now - self._looked_at.get(machine.id, now) > PAUSE_S
        self._looked_at[machine.id] = now
        peer = self._progress.now.peer
        if late or peer is None or not self._could_claim(peer):
            self._since.pop(machine.id, None)
            return
        self._judge(machine, peer, now)

    def _could_claim(self, peer: Peer) -> bool:
        if not peer.machine.ready_count:
            return False
        leader = self._world.leader()
        session = peer.machine.sessions.get(peer.id)
        return (
            leader is not None
            and leader.raft.ready_to_serve
            and peer.raft.leader == leader.id
            and all(p.now() - p.raft.leader_contact < HEARD_WITHIN_S for p in (peer, leader))
            and peer.raft.unapplied == 0
            and peer.raft.commit_index + 50 >= leader.raft.commit_index
            and session is not None
            and session.slots > session.running
            and peer.attempts.places > peer.attempts.held
            and peer.proctor.trusted(peer.now())
            and peer.serving
            and peer.history_complete
        )

    def _judge(self, machine: Machine, peer: Peer, now: float) -> None:
        before = self._since.get(machine.id, {})
        session = peer.machine.sessions[peer.id]
        since: dict[tuple[TaskId, int], float] = {}
        for task in peer.machine.ready_head(session.info.handlers, session.slots - session.running):
            sight = (task.id, task.attempt)
            since[sight] = first = before.get(sight, now)
            if now - first > WITHIN_S and task.state is State.READY:
                raise Violation(
                    self.name,
                    f"task {task.id} has been ready for {now - first:.1f} s on {machine.id}, which has a free place "
                    f"for it, and nobody has claimed it",
                )
        self._since[machine.id] = since

    def end(self) -> None:
        """Every task that was ready has been judged; that it ends is asked by `TasksEnd`."""
