"""What is acknowledged is flushed on a majority, is found again after any stop, and is told when bytes have changed."""

from quorate.consensus.commands import Done
from quorate.consensus.journal_recovery import DamagedJournal
from quorate.consensus.raft.recovery import MissingSnapshot
from quorate.consensus.snapshot import snapshot_index
from quorate.netsim.directed.stage import Stage, demand

STANDS_STILL = (100.0, 100.0)


def power_loss_of_all_at_once() -> None:
    """Everything that was not flushed is gone; what was acknowledged is there."""
    stage = Stage(51)
    for _ in range(3):
        stage.write(stage.leader(), 5)
        for peer in stage.ids:
            stage.world.lose_power(peer)
        for peer in stage.ids:
            stage.world.start(peer)
    stage.finish()


def both_followers_disks_stand_still() -> None:
    """The leader alone never says done."""
    stage = Stage(52)
    leader = stage.leader()
    _not_done(stage, stage.others(leader), leader)


def the_leaders_disk_and_one_other_stand_still() -> None:
    """One flushed disk of three is no majority, though the leader has the entry in memory."""
    stage = Stage(53)
    leader = stage.leader()
    _not_done(stage, [leader, stage.others(leader)[0]], leader)


def _not_done(stage: Stage, still: list[str], leader: str) -> None:
    for peer in still:
        stage.machine(peer).disk.flush_s = STANDS_STILL
    asked = stage.submit(leader, deadline_s=5.0)
    stage.run(4.0)
    demand(not isinstance(asked.outcome, Done), "flushed on a majority", "done was said with one flushed disk of three")


def killed_again_and_again_while_it_takes_snapshots() -> None:
    """A peer alone in its cluster is killed every few milliseconds, at every stage of a snapshot and of trimming the
    log, and starts each time with all it had acknowledged (S3, S4).
    """
    stage = Stage(54, peers=1, snapshot_entries=8, keep_entries=2, segment_bytes=4_096)
    stage.machine("a").disk.flush_s = (0.001, 0.004)
    for turn in range(80):
        asked = stage.pour("a", 6)
        stage.run(0.0007 * (turn * 7 % 23))
        stage.world.kill("a")
        stage.give_up(one for one in asked if not one.answered())
        stage.world.start("a")
        stage.until(lambda: stage.has_session("a"), 10.0, "it is back")
    stage.finish()


def restarted_behind_a_snapshot() -> None:
    """Everything stops in peace, with a snapshot and more log behind it on each disk (S3, S13)."""
    stage = Stage(55, snapshot_entries=20, keep_entries=5, segment_bytes=4_096)
    stage.write(stage.leader(), 50)
    stage.run(1.0)
    for peer in stage.ids:
        stage.world.kill(peer)
    for peer in stage.ids:
        stage.world.start(peer)
    stage.finish()


def a_byte_of_the_journal_changes() -> None:
    """A start refuses what is not what was written (S12)."""
    stage = Stage(56)
    stage.submit("a", [stage.new("a", key="pay 1 to bob", held=True)])
    stage.write("a", 5)
    stage.world.kill("b")
    disk = stage.machine("b").disk
    name, place = next((n, disk.read(n).find(b"bob")) for n in disk.names() if b"bob" in disk.read(n))
    disk.files[name].data[place : place + 3] = b"eve"
    _refused(stage, "b", "a journal with a changed byte")


def a_byte_of_a_snapshot_changes() -> None:
    """A start refuses a snapshot that is not what was written, rather than run on what is left of it (L5)."""
    stage = Stage(57, snapshot_entries=20, keep_entries=5, segment_bytes=4_096)
    stage.submit("a", [stage.new("a", key="pay 1 to bob", held=True)])
    stage.write("a", 50)
    stage.run(1.0)
    stage.world.kill("b")
    disk = stage.machine("b").disk
    for name in [name for name in disk.names() if snapshot_index(name) is not None]:
        place = disk.read(name).find(b"bob")
        disk.files[name].data[place : place + 3] = b"eve"
    _refused(stage, "b", "a snapshot with a changed byte")


def _refused(stage: Stage, peer: str, what: str) -> None:
    try:
        stage.world.start(peer)
    except (DamagedJournal, MissingSnapshot):
        stage.world.wipe(peer)
        stage.world.start(peer)
        stage.finish()
        return
    demand(False, "damage is noticed", f"{what} was believed")
