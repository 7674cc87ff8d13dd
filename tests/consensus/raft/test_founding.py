"""Who may vote: founding, lost disks, foreign folders."""

import pytest

from quorate.consensus.frames import Heard, Hello, PreVote, PreVoteReply, RequestVote, Vote
from quorate.consensus.raft import ForeignFolder, Raft
from quorate.consensus.raft.identity import read_identity
from tests.consensus.raft.lab import World
from tests.consensus.raft.lab_disk import LabDisk
from tests.consensus.raft.solo import Solo


def test_empty_folders_found_only_when_every_listed_peer_has_answered() -> None:
    world = World(1)
    world.start("a", "b")
    world.run(20.0)
    assert [node.r.founded for node in world.up()] == [False, False]
    assert [node.r.role for node in world.up()] == ["learner", "learner"]
    world.nodes["c"].start()
    for peer in "ab":
        world._reconnect(peer, "c")
    world.settle()
    assert len({node.r.hello().founding for node in world.up()}) == 1


def test_nobody_founds_on_claims_that_differ() -> None:
    """Whoever heard another disk of somebody may have founded, or may yet found, with that one."""
    solo = Solo()
    disks = {"a": solo.raft.disk_id, "b": "disk of b", "c": "disk of c"}
    for peer, heard in (("b", {**disks, "c": "an older disk of c"}), ("c", disks)):
        assert solo.raft.on_hello(Hello(1, "lab", "", peer, disks[peer], 1, heard, 0)) is None
        solo.raft.connected(peer)
    solo.settle()
    assert solo.raft.hello().founding == ""
    solo.deliver("b", Heard("", "disk of b", disks))
    solo.settle()
    assert solo.raft.hello().founding != ""
    assert solo.raft.config.disks == disks


def test_an_unfounded_peer_joins_the_founding_that_names_its_disk_as_a_voter() -> None:
    solo = Solo()
    disks = {"a": solo.raft.disk_id, "b": "disk of b", "c": "disk of c"}
    assert solo.raft.on_hello(Hello(1, "lab", "founding", "b", "disk of b", 1, disks, 0)) is None
    solo.settle()
    assert (solo.raft.role, solo.raft.hello().founding) == ("follower", "founding")


def test_found_at_the_operators_word_needs_only_a_majority_and_the_rest_learn_first() -> None:
    world = World(2)
    world.nodes["a"].found = True
    world.start("a", "b")
    leader = world.settle()
    assert set(leader.r.config.disks) == {"a", "b"}
    world.propose(b"before c")
    world.nodes["c"].start()
    for peer in "ab":
        world._reconnect(peer, "c")
    world.until(lambda: world.nodes["c"].r.is_voter("c"), 10.0)
    world.run(1.0)
    assert [entry for _, _, entry in world.nodes["c"].toy.items] == [b"before c"]


def test_found_at_the_operators_word_never_founds_alone_of_three() -> None:
    world = World(3)
    world.nodes["a"].found = True
    world.start("a")
    world.run(30.0)
    assert not world.nodes["a"].r.founded


def test_one_peer_alone_founds_and_leads_at_once() -> None:
    world = World(4, peers=1).start()
    world.settle(0.1)
    assert world.propose(b"x")
    world.run(0.1)
    assert world.acked == {b"x": 3}


def test_a_wiped_peer_neither_votes_nor_counts_until_the_others_have_committed_its_new_disk() -> None:
    world = World(5).start()
    leader = world.settle()
    lost, third = (peer for peer in world.voters if peer != leader.peer)
    world.run(1.0)
    world.wipe(lost)
    world.kill(third)
    world.restart(lost)
    world.run(10.0)
    assert world.nodes[lost].r.role == "learner"
    assert world.leader() is None, "one disk that remembers and one that does not are no majority"
    asked = world.nodes[lost].r
    asked.receive(leader.peer, RequestVote(99, 10_000, 98))
    assert asked.term < 99 or asked._p.core.log.vote is None
    world.restart(third)
    world.until(lambda: world.nodes[lost].r.role == "follower", 20.0, "it votes again")
    config = world.settle().r.config
    assert config.disks[lost] == world.nodes[lost].r.disk_id
    world.check_all()


def test_a_returned_learner_remembers_that_it_votes_again() -> None:
    world = World(6).start()
    leader = world.settle()
    lost = next(peer for peer in world.voters if peer != leader.peer)
    world.wipe(lost)
    world.restart(lost)
    world.until(lambda: world.nodes[lost].r.role == "follower", 20.0)
    world.run(0.5)
    for peer in world.voters:
        world.kill(peer)
    world.restart(leader.peer)
    world.restart(lost)
    world.settle()
    assert world.nodes[lost].recovery.kind == "restarted"


