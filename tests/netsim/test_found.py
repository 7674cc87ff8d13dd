"""Mistakes of our own that seeds of the simulator found, each kept as the moment that shows it."""

import pytest

from quorate.consensus import divergence
from quorate.consensus.attempts import Attempts
from quorate.consensus.commands import Command, Done, SessionInfo
from quorate.consensus.events import Event, TaskEvent
from quorate.consensus.machine import Machine
from quorate.consensus.ports import Ports
from quorate.consensus.proctor import Proctor
from quorate.consensus.proposer import Proposer, Reply
from quorate.consensus.settings import PeerSettings
from quorate.netsim.network import Port
from quorate.netsim.world import World
from quorate.scheduling.task import Attempt, Succeeded, Task, TaskId
from tests.consensus.machine.log import Log, id_of, new
from tests.netsim.cluster import answered, cluster, ended_everywhere, leader_id, others, running, submit


def test_a_wiped_peer_is_never_given_the_answers_of_its_earlier_life() -> None:
    """It has forgotten how often it lived and under which numbers; the state has not."""
    world = cluster(seed=20)
    wiped = others(world, leader_id(world))[0]
    earlier = running(world, wiped).proposer.incarnation
    before = [submit(world, wiped, held=True) for _ in range(30)]
    assert world.run_until(lambda: all(asked.answered for asked in before), 10.0)
    world.wipe(wiped)
    peer = world.start(wiped)
    assert peer.proposer.incarnation > earlier
    after = [submit(world, wiped, held=True) for _ in range(30)]
    assert world.run_until(lambda: all(asked.answered for asked in after), 10.0)
    assert not {asked.task for asked in before} & {asked.task for asked in after}


def test_peers_that_start_from_snapshots_report_no_hash_of_a_mark_they_have_not_crossed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would tell another state's hash for the same mark, and equal peers would quarantine each other."""
    monkeypatch.setattr(divergence, "EVERY", 40)
    world = World(21)
    world.settings_of = lambda peer: PeerSettings(me=peer, voters=world.ids, cluster="sim", snapshot_entries=15)
    for peer in world.ids:
        world.start(peer)
    for turn in range(6):
        world.run(4.0)
        world.kill(world.ids[turn % 3])
        world.run(1.5)
        world.start(world.ids[turn % 3])
    world.run(10.0)
    assert all(running(world, peer).divergence.latest[0] >= 40 for peer in world.ids), "no mark was crossed"
    assert [running(world, peer).divergence.quarantined for peer in world.ids] == ["", "", ""]


def test_a_task_is_running_when_its_submission_is_answered_on_an_idle_cluster() -> None:
    """The claim that travels with a submission stays behind it: two commits from request to result, not three."""
    world = cluster(seed=22)
    for peer_id in world.ids:
        asked = submit(world, peer_id)
        assert world.run_until(asked.is_answered, 5.0)
        assert running(world, peer_id).attempts.held == 1, f"{peer_id} was told of its task before it had claimed it"
        world.run(2.0)


def test_a_repetition_answered_from_history_tells_an_index_at_which_the_task_is_there() -> None:
    """After a restart the state begins at a snapshot, and history knows what has ended since: an answer out of it
    reflects more than the state does.
    """
    world = cluster(seed=24, peers=1)
    first = submit(world, "a", key="k", digest=b"d" * 16)
    assert answered(world, first)
    assert world.run_until(ended_everywhere(world, first.task), 10.0)
    world.run(1.0)
    world.kill("a")
    world.start("a")
    assert running(world, "a").find(first.task) is not None, "only history answers here, and it does not"
    again = submit(world, "a", key="k", digest=b"d" * 16)
    assert answered(world, again)
    assert again.task == first.task
    assert again.index >= first.index > 0


class Started:
    """`ports.Work` that only remembers."""

    def __init__(self) -> None:
        self.tasks: list[TaskId] = []

    def start(self, attempt: Attempt) -> None:
        self.tasks.append(attempt.task)

    def cancel(self, task: TaskId, fence: int) -> None:
        raise AssertionError(f"task {task} was taken away from fence {fence}")

    def lose(self) -> None:
        raise AssertionError("the session was never in doubt")


class Surroundings:
    """Of the attempts of peer a, incarnation 1, with a trusted session."""

    serving = True
    history_complete = True

    def __init__(self, machine: Machine, settings: PeerSettings, ports: Ports) -> None:
        self.machine = machine
        self.ports = ports
        self.proposer = Proposer("a", 1, 100)
        self.proctor = Proctor(settings, 1, self._opened, self._lost)
        self.proctor.describe(SessionInfo("", 10, ("h",)))
        self.proctor.step(self.now())

    def now(self) -> float:
        return 1.0

    def find(self, task: TaskId) -> Task | None:
        return self.machine.tasks.get(task)

    def _lost(self) -> None:
        raise AssertionError("the session was never in doubt")

    def _opened(self, _command: Command, _deadline: float, reply: Reply) -> None:
        reply(Done(), 1)


def test_an_attempt_granted_inside_a_snapshot_is_started_though_another_completion_is_on_its_way() -> None:
    """Completions are remembered one by one: what is being reported is not started again, everything else is."""
    log = Log()
    log.open()
    log.submit(new(1), new(2))
    fence = log.claim(1)
    log.claim(2)
    world, work = World(23), Started()
    settings = PeerSettings(me="a", voters=world.ids, cluster="sim")
    ports = Ports(
        clock=world.machines["a"].clock,
        entropy=world.stream("a"),
        network=Port(world.network, "a"),
        disk=world.machines["a"].disk,
        work=work,
        history=world.machines["a"].history,
    )
    attempts = Attempts(settings, ports, 1, Surroundings(log.machine, settings, ports))
    attempts.follow([event for change in log.changes for event in change.events if _starts(event, id_of(1))])
    attempts.ended(id_of(1), fence, Succeeded(b"1"))
    attempts.compare(log.machine)
    assert work.tasks == [id_of(1), id_of(2)]


def _starts(event: Event, task: TaskId) -> bool:
    return isinstance(event, TaskEvent) and (event.kind, event.task) == ("running", task)
