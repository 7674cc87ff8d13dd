"""Votes and configurations: one promise in a term, kept by the disk, counted once (holes S5, S7, S15, L3)."""

from collections.abc import Callable

from quorate.consensus.frames import Append, Message, PreVote, RequestVote, Vote
from quorate.consensus.ports import PeerId
from quorate.consensus.raft.log import CONFIG
from quorate.netsim.directed.stage import Stage, demand
from quorate.netsim.directed.tap import Kept, Tap, let_pass


def two_candidates_of_one_term() -> None:
    """Both ask the same voter at the same moment: one of them leads."""
    stage, tap, asked = _two_candidates(41)
    for one in asked:
        tap.deliver(one)
    stage.run(0.5)
    _heal(stage, tap)


def a_voter_that_loses_its_power_after_the_vote() -> None:
    """What it promised and had not flushed it has forgotten: nobody may have heard of it (S12)."""
    for seed in range(42, 46):  # whether an unflushed sector survives is up to chance
        stage, tap, (first, second) = _two_candidates(seed)
        voter = stage.machine(first.target)
        usual, voter.disk.flush_s = voter.disk.flush_s, (0.5, 0.6)
        tap.deliver(first)
        stage.run(0.01)
        stage.world.lose_power(voter.id)
        voter.disk.flush_s = usual
        stage.world.start(voter.id)
        raft = stage.peer(voter.id).raft
        stage.until(lambda: second.source in raft.connected_peers(), 1.0, "the voter is back")  # noqa: B023 - waits in this turn
        tap.deliver(second)
        stage.run(0.1)
        _heal(stage, tap)


def a_voter_that_is_restarted_after_the_vote() -> None:
    """What it promised it still knows."""
    for seed in range(42, 46):
        stage, tap, (first, second) = _two_candidates(seed)
        tap.rule = _votes_only
        tap.deliver(first)
        stage.run(0.1)
        stage.world.kill(first.target)
        stage.world.start(first.target)
        raft = stage.peer(first.target).raft
        stage.until(lambda: second.source in raft.connected_peers(), 1.0, "the voter is back")  # noqa: B023 - waits in this turn
        tap.deliver(second)
        stage.run(0.1)
        _heal(stage, tap)


def _votes_only(_source: PeerId, _target: PeerId, message: Message) -> Message | None:
    """Nobody hears of entries by which he would see that another lacks them."""
    return None if isinstance(message, RequestVote | PreVote | Append) else message


def _two_candidates(seed: int) -> tuple[Stage, Tap, list[Kept]]:
    """Two peers that cannot hear each other are candidates of one term; their requests to the third are kept."""
    stage = Stage(seed)
    tap = Tap(stage.world)
    voter = stage.leader()
    one, other = stage.others(voter)
    links = stage.isolate(*stage.ids)
    stage.peer(voter).raft.stand_down()
    stage.run(3.0)
    tap.rule = lambda _source, _target, message: None if isinstance(message, RequestVote) else message
    stage.world.heal([link for link in links if voter in link])

    def both() -> bool:
        first, second = stage.peer(one).raft, stage.peer(other).raft
        return (first.role, second.role, first.term) == ("candidate", "candidate", second.term) and len(_asked()) == 2

    def _asked() -> list[Kept]:
        term = stage.peer(one).raft.term
        asked = {kept.source: kept for kept in tap.kept if _is_request(kept, voter, term)}
        return [asked[peer] for peer in sorted(asked)]

    stage.until(both, 60.0, "two candidates of one term")
    tap.rule = lambda _source, _target, message: None if isinstance(message, RequestVote | PreVote) else message
    return stage, tap, _asked()


def _is_request(kept: Kept, voter: PeerId, term: int) -> bool:
    return isinstance(kept.message, RequestVote) and kept.target == voter and kept.message.term == term


def _heal(stage: Stage, tap: Tap) -> None:
    tap.rule = let_pass
    for peer in stage.ids:
        stage.world.kill(peer)
    stage.finish()