def test_a_learner_grants_no_votes_and_asks_for_none() -> None:
    solo = Solo()
    disks = {"a": "an older disk of a", "b": "disk of b", "c": "disk of c"}
    for peer in "bc":
        assert solo.raft.on_hello(Hello(1, "lab", "founding", peer, disks[peer], 1, disks, 0)) is None
        solo.raft.connected(peer)
    solo.settle()
    assert (solo.raft.role, solo.raft.founded) == ("learner", True)
    solo.deliver("b", PreVote(5, 10, 4))
    solo.deliver("b", RequestVote(5, 10, 4))
    solo.settle()
    assert [reply.granted for reply in solo.take(PreVoteReply)] == [False]
    assert [reply.granted for reply in solo.take(Vote)] == [False]
    solo.now += 60.0
    solo.settle()
    assert solo.all(PreVote) == []


def test_votes_from_another_disk_of_a_voter_are_not_counted() -> None:
    solo = Solo().founded()
    disks = solo.raft.config.disks
    hello = Hello(1, "lab", solo.raft.hello().founding, "b", "another disk", 1, disks, 0)
    assert solo.raft.on_hello(hello) is None
    solo.now += 5.0
    solo.step()
    asked = solo.take(PreVote)[-1].term
    solo.deliver("b", PreVoteReply(asked, granted=True, term=0))
    solo.settle()
    assert solo.all(RequestVote) == []
    solo.deliver("c", PreVoteReply(asked, granted=True, term=0))
    solo.settle()
    solo.deliver("b", Vote(asked, granted=True))
    assert solo.raft.role == "candidate"


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (Hello(2, "lab", "", "b", "d", 1, {}, 0), "protocol 2"),
        (Hello(1, "prod", "", "b", "d", 1, {}, 0), "cluster 'prod'"),
        (Hello(1, "lab", "", "x", "d", 1, {}, 0), "'x' is not among"),
        (Hello(1, "lab", "", "a", "d", 1, {}, 0), "'a' is not among"),
        (Hello(1, "lab", "another founding", "b", "disk of b", 2, {}, 0), "two clusters of one name"),
        (Hello(1, "lab", "", "b", "disk of b", 0, {}, 0), "incarnation 0"),
    ],
)
def test_greetings_that_do_not_fit_are_refused_with_the_reason(hello: Hello, reason: str) -> None:
    solo = Solo().founded()
    before = solo.raft.hello()
    refused = solo.raft.on_hello(hello)
    assert refused is not None
    assert reason in refused
    assert solo.raft.hello() == before


def test_the_incarnation_rises_with_every_start_and_is_durable_before_a_greeting() -> None:
    disk = LabDisk(World(0).rng)
    solo = Solo(disk=disk)
    first = solo.raft.hello().incarnation
    again = _unflushed(disk)
    assert again.hello().incarnation == first + 1
    assert not again.can_greet
    disk.batches.clear()
    third = Solo(disk=disk)
    assert third.raft.hello().incarnation == first + 1, "the second never came as far as the disk, and greeted nobody"
    assert third.raft.can_greet
    assert third.raft.disk_id == solo.raft.disk_id


def _unflushed(disk: LabDisk) -> Raft:
    world = World(1)
    world.nodes["a"].disk = disk
    world.nodes["a"].start()
    return world.nodes["a"].r


def test_folders_of_others_are_refused_and_left_alone() -> None:
    solo = Solo().founded()
    before = {name: bytes(data) for name, data in solo.disk.files.items()}

    def open_as(cluster: str = "lab", me: str = "a", voters: str = "abc") -> None:
        read_identity(solo.disk, cluster, me, tuple(voters))

    with pytest.raises(ForeignFolder, match="belongs to cluster 'lab', the cluster file says 'prod'"):
        open_as(cluster="prod")
    with pytest.raises(ForeignFolder, match="belongs to peer 'a', this peer is 'b'"):
        open_as(me="b")
    with pytest.raises(ForeignFolder, match="founded by a, b, c, the cluster file lists a, b, c, d, e"):
        open_as(voters="abcde")
    identity = solo.disk.files.pop("identity")
    with pytest.raises(ForeignFolder, match="no 'identity' file"):
        open_as()
    solo.disk.files["identity"] = identity[:-1] + bytes([identity[-1] ^ 1])
    with pytest.raises(ForeignFolder, match="damaged"):
        open_as()
    solo.disk.files["identity"] = identity
    assert {name: bytes(data) for name, data in solo.disk.files.items()} == before
