"""Each kind of fault does what its name says, is over when it is over, and adds up with others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate.consensus.commands import Refused
from quorate.consensus.points import POINTS
from quorate.netsim.clock import SeededEntropy
from quorate.netsim.disk import SECTOR, File, SimDisk
from quorate.netsim.faults.rules import KINDS
from quorate.netsim.network import Connection, Link
from quorate.netsim.play import play
from quorate.netsim.scenario import Conditions, Fault, Load, Scenario
from quorate.netsim.world import World
from tests.netsim.cluster import answered, cluster, has_session, leader_id, others, running, submit

PEERS = {"handover": (), "everybody_kill": (), "everybody_power": (), "rolling": ()}
TO = ("partial", "one_way", "drop", "half_open", "stall", "slow_link", "leftovers")


@pytest.mark.parametrize("do", sorted(KINDS))
def test_a_cluster_survives_each_kind_alone(do: str) -> None:
    """It strikes, is over, and everything ends as it should."""
    amount = "flush.submit" if do in ("kill_at", "power_at") else None
    on, to = PEERS.get(do, ("b",)), ("c",) if do in TO else ()
    fault = Fault(at=2.5, do=do, on=on, to=to, for_s=1.0, amount=amount)
    conditions = Conditions(turn_s=0.001)
    scenario = Scenario(seed=11, seconds=5.0, load=Load(rate=20.0), faults=(fault,), conditions=conditions)
    outcome = play(scenario)
    assert outcome.violation is None
    assert outcome.report.faults == {do: 1}


def test_a_link_cut_twice_is_open_when_both_cuts_are_over() -> None:
    world = cluster()
    link = world.network.links["a", "b"]
    with world.partition("a"):
        with world.partial("a", "b"):
            assert link.blocked == 2
        assert link.blocked == 1
        assert world.network.links["a", "c"].blocked == 1
    assert not any(link.blocked for link in world.network.links.values())


def test_a_peer_kept_down_twice_is_up_when_both_are_over() -> None:
    world = cluster()
    with world.down("a"):
        with world.down("a"):
            assert world.running("a") is None
        world.run(1.0)
        assert world.running("a") is None
    assert world.running("a") is not None


def test_what_heals_everything_ends_what_has_no_end_of_its_own() -> None:
    world = cluster()
    for do in ("partition", "freeze", "clock_jump", "disk_slow", "clock_rate", "slow_link", "stall"):
        assert world.strike(Fault(at=0.0, do=do, on=("a",))) is not None
    world.heal_everything()
    machine = world.machines["a"]
    assert not machine.frozen
    assert (machine.clock.wall_offset_ms, machine.clock.rate, machine.disk.added_s) == (0, 1.0, [])
    links = world.network.links.values()
    assert not any(link.blocked or link.stalled or link.added_s for link in links)


def test_a_partial_cut_leaves_the_third_with_both() -> None:
    world = cluster()
    with world.partial("a", "b"):
        assert {pair for pair, link in world.network.links.items() if link.blocked} == {("a", "b"), ("b", "a")}


def test_a_stalled_link_gives_out_what_it_held_in_order_and_drops_nothing() -> None:
    world = cluster()
    leader = leader_id(world)
    follower = others(world, leader)[0]
    dropped = world.network.dropped_connections
    with world.stalled(leader, follower):
        world.run(3.0)
        link = world.network.links[leader, follower]
        assert link.connection is not None
        assert link.connection.held
    world.run(1.0)
    assert world.network.dropped_connections == dropped


def test_a_half_open_connection_swallows_what_is_sent() -> None:
    """The sender believes in it: nobody tells it otherwise until the end."""
    world = cluster()
    leader = leader_id(world)
    follower = others(world, leader)[0]
    with world.under(Fault(at=0.0, do="half_open", on=(leader,), to=(follower,))):
        world.run(0.01)
        heard = running(world, follower).raft.last_index
        asked = submit(world, leader, held=True)
        world.run(0.3)
        assert answered(world, asked)
        assert running(world, follower).raft.last_index == heard
    assert world.run_until(lambda: running(world, follower).raft.last_index > heard, 5.0)


def test_leftovers_of_an_old_connection_arrive_beside_the_frames_of_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = cluster()
    leader = leader_id(world)
    follower = others(world, leader)[0]
    link = world.network.links[leader, follower]
    old = link.connection
    arrived: list[bool] = []
    deliver = world.network._deliver

    def look_and_deliver(at: Link, by: Connection, frame: bytes) -> None:
        if at is link:
            arrived.append(by is old)
        deliver(at, by, frame)

    monkeypatch.setattr(world.network, "_deliver", look_and_deliver)
    world.strike(Fault(at=0.0, do="leftovers", on=(leader,), to=(follower,), amount=0.5))
    world.run(2.0)
    assert link.connection is not old
    assert True in arrived[arrived.index(False) :], "nothing of the old connection came after the new one was in use"


@pytest.mark.parametrize("point", ["flush.submit", "journal.append", "apply.before", "disk.write", "send.append"])
def test_a_process_dies_at_the_point_it_is_armed_at_and_comes_back(point: str) -> None:
    world = cluster(seed=2)
    victim = leader_id(world)
    world.strike(Fault(at=0.0, do="kill_at", on=(victim,), amount=point))
    submit(world, victim, held=True)
    assert world.run_until(lambda: world.running(victim) is None, 5.0)
    assert world.struck["kill_at"] == 1
    assert world.run_until(lambda: has_session(world, victim), 10.0)
    assert point in POINTS or point.startswith("disk.")


def test_a_peer_short_of_space_refuses_submissions_and_goes_on() -> None:
    world = cluster()
    with world.under(Fault(at=0.0, do="disk_full", on=("a",), amount="floor")):
        asked = submit(world, "a")
        assert answered(world, asked)
        assert isinstance(asked.outcome, Refused)
        assert asked.outcome.reason == "disk_full"
        assert answered(world, submit(world, "b"))
    assert answered(world, submit(world, "a"))


def test_bits_that_rot_are_noticed_and_the_peer_comes_back_with_an_empty_disk() -> None:
    """Never served: it refuses its folder, and an operator gives it another as soon as the others can spare it."""
    refused = 0
    for seed in range(12):
        world = cluster(seed)
        victim = others(world, leader_id(world))[0]
        assert answered(world, submit(world, victim, held=True))
        world.strike(Fault(at=0.0, do="bit_rot", on=(victim,), amount=4.0, for_s=0.2))
        world.run(0.25)
        refused += world.machines[victim].refused_folder is not None
        assert world.run_until(lambda world=world, victim=victim: has_session(world, victim), 20.0)  # type: ignore[misc]
        world.run(2.0)
        assert len({running(world, peer).machine.state_hash for peer in world.ids}) == 1
    assert refused >= 6


def test_a_disk_is_lost_only_while_all_others_run_and_vote() -> None:
    """Otherwise what a majority had flushed would be gone, which no cluster survives."""
    world = cluster()
    with world.down("a"):
        assert world.strike(Fault(at=0.0, do="wipe", on=("b",))) is None
    alone = cluster(peers=1)
    assert alone.strike(Fault(at=0.0, do="wipe", on=("a",))) is None


# --- conditions


def test_frames_between_regions_take_the_distance_longer() -> None:
    """And those within a region do not."""
    regions = {"east": ("a", "b"), "west": ("c",)}
    world = World(1, conditions=Conditions(regions=regions, region_delay_s={"east-west": 0.08}))
    far = {pair for pair, link in world.network.links.items() if link.distance_s == 0.08}
    assert far == {("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")}


def test_a_cluster_survives_a_network_that_loses_doubles_and_overtakes() -> None:
    """It is built for connections that keep order; what it does without is slow, and still true."""
    conditions = Conditions(datagrams=True, delay_s=(0.001, 0.01))
    outcome = play(Scenario(seed=3, seconds=5.0, load=Load(rate=10.0), conditions=conditions))
    assert outcome.violation is None
    assert outcome.report.accepted > 0


def test_a_process_that_takes_its_time_sees_to_all_that_came_meanwhile_in_one_step() -> None:
    def steps(turn_s: float) -> int:
        scenario = Scenario(seed=3, seconds=4.0, load=Load(rate=30.0), conditions=Conditions(turn_s=turn_s))
        return play(scenario).report.checks["never_back"]

    assert steps(0.005) < 0.8 * steps(0.0)


# --- disks


def written(disk: SimDisk) -> File:
    return disk.files["f"]


def disk_with_unsynced(size: int) -> SimDisk:
    """One file, its making durable, with one un-synced write of ones."""
    disk = SimDisk(_now, SeededEntropy("disk"))
    disk.files["f"] = file = File(size)
    file.named = True
    file.write(0, b"\1" * size)
    return disk


def _now(delay_s: float, call: Callable[..., None], *args: Any) -> None:
    call(*args)


def test_power_loss_takes_unsynced_sectors_one_by_one() -> None:
    """Whole sectors, in no order: some of them are there and some are not."""
    disk = disk_with_unsynced(64 * SECTOR)
    disk.lose_power()
    sectors = {bytes(written(disk).data[at : at + SECTOR]) for at in range(0, 64 * SECTOR, SECTOR)}
    assert sectors == {b"\1" * SECTOR, bytes(SECTOR)}


def test_a_torn_write_is_the_last_one_alone() -> None:
    disk = disk_with_unsynced(8 * SECTOR)
    written(disk).data.extend(bytes(8 * SECTOR))
    written(disk).write(8 * SECTOR, b"\2" * (8 * SECTOR))
    disk.tear()
    data = written(disk).data
    assert bytes(data[: 8 * SECTOR]) == b"\1" * (8 * SECTOR)
    assert {bytes(data[at : at + SECTOR]) for at in range(8 * SECTOR, len(data), SECTOR)} == {
        b"\2" * SECTOR,
        bytes(SECTOR),
    }


def test_a_finished_batch_makes_durable_what_it_touched_and_nothing_else() -> None:
    world = World(1)
    disk = world.machines["a"].disk
    world.start("a")
    disk.files["other"] = File(SECTOR)
    disk.files["other"].write(0, b"\1" * SECTOR)
    world.run(1.0)
    assert disk.flushes > 0
    assert disk.files["other"].unsynced


def test_every_kind_is_told_to_who_writes_scenarios() -> None:
    """In the table of docs/testing.md, by the name that stands behind `do:`."""
    guide = (Path(__file__).parents[2] / "docs/testing.md").read_text("utf-8")
    table = guide.split("| `do:` |")[1].split("\n\n")[0]
    assert {kind for kind in KINDS if f"`{kind}`" not in table} == set()
