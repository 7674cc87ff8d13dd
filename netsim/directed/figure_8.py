"""Figure 8 of the Raft paper: an entry of an earlier term on a majority of disks is not committed yet."""

from msgspec.structs import replace

from quorate.consensus.frames import Append, Message
from quorate.netsim.directed.stage import Stage, demand
from quorate.netsim.directed.tap import Tap, let_pass


def an_entry_of_an_earlier_term_on_a_majority() -> None:
    """It is on three disks of five by the work of a later leader, who dies before an entry of its own term is; then
    somebody who has never seen it may be elected, and replace it.
    """
    stage = Stage(94, peers=5)
    tap = Tap(stage.world)
    first = stage.leader()
    second, third, *rest = stage.others(first)
    tap.rule = lambda _source, target, message: message if target == second else _bare(message)
    stage.give_up(stage.pour(first, 1))
    stage.run(0.05)
    entry = stage.peer(second).raft.last_index
    demand(stage.peer(third).raft.last_index < entry, "directed", "the entry is on more than two disks")

    tap.rule = lambda _source, _target, message: _bare(message)
    for peer in (first, second):
        stage.world.kill(peer)
    rival = stage.leader()
    stage.run(0.05)
    demand(stage.peer(rival).raft.last_index >= entry, "directed", "the rival has no entry of its own there")
    stage.world.kill(rival)

    holder, bystander = [peer for peer in (third, *rest) if peer != rival]
    tap.rule = lambda _source, target, message: _bare(message) if target == bystander else _older(message)
    for peer in (first, second):
        stage.world.start(peer)
    stage.until(lambda: stage.peer(holder).raft.last_index == entry, 20.0, "the entry is on three disks")
    stage.run(0.5)
    committed = [peer for peer in (first, second, holder) if stage.peer(peer).raft.commit_index >= entry]
    for peer in (first, second):
        stage.world.kill(peer)

    tap.rule = let_pass
    stage.world.start(rival)
    stage.until(lambda: stage.peer(rival).raft.role == "leader", 20.0, "the rival leads again")
    demand(not committed, "committed for good", f"{committed} took entry {entry} for committed, which was replaced")
    stage.finish()


def _bare(message: Message) -> Message:
    return replace(message, entries=[]) if isinstance(message, Append) else message


def _older(message: Message) -> Message:
    """Without the entries of the leader's own term."""
    if not isinstance(message, Append):
        return message
    return replace(message, entries=[entry for entry in message.entries if entry[2] < message.term])
