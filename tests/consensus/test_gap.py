"""A peer's history is complete only when every row is there: nobody answers for rows that he has not got himself."""

from typing import cast

import msgspec

from quorate.consensus.frames import AskHistory, HistoryRows, Message
from quorate.consensus.gap import HistoryGap
from quorate.consensus.machine import Machine
from quorate.consensus.machine.moves import stub_of
from quorate.consensus.machine.records import Ended
from quorate.consensus.points import UNWATCHED
from quorate.consensus.ports import PeerId, Ports
from quorate.consensus.raft import Raft
from quorate.consensus.reactor import Reactor
from quorate.consensus.settings import PeerSettings
from quorate.netsim.history import SimHistory
from quorate.scheduling.task import State, Task, TaskId


class _Ports:
    def __init__(self) -> None:
        self.history = SimHistory(lambda _delay_s, _call: None)
        self.points = UNWATCHED


class _State:
    def __init__(self, ends: int, stubs: list[int]) -> None:
        self.end_seq = ends
        self.ended: dict[TaskId, Ended] = {TaskId(f"t{end}"): stub_of(row(end), end, 0) for end in stubs}


class _Raft:
    leader = "b"

    def connected_peers(self) -> list[PeerId]:
        return ["b"]


class Member:
    """What a gap needs of its peer, and what it sent."""

    def __init__(self, *, ends: int, rows: int, stubs: list[int]) -> None:
        self.settings = PeerSettings(me="a", voters=("a", "b", "c"), cluster="t")
        self.ports = cast(Ports, _Ports())
        self.machine = cast(Machine, _State(ends, stubs))
        self.raft = cast(Raft, _Raft())
        self.reactor = Reactor(10)
        self.sent: list[Message] = []
        self.ports.history.fill([row(end) for end in range(1, rows + 1)])
        self.gap = HistoryGap(self)

    def find(self, task: TaskId) -> Task | None:
        return self.ports.history.find(task)

    def now(self) -> float:
        return 0.0

    def send(self, _to: PeerId, message: Message) -> bool:
        self.sent.append(message)
        return True


def row(end: int) -> Task:
    return Task(
        TaskId(f"t{end}"), end, "h", b"{}", "n", "q", 0, "", b"", 0, 0, 0, (), False, None, None, "", "", 1,
        State.SUCCEEDED, end_seq=end, result=b"1",
    )  # fmt: skip


def test_stubs_fill_only_what_follows_without_a_hole() -> None:
    """A stub that its dependants kept says nothing of the ends after it: those are asked for."""
    member = Member(ends=20, rows=10, stubs=[11, 18, 19, 20])
    assert not member.gap.closed
    member.gap.step(0.0)
    assert member.sent == [AskHistory(11, 20)]


def test_stubs_that_follow_what_is_here_close_the_gap() -> None:
    """After a restart the state itself still has what was not yet on the disk."""
    member = Member(ends=13, rows=10, stubs=[11, 12, 13])
    assert member.gap.closed
    assert member.ports.history.last_end() == 13


def test_a_peer_that_lags_answers_only_for_what_it_has_seen_end() -> None:
    """Otherwise the asker would take rows that are still to come there for rows that were pruned."""
    lagging = Member(ends=15, rows=15, stubs=[])
    lagging.gap.asked("b", AskHistory(10, 20))
    told = lagging.sent[0]
    assert isinstance(told, HistoryRows)
    assert told.upto_end == 15
    assert [msgspec.msgpack.decode(data, type=Task).end_seq for data in told.rows] == [11, 12, 13, 14, 15]
    lagging.gap.asked("b", AskHistory(15, 20))
    assert lagging.sent[1:] == []


def test_who_waits_for_a_task_whose_end_came_with_the_gap_is_told() -> None:
    """Neither an event nor a stub spoke of it here: its row is the only word."""
    member = Member(ends=20, rows=10, stubs=[])
    woken: list[Task] = []
    member.reactor.wait(TaskId("t15"), woken.append)
    rows = [msgspec.msgpack.encode(row(end)) for end in range(11, 21)]
    member.gap.told("b", HistoryRows(rows, 20))
    assert [task.id for task in woken] == ["t15"]
    assert member.gap.closed
