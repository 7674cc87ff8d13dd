"""Handlers: what they are given, when they may begin, and that one which never ends is not waited for."""

from msgspec.structs import replace

from quorate.consensus.machine.moves import STUB_MS
from quorate.netsim.directed.stage import Stage, demand
from quorate.scheduling.task import State

NEVER = (600.0, 601.0)


def a_handler_that_never_ends() -> None:
    """Its attempt is taken away when its time limit and the grace are over, though its peer is alive and well."""
    stage = Stage(91)
    leader = stage.leader()
    for peer in stage.ids:
        stage.work(peer).run_s = NEVER
    task = replace(stage.new(leader), timeout_ms=1_000)
    stage.submit(leader, [task])
    stage.until(lambda: stage.ended_everywhere(task.id), 20.0, "the attempt is taken away")
    found = stage.find(leader, task.id)
    demand(found is not None and found.state is State.FAILED, "time limits are kept", "it ended otherwise")
    stage.finish()


def a_dependant_that_waits_long_for_another() -> None:
    """By the time it begins, the state would have forgotten the first of two results, did nobody wait for it."""
    stage = Stage(92)
    leader = stage.leader()
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = (0.01, 0.02), 0.0
    quick, slow = stage.new(leader), stage.new(leader)
    last = stage.new(leader, after=(quick.id, slow.id))
    slow = replace(slow, not_before_ms=stage.machine(leader).clock.wall_ms() + 2 * STUB_MS)
    asked = stage.submit(leader, [quick, slow, last])
    stage.until(asked.answered, 5.0, "the request is answered")
    stage.run(2 * STUB_MS / 1000 - 1.0)
    demand(stage.find(leader, last.id) is not None, "acknowledged never lost", "the dependant is gone")
    stage.until(lambda: stage.ended_everywhere(last.id), 20.0, "it runs when both have ended")
    stage.finish()


def a_grant_to_a_peer_that_stood_still() -> None:
    """Its claim was granted while it was frozen; when it goes on and learns of it, its session is not to be trusted any
    more, and the task may have been given away.
    """
    stage = Stage(93)
    frozen = stage.others(stage.leader())[0]
    for peer in stage.ids:
        stage.work(peer).run_s, stage.work(peer).failing = (0.5, 0.6), 0.0
    asked = stage.submit(frozen, [stage.new(frozen)])
    others = [stage.peer(peer) for peer in stage.others(frozen)]
    stage.until(lambda: any(peer.machine.running_on(frozen) for peer in others), 5.0, "its claim is granted")
    demand(not stage.peer(frozen).attempts.held, "directed", "it has begun already")
    stage.world.freeze(frozen)
    stage.run(8.0)
    stage.world.thaw(frozen)
    stage.until(asked.answered, 20.0, "the request is answered")
    stage.until(lambda: stage.ended_everywhere(asked.task), 20.0, "the task ends")
    stage.finish()
