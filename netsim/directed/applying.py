"""An entry is applied once and in order, whatever it holds and whatever fails meanwhile (holes S6, S9, S10, S11)."""

from collections import Counter

from msgspec.structs import replace

from quorate.consensus import divergence
from quorate.consensus.codec import encode_message
from quorate.consensus.commands import Outcome, Refused, Unknown
from quorate.consensus.frames import Append, AppendReply, AskIndex, Forward, Message, NotTaken, ReadIndex
from quorate.consensus.ports import PeerId
from quorate.netsim.directed.stage import Asked, Stage, demand
from quorate.netsim.directed.tap import Tap, let_pass
from quorate.netsim.patch import Patch


class Exploded(Exception):
    """What a scenario makes go wrong."""


def an_error_in_the_middle_of_an_entry() -> None:
    """Half an entry has been applied when something raises: the peer stops for good, and starts anew from its files
    (S9).
    """
    stage = Stage(61)
    victim = stage.others(stage.leader())[0]
    state = stage.peer(victim).machine
    apply, runs = state.apply, Counter[int]()

    def explode(index: int, term: int, entry: bytes) -> object:
        runs[index] += 1
        demand(runs[index] == 1, "an entry runs once", f"entry {index} ran {runs[index]} times on {victim}")
        apply(index, term, entry)
        raise Exploded(f"after entry {index}")

    state.apply = explode  # type: ignore[method-assign, assignment]  # this is the fault
    asked = stage.submit(stage.leader())
    _steps_that_raise(stage, victim)
    stage.until(asked.answered, 10.0, "the others go on")
    stage.finish()


def a_caller_that_raises() -> None:
    """The answer to a request raises in its caller's hands: nothing is applied twice because of it (S10)."""
    stage = Stage(62)
    caller = stage.others(stage.leader())[0]
    peer = stage.peer(caller)
    runs, apply = Counter[int](), peer.machine.apply

    def counted(index: int, term: int, entry: bytes) -> object:
        runs[index] += 1
        demand(runs[index] == 1, "an entry runs once", f"entry {index} ran {runs[index]} times on {caller}")
        return apply(index, term, entry)

    def broken(_outcome: Outcome, _index: int) -> None:
        raise Exploded("the caller has gone")

    peer.machine.apply = counted  # type: ignore[method-assign, assignment]  # looks on
    peer.submit([stage.new(caller, held=True)], peer.now() + 5.0, broken)
    stage.world.touch(caller)
    _steps_that_raise(stage, caller)
    stage.finish()


def _steps_that_raise(stage: Stage, victim: PeerId) -> None:
    """The world goes on until that peer raises; it is stepped a few times more, and then its process ends."""
    try:
        stage.run(2.0)
    except Exploded:
        for _ in range(3):
            try:
                stage.peer(victim).step()
            except (Exploded, RuntimeError, ValueError):
                continue
        stage.world.kill(victim)
        stage.world.start(victim)
        return
    demand(False, "directed", "nothing went wrong")


def bytes_that_are_no_entry() -> None:
    """However they came into the log: every peer goes past them, and none changes by them."""
    stage = Stage(63)
    for entry in (b"", b"\xc1", b"\xff" * 300, b"\x91" * 100_000):
        leader = stage.peer(stage.leader())
        demand(leader.raft.propose(entry), "directed", "the leader takes no entry")
        at = leader.raft.last_index
        stage.world.touch(leader.id)
        stage.until(
            lambda at=at: all(stage.peer(p).raft.applied_index >= at for p in stage.ids),  # type: ignore[misc]  # bound now
            5.0,
            "every peer has gone past it",
        )
    stage.finish()


def a_read_answered_for_an_earlier_life() -> None:
    """A follower's question is answered after it was killed; its next life asks too, and is given that old answer
    (S6).
    """
    stage = Stage(64)
    tap = Tap(stage.world)
    leader = stage.leader()
    asker, _ = stage.others(leader)
    tap.rule = lambda _source, target, message: None if isinstance(message, ReadIndex) and target == asker else message
    stage.read(asker)
    stage.run(0.05)
    old = tap.take(ReadIndex, target=asker)
    demand(old, "directed", "the question was not answered")
    stage.world.kill(asker)
    written = stage.write(leader, 3)[-1]

    def rule(source: PeerId, target: PeerId, message: Message) -> Message | None:
        if isinstance(message, Append) and target == asker:
            return replace(message, entries=[])
        return None if source == asker and isinstance(message, AskIndex) else message

    tap.rule = rule
    stage.world.start(asker)
    stage.run(1.0)
    demand(stage.peer(asker).raft.leader is not None, "directed", "it has not heard the leader")
    seen = stage.read(asker)
    stage.run(0.05)
    for one in old:
        tap.deliver(one)
    stage.run(0.05)
    stale = seen and seen[0] is not None and stage.find(asker, written) is None
    demand(not stale, "reads are linearizable", f"a read on {asker} does not see {written}, acknowledged before")
    tap.rule = let_pass
    stage.finish()


