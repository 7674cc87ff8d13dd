"""The promises, checked on the evidence of a run.

Law: each check takes evidence and gives how much it looked at and every breach it saw; it changes nothing and knows
nothing of how peers work. A check that had nothing to look at says so: 0 is not a pass.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec

from quorate.netsim.live.asking import DONE, REFUSED
from quorate.netsim.live.evidence import CANCEL, ENDS, LOOK, SUBMIT, Effect, Evidence, TaskFact

MAX_TOLD = 20
"""Breaches of one check that are told one by one."""


class Verdict(msgspec.Struct, frozen=True):
    """`looked_at`: how many things; None: no evidence of the kind. `breaches`: in words, empty if it held."""

    check: str
    promise: str
    looked_at: int | None
    breaches: list[str]


Look = Iterator[str | None]
"""One for each thing looked at: None if it is as it should be, else the breach in words."""


def acknowledged_is_never_lost(evidence: Evidence) -> Look:
    for request in evidence.asked:
        if request.do == SUBMIT and request.outcome == DONE:
            missing = [peer for peer, tasks in evidence.tasks.items() if request.task not in tasks]
            yield (
                f"task {request.task} (key {request.key}) was acknowledged, and {missing} have it not"
                if (missing)
                else None
            )


def refused_is_never_applied(evidence: Evidence) -> Look:
    outcomes: dict[str, set[str]] = defaultdict(set)
    for request in evidence.asked:
        if request.do == SUBMIT:
            outcomes[request.key].add(request.outcome)
    present = {task.key: (peer, task.id) for peer, tasks in evidence.tasks.items() for task in tasks.values()}
    for key, seen in outcomes.items():
        if seen == {REFUSED}:
            yield f"every try of key {key} was refused, and {present[key]} exists" if key in present else None


def repeated_is_never_doubled(evidence: Evidence) -> Look:
    """One task per key, the same on every peer and in every answer."""
    ids: dict[str, set[str]] = defaultdict(set)
    for request in evidence.asked:
        if request.do == SUBMIT and request.outcome == DONE:
            ids[request.key].add(request.task)
    for tasks in evidence.tasks.values():
        for task in tasks.values():
            if task.key:
                ids[task.key].add(task.id)
    for key, found in ids.items():
        yield f"key {key} belongs to {len(found)} tasks: {sorted(found)}" if len(found) > 1 else None


def nothing_exists_that_nobody_asked_for(evidence: Evidence) -> Look:
    asked = {request.key for request in evidence.asked if request.do == SUBMIT}
    for peer, tasks in evidence.tasks.items():
        for task in tasks.values():
            yield None if task.key in asked else f"{peer} has task {task.id} of key {task.key}, which nobody submitted"


def every_accepted_task_ends(evidence: Evidence) -> Look:
    for peer, tasks in evidence.tasks.items():
        for task in tasks.values():
            yield None if task.state in ENDS else f"{peer} tells task {task.id} as {task.state} after all has healed"


def one_result_on_all_peers(evidence: Evidence) -> Look:
    by_task: dict[str, dict[str, TaskFact]] = defaultdict(dict)
    for peer, tasks in evidence.tasks.items():
        for task in tasks.values():
            by_task[task.id][peer] = task
    for task_id, told in by_task.items():
        missing = sorted(set(evidence.tasks) - set(told))
        if missing:
            yield f"task {task_id} is on {sorted(told)} and not on {missing}"
        elif any(one != next(iter(told.values())) for one in told.values()):
            yield f"task {task_id} is told differently: " + "; ".join(f"{peer}: {one}" for peer, one in told.items())
        else:
            yield None


def fences_rise(evidence: Evidence) -> Look:
    """Per task in order of attempts; and no fence was run under twice."""
    runs: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    calls: dict[tuple[str, int], list[Effect]] = defaultdict(list)
    for effect in evidence.effects or ():
        runs[effect.task][effect.attempt].add(effect.fence)
        calls[effect.task, effect.fence].append(effect)
    for task, attempts in runs.items():
        fences = [sorted(found) for _, found in sorted(attempts.items())]
        flat = [fence for found in fences for fence in found]
        rises = len(flat) == len(fences) and all(one < next_ for one, next_ in itertools.pairwise(flat))
        yield None if rises else f"fences of task {task} do not rise with its attempts: {dict(attempts)}"
    for (task, fence), ran in calls.items():
        where = [f"{effect.peer}/{effect.pid}" for effect in ran]
        yield None if len(ran) == 1 else f"task {task} ran {len(ran)} times under fence {fence}: {where}"


def results_belong_to_attempts_that_ran(evidence: Evidence) -> Look:
    ran = {(effect.task, effect.fence, effect.run) for effect in evidence.effects or ()}
    for peer, tasks in evidence.tasks.items():
        for task in tasks.values():
            if task.state == "succeeded":
                run = task.result.get("run", "") if isinstance(task.result, dict) else ""
                is_true = (task.id, task.fence, run) in ran
                words = f"{peer}: task {task.id} has {task.result} of fence {task.fence}, which no run gave"
                yield None if is_true else words


def cancelled_stays_cancelled(evidence: Evidence) -> Look:
    for request in evidence.asked:
        if request.do == CANCEL and request.outcome == DONE:
            states = {
                peer: tasks[request.task].state for peer, tasks in evidence.tasks.items() if request.task in tasks
            }
            wrong = {peer: state for peer, state in states.items() if state != "cancelled"}
            yield f"task {request.task} was told to be cancelled, and is {wrong}" if wrong else None


def what_was_acknowledged_is_seen(evidence: Evidence) -> Look:
    """Reads are linearizable: whoever asks after the acknowledgement finds the task, on any peer."""
    known: dict[str, int] = {}
    for request in evidence.asked:
        if request.do == SUBMIT and request.outcome == DONE:
            known[request.task] = min(known.get(request.task, request.ended_ns), request.ended_ns)
    for request in evidence.asked:
        if request.do in (LOOK, CANCEL) and known.get(request.task, request.invoked_ns) < request.invoked_ns:
            gone = request.status == 404
            yield f"{request.via} did not find task {request.task}, acknowledged before it was asked" if gone else None


def an_end_is_never_taken_back(evidence: Evidence) -> Look:
    """Once somebody was told how a task ended, nobody who asks later is told anything else."""
    ends: dict[str, tuple[int, str]] = {}
    told = [one for one in evidence.asked if one.outcome == DONE and one.state in ENDS]
    for request in sorted(told, key=lambda one: one.ended_ns):
        ends.setdefault(request.task, (request.ended_ns, request.state))
    for request in evidence.asked:
        ended_ns, state = ends.get(request.task, (0, ""))
        if request.outcome == DONE and request.state and state and request.invoked_ns > ended_ns:
            same = request.state == state
            yield None if same else f"task {request.task} was told {state}, and later {request.state} by {request.via}"
    for peer, tasks in evidence.tasks.items():
        for task, (_, state) in ends.items():
            if task in tasks:
                same = tasks[task].state == state
                yield None if same else f"task {task} was told {state}, and {peer} has it as {tasks[task].state}"


def one_leader_per_term(evidence: Evidence) -> Look:
    leaders: dict[int, set[str]] = defaultdict(set)
    for view in evidence.views:
        if view.role == "leader":
            leaders[view.term].add(view.peer)
    for term, found in leaders.items():
        yield f"term {term} had the leaders {sorted(found)}" if len(found) > 1 else None


def replicas_agree(evidence: Evidence) -> Look:
    """Equal hashes at equal indexes, in every look; and at rest all peers stand at one index."""
    hashes: dict[int, dict[str, str]] = defaultdict(dict)
    for view in (*evidence.views, *evidence.final):
        hashes[view.applied_index].setdefault(view.state_hash, view.peer)
    for index, found in hashes.items():
        yield f"states differ at index {index}: {found}" if len(found) > 1 else None
    if evidence.final:
        indexes = {view.peer: view.applied_index for view in evidence.final}
        yield f"at rest the peers stand at different indexes: {indexes}" if len(set(indexes.values())) > 1 else None
    for view in evidence.final:
        yield f"{view.peer} is quarantined: {view.quarantined}" if view.quarantined else None


def answers_are_defined(evidence: Evidence) -> Look:
    """No 500, and nothing was refused that is right."""
    expected = {SUBMIT: {201, 503, 429, 504, 0}, LOOK: {200, 404, 503, 429, 504, 0}}
    expected[CANCEL] = {200, 404, 409, 503, 429, 504, 0}
    for request in evidence.asked:
        is_right = request.status in expected[request.do]
        yield None if is_right else f"{request.via} answered {request.status} to {request.do}: {request.words}"


def peers_stay_up(evidence: Evidence) -> Look:
    """No peer ended, logged a fault of ours, or failed to come back, unless that was done to it."""
    yield from _incidents(evidence, peers_stay_up)
    yield from (None for _ in evidence.tasks)


def damage_is_refused(evidence: Evidence) -> Look:
    yield from _incidents(evidence, damage_is_refused)
    yield from (None for _ in range(evidence.struck.get("damage", 0)))


def _incidents(evidence: Evidence, check: "Check") -> Look:
    for one in evidence.incidents:
        if one.check == check.__name__:
            yield f"{one.at:.1f} s, {one.peer}: {one.words}"


Check = Callable[[Evidence], Look]

OF_ANSWERS: dict[Check, str] = {
    acknowledged_is_never_lost: "1: what was answered with 201 is there, on every peer",
    refused_is_never_applied: "7: what was surely not done was not done",
    repeated_is_never_doubled: "6: one key, one task, in every answer and on every peer",
    nothing_exists_that_nobody_asked_for: "7: nothing is there that no client submitted",
    every_accepted_task_ends: "2: every accepted task comes to an end once all has healed",
    one_result_on_all_peers: "2: one committed result, the same on all peers",
    cancelled_stays_cancelled: "2: what was told to be cancelled is",
    what_was_acknowledged_is_seen: "5: whoever asks after the acknowledgement finds the task",
    an_end_is_never_taken_back: "5: an end that was told is the end everybody is told from then on",
    one_leader_per_term: "one leader per term",
    replicas_agree: "equal states at equal indexes; at rest, all at one index",
    answers_are_defined: "7: every answer is one of those the API names; none is a fault of ours",
    peers_stay_up: "no peer ends unless it was made to, and each comes back",
    damage_is_refused: "1: a peer whose log was changed while it was down does not start",
}
OF_EFFECTS: dict[Check, str] = {
    fences_rise: "3: fences rise with attempts, and each was run under once",
    results_belong_to_attempts_that_ran: "2: each result is that of a run that really took place, under its fence",
}


def judge(evidence: Evidence) -> list[Verdict]:
    """A verdict of every check, in a fixed order."""
    verdicts = [_verdict(check, promise, evidence) for check, promise in OF_ANSWERS.items()]
    for check, promise in OF_EFFECTS.items():
        if evidence.effects is None:
            verdicts.append(Verdict(check.__name__, promise, None, []))
        else:
            verdicts.append(_verdict(check, promise, evidence))
    return verdicts


def _verdict(check: Check, promise: str, evidence: Evidence) -> Verdict:
    looked = list(check(evidence))
    breaches = [breach for breach in looked if breach is not None]
    told = breaches[:MAX_TOLD]
    if len(breaches) > MAX_TOLD:
        told.append(f"... and {len(breaches) - MAX_TOLD} more")
    return Verdict(check.__name__, promise, len(looked), told)
