"""Seeded random runs: whatever Raft promises holds while everything goes wrong, and the cluster recovers afterwards.

Checked while it runs (lab.py): one leader per term, the same entry at the same index on every peer, nothing applied
twice or out of order. Checked after healing: everybody holds the same, all that was acknowledged among it, and
something new goes through.
"""

import random

import pytest

from tests.consensus.raft.chaos import Chaos
from tests.consensus.raft.lab import World

NETWORK = ("kill", "drop", "isolate", "one_way", "slow_net", "transfer")
DISKS = ("kill", "power", "blackout", "compact", "slow_disk", "drop")
EVERYTHING = (*NETWORK, *DISKS, "wipe")


def run(seed: int, faults: tuple[str, ...], peers: int, seconds: float = 40.0) -> World:
    rng = random.Random(f"profile {seed}")
    world = World(seed, peers).start()
    chaos = Chaos(world, faults=faults, every_s=rng.choice((0.3, 0.7, 1.5)), client_s=rng.choice((0.1, 0.3)))
    world.run(seconds)
    chaos.converge()
    assert sum(chaos.done.values()) > 4
    return world


@pytest.mark.parametrize("seed", range(4))
def test_promises_hold_on_a_bad_network(seed: int) -> None:
    assert len(run(seed, NETWORK, 3).acked) > 20


@pytest.mark.parametrize("seed", range(10, 15))
def test_promises_hold_when_disks_lose_what_was_not_flushed(seed: int) -> None:
    assert len(run(seed, DISKS, 3).acked) > 20


@pytest.mark.parametrize("seed", range(20, 25))
def test_promises_hold_when_everything_goes_wrong_and_disks_are_lost(seed: int) -> None:
    assert len(run(seed, EVERYTHING, 3).acked) > 20


@pytest.mark.parametrize("seed", range(30, 32))
def test_promises_hold_for_five_peers(seed: int) -> None:
    assert len(run(seed, EVERYTHING, 5, 25.0).acked) > 20


def test_a_run_is_a_function_of_its_seed() -> None:
    one, other = run(3, EVERYTHING, 3, 15.0), run(3, EVERYTHING, 3, 15.0)
    assert one.committed == other.committed
    assert one.leaders == other.leaders
    assert one.now == other.now


def test_all_peers_killed_at_once_again_and_again_lose_nothing() -> None:
    world = World(7).start()
    for _ in range(12):
        world.settle()
        for number in range(20):
            world.propose(b"%d at %f" % (number, world.now))
            world.run(0.004)
        for peer in world.voters:
            world.kill(peer, power=True)
        for peer in world.voters:
            world.restart(peer)
    world.settle()
    world.run(2.0)
    assert len(world.acked) > 100
    world.check_all()


def test_a_leader_is_replaced_within_two_seconds_of_its_death() -> None:
    for seed in range(10):
        world = World(seed).start()
        leader = world.settle()
        world.run(0.5)
        world.kill(leader.peer)
        died = world.now
        world.settle(10.0)
        assert world.now - died < 2.0, f"seed {seed}"