def a_read_beside_an_older_question() -> None:
    """A follower's question is answered, and the answer is on its way. What is acknowledged elsewhere meanwhile, and
    then asked for here, is not in that answer.
    """
    stage = Stage(65)
    tap = Tap(stage.world)
    leader = stage.leader()
    asker, _ = stage.others(leader)

    def rule(_source: PeerId, target: PeerId, message: Message) -> Message | None:
        if isinstance(message, Append) and target == asker:
            return replace(message, entries=[])
        return None if isinstance(message, ReadIndex) and target == asker else message

    tap.rule = rule
    stage.read(asker)
    stage.run(0.05)
    written = stage.write(leader)[-1]
    sees: list[bool] = []
    peer = stage.peer(asker)
    peer.read(peer.now() + 1.0, lambda index: sees.append(index is None or stage.find(asker, written) is not None))
    stage.world.touch(asker)
    stage.run(0.01)
    old = tap.take(ReadIndex, target=asker)
    demand(len(old) == 1, "directed", f"{len(old)} answers are under way, not one")
    tap.deliver(old[0])
    stage.run(0.05)
    demand(all(sees), "reads are linearizable", f"a read on {asker} does not see {written}, acknowledged before")
    tap.rule = let_pass
    stage.finish()


def reads_that_come_one_after_the_other() -> None:
    """The second comes to the leader while the probe of the first is still out, and after something was acknowledged.
    It needs a probe of its own.
    """
    stage = Stage(95)
    tap = Tap(stage.world)
    leader = stage.leader()
    one, other = stage.others(leader)
    without_echo = True

    def rule(_source: PeerId, target: PeerId, message: Message) -> Message:
        if isinstance(message, AppendReply) and without_echo:
            return replace(message, probe=0)
        return _without_entries(message) if target == other else message

    tap.rule = rule
    stage.read(one)
    stage.run(0.02)
    written = stage.write(leader)[-1]
    sees: list[bool] = []
    peer = stage.peer(other)
    peer.read(peer.now() + 1.0, lambda index: sees.append(index is None or stage.find(other, written) is not None))
    stage.world.touch(other)
    stage.run(0.02)
    without_echo = False
    stage.run(0.2)
    demand(all(sees), "reads are linearizable", f"a read on {other} does not see {written}, acknowledged before")
    tap.rule = let_pass
    stage.finish()


def old_answers_reach_a_leader_that_is_cut_off() -> None:
    """Answers to its heartbeats arrive late, when another leads already: they are no answer to a question that it asked
    since.
    """
    stage = Stage(97)
    tap = Tap(stage.world)
    old = stage.leader()
    others = stage.others(old)
    tap.rule = lambda _, target, message: None if target == old and isinstance(message, AppendReply) else message
    stage.until(lambda: len(tap.kept) >= 3, 5.0, "heartbeats are answered")
    late = tap.take(AppendReply)[:3]
    stage.isolate(old)
    for after_s, kept in zip((0.5, 1.1), late, strict=False):
        stage.world.after(after_s, tap.deliver, kept)  # it goes on believing that it leads
    stage.until(lambda: any(stage.peer(peer).raft.ready_to_serve for peer in others), 1.7, "another leads")
    new = next(peer for peer in others if stage.peer(peer).raft.ready_to_serve)
    written = stage.write(new)[-1]
    demand(stage.peer(old).raft.leading, "directed", f"{old} does not lead any more")
    seen = stage.read(old, 1.0)
    stage.run(0.02)
    tap.deliver(late[-1])
    stage.run(1.1)
    stale = seen != [None] and stage.find(old, written) is None
    demand(not stale, "reads are linearizable", f"a read on {old} misses {written}, acknowledged before")
    tap.rule = let_pass
    stage.finish()


def _without_entries(message: Message) -> Message:
    return replace(message, entries=[]) if isinstance(message, Append) else message


def an_outcome_inside_a_snapshot() -> None:
    """The entry that carried a request never came by its peer, only a snapshot that covers it: the answer is found in
    the table, and the request is not carried out again.
    """
    stage = Stage(65, snapshot_entries=20, keep_entries=5)
    tap = Tap(stage.world)
    leader = stage.leader()
    asker = stage.others(leader)[0]
    tap.rule = lambda _source, target, message: None if isinstance(message, Append) and target == asker else message
    asked = stage.submit(asker, deadline_s=20.0)
    stage.run(0.3)
    stage.write(leader, 60)
    tap.rule = let_pass
    with stage.partition(asker):
        stage.run(2.5)
    stage.until(asked.answered, 18.0, "the request is answered")
    demand(asked.done, "repeated never doubled", f"a request that was carried out is told as {asked.outcome}")
    stage.finish()


