"""Fault points in a world: counted by name, and a kill armed at one strikes there, once."""

from collections import Counter

import pytest

from quorate.consensus.ports import Create, Remove, Rename, Sync, Write
from quorate.netsim import soak
from quorate.netsim.play import play
from quorate.netsim.points import ALL_POINTS, DISK_POINTS, Killed, WorldPoints


class _World:
    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()


class _Machine:
    id = "b"
    armed: str | None = None


def test_a_point_is_counted_each_time() -> None:
    world = _World()
    points = WorldPoints(world, _Machine())
    points.reach("journal.append")
    points.reach("journal.append")
    assert world.reached == {"journal.append": 2}


def test_an_armed_kill_strikes_at_its_point_and_only_once() -> None:
    machine = _Machine()
    points = WorldPoints(_World(), machine)
    machine.armed = "journal.rotate"
    points.reach("journal.append")
    with pytest.raises(Killed, match=r"b was killed at journal\.rotate"):
        points.reach("journal.rotate")
    points.reach("journal.rotate")
    assert machine.armed is None


def test_no_handler_of_ordinary_errors_survives_a_kill() -> None:
    assert not issubclass(Killed, Exception)


@pytest.mark.parametrize(
    "op",
    [Create("f", 1), Write("f", 0, b"x"), Sync("f"), Rename("f", "g"), Remove("g")],
    ids=lambda op: type(op).__name__,
)
def test_every_operation_of_a_disk_is_a_point(op: Create | Write | Sync | Rename | Remove) -> None:
    world = _World()
    WorldPoints(world, _Machine()).executing(op)
    assert world.reached == {DISK_POINTS[type(op)]: 1}


def test_scenario_files_reach_every_point() -> None:
    """Some are reached only after the state has forgotten what ended, or after a thousand entries: longer than drawn
    runs last.
    """
    reached: Counter[str] = Counter()
    for job in soak.scenarios(0):
        outcome = play(job.drawn())
        assert outcome.violation is None
        reached.update(outcome.report.points)
    assert [point for point in sorted(ALL_POINTS) if not reached[point]] == []