def one_voter_answers_again_and_again() -> None:
    """Of five, one voter's answer arrives five times and nobody else is asked: two are no majority (S15)."""
    stage = Stage(43, peers=5)
    tap = Tap(stage.world)

    def rule(source: PeerId, target: PeerId, message: Message) -> Message | None:
        if isinstance(message, RequestVote):
            return message if target == min(peer for peer in alive if peer != source) else None
        if isinstance(message, Vote) and message.granted:
            for _ in range(4):
                stage.world.after(0.01, lambda: tap.deliver(Kept(source, target, message)))
        return message

    gone = stage.leader()
    alive = stage.others(gone)
    tap.rule = rule
    stage.world.kill(gone)
    stage.run(5.0)
    leads = [peer for peer in alive if stage.peer(peer).raft.role == "leader"]
    demand(not leads, "a leader has a majority of votes", f"{leads} lead with the vote of one other of five")
    tap.rule = let_pass
    stage.finish()


def a_candidate_that_lacks_entries() -> None:
    """The only one that campaigns missed what the other two acknowledged: it gets no vote."""
    stage = Stage(44)
    leader = stage.leader()
    behind, holder = stage.others(leader)
    with stage.partition(behind):
        stage.run(0.5)
        stage.write(leader, 5)
        stage.peer(holder).raft.stand_down()
        stage.world.kill(leader)
    stage.run(5.0)
    stage.world.kill(holder)
    stage.finish()


def a_wiped_disk_is_asked_for_its_vote() -> None:
    """Of the two that had acknowledged, one is away and the other has lost its disk: with the third, which has missed
    it all, they are no majority.
    """
    stage = Stage(45)
    leader = stage.leader()
    behind, holder = stage.others(leader)
    with stage.partition(behind):
        stage.run(0.5)
        stage.write(leader, 5)
        stage.world.kill(leader)
        stage.world.wipe(holder)
    stage.world.start(holder)
    stage.run(5.0)
    stage.finish()


def a_restart_with_a_disk_that_was_taken_back() -> None:
    """A replaced disk was taken back into the configuration; after everything stopped, it and one other are a majority
    (S7).
    """
    stage = Stage(46)
    leader = stage.leader()
    replaced, other = stage.others(leader)
    stage.world.wipe(replaced)
    stage.world.start(replaced)
    stage.until(lambda: all(stage.peer(p).raft.is_voter(replaced) for p in stage.ids), 20.0, "the disk is taken back")
    stage.write(stage.leader(), 3)
    stage.run(1.0)
    for peer in stage.ids:
        stage.world.kill(peer)
    stage.world.start(replaced)
    stage.world.start(other)
    stage.leader()
    stage.finish()


def two_disks_replaced_at_once() -> None:
    """Of five, two come back on empty disks: they are taken back one after the other (S5)."""
    stage = Stage(47, peers=5)
    tap = Tap(stage.world)
    configs: dict[int, set[int]] = {}

    def rule(_source: PeerId, _target: PeerId, message: Message) -> Message:
        if isinstance(message, Append):
            known = configs.setdefault(message.term, set())
            known |= {index for command, index, _ in message.entries if command[:1] == CONFIG}
            open_ = sorted(index for index in known if index > message.commit)
            demand(
                len(open_) < 2, "one change at a time", f"the configurations of entries {open_} are both uncommitted"
            )
        return message

    tap.rule = rule
    leader = stage.leader()
    lost = stage.others(leader)[:2]
    for peer in lost:
        stage.world.wipe(peer)
    stage.run(0.5)
    usual = stage.world.network.delay_s
    stage.world.network.delay_s = (0.02, 0.04)
    for peer in lost:
        stage.world.start(peer)
    stage.until(_taken_back(stage, lost), 30.0, "both disks are taken back")
    stage.world.network.delay_s = usual
    demand(any(configs.values()), "directed", "no configuration was changed")
    stage.finish()


def _taken_back(stage: Stage, lost: list[PeerId]) -> Callable[[], bool]:
    return lambda: all(stage.peer(peer).raft.is_voter(one) for peer in stage.ids for one in lost)


def a_leader_that_hears_nobody() -> None:
    """It steps down by itself: who asks it is told that there is no majority, not kept waiting (check-quorum: Raft
    thesis, section 6.2).
    """
    stage = Stage(67)
    lonely = stage.leader()
    links = stage.isolate(lonely)
    stage.run(2.5)
    demand(
        not stage.peer(lonely).raft.leading, "a leader has a majority", f"{lonely} leads after 2.5 s without anybody"
    )
    stage.world.heal(links)
    stage.finish()