def a_request_of_a_life_that_died() -> None:
    """A peer that is killed and starts again numbers its requests anew: none is given an earlier one's answer."""
    stage = Stage(66)
    asker = stage.others(stage.leader())[0]
    first = set(stage.write(asker, 5))
    stage.world.kill(asker)
    stage.world.start(asker)
    stage.until(lambda: stage.has_session(asker), 15.0, "it is back")
    again = set(stage.write(asker, 5))
    demand(not first & again, "repeated never doubled", "two requests were given the same task")
    stage.world.wipe(asker)
    stage.world.start(asker)
    stage.until(lambda: stage.has_session(asker), 15.0, "it is back on an empty disk")
    last = set(stage.write(asker, 12))
    demand(not (first | again) & last, "repeated never doubled", "two requests were given the same task")
    stage.finish()


def one_refusal_of_two_sendings() -> None:
    """A request was sent to a leader twice; one sending is turned away, and then nobody is reached any more: it may
    stand in a log, so nobody says no.
    """
    stage = Stage(67)
    tap = Tap(stage.world)
    leader = stage.leader()
    asker = stage.others(leader)[0]
    taken: list[int] = []

    def rule(source: PeerId, target: PeerId, message: Message) -> Message | None:
        if isinstance(message, Append) and target == asker:
            return None
        if isinstance(message, Forward) and source == asker and not message.reserved:
            taken.append(len(message.ops))
        return message

    tap.rule = rule
    asked = Asked()
    peer = stage.peer(asker)
    peer.submit([stage.new(asker, held=True)], peer.now() + 4.0, asked)
    stage.world.touch(asker)
    stage.until(lambda: len(taken) >= 2, 3.0, "it was sent twice")
    numbers = [number for number in peer.proposer.numbers() if not peer.proposer._pending[number].reserved]
    peer.on_frame(leader, encode_message(NotTaken(numbers, "not_leader")))
    stage.isolate(asker)
    stage.world.network.drop(asker, leader)
    stage.world.touch(asker)
    stage.until(asked.answered, 10.0, "it is answered by its deadline")
    demand(not isinstance(asked.outcome, Refused), "refused never applied", f"it stands in the log: {asked.outcome}")
    tap.rule = let_pass
    stage.finish()


def a_leader_cut_off_with_a_request() -> None:
    """It stands in a log that may still win: nobody says no, and nobody says done."""
    stage = Stage(68)
    leader = stage.leader()
    with stage.partition(leader):
        asked = stage.submit(leader, deadline_s=4.0)
        stage.run(4.2)
        demand(asked.answered(), "every request answered once", "nothing was said within the deadline")
        demand(not asked.refused, "refused never applied", f"it may still win: {asked.outcome}")
        demand(isinstance(asked.outcome, Unknown), "acknowledged never lost", f"it was told {asked.outcome}")
    stage.finish()


def what_the_state_refuses() -> None:
    """A key used for something else is refused, whichever peer is asked."""
    stage = Stage(69)
    first = stage.submit("a", [stage.new("a", key="k", held=True)])
    stage.until(first.answered, 10.0, "the first is answered")
    for peer in stage.ids:
        other = stage.new(peer, key="k", held=True)
        other = type(other)(id=other.id, handler=other.handler, args=b"{}", key="k", digest=b"e" * 16, held=True)
        asked = Asked()
        stage.peer(peer).submit([other], stage.peer(peer).now() + 5.0, asked)
        stage.world.touch(peer)
        stage.until(asked.answered, 6.0, "it is answered")
        demand(asked.refused, "an answer is what happened", f"a key was used again, and {asked.outcome} was told")
    stage.finish()


def marks_before_a_snapshot() -> None:
    """Peers that start from snapshots of different indexes compare hashes only at marks that each has crossed."""
    with Patch() as patch:
        patch.setattr(divergence, "EVERY", 40)
        stage = Stage(70, snapshot_entries=15)
        for turn in range(6):
            stage.run(4.0)
            stage.world.kill(stage.ids[turn % 3])
            stage.run(1.5)
            stage.world.start(stage.ids[turn % 3])
        stage.run(10.0)
        reported = [stage.peer(peer).divergence.latest[0] for peer in stage.ids]
        demand(min(reported) >= 40, "directed", f"no mark was crossed: {reported}")
        said = [stage.peer(peer).divergence.quarantined for peer in stage.ids]
        demand(not any(said), "equal peers agree", f"equal peers quarantined each other: {said}")
        stage.finish()
