"""Each check lets the evidence of a good run pass, and sees the one thing that was tampered with."""

from collections.abc import Callable, Mapping

import msgspec
import pytest
from msgspec import structs

from quorate.netsim.live import checks
from quorate.netsim.live.evidence import Asked, Evidence, Incident, TaskFact, history_lines
from quorate.netsim.live.linear import NAME as LINEARIZABLE
from quorate.netsim.live.linear import judge_history
from tests.netsim.live.good import PEERS, asked, effect, good, task, view

Tamper = Callable[[Evidence], Evidence]


def broken(evidence: Evidence) -> set[str]:
    verdicts = [*checks.judge(evidence), judge_history(history_lines(evidence))]
    return {verdict.check for verdict in verdicts if verdict.breaches}


def with_tasks(evidence: Evidence, of: Mapping[str, TaskFact | None], peers: tuple[str, ...] = PEERS) -> Evidence:
    """Tasks told otherwise by these peers; None: not told at all."""
    tasks = {peer: dict(told) for peer, told in evidence.tasks.items()}
    for peer in peers:
        for name, fact in of.items():
            if fact is None:
                del tasks[peer][name]
            else:
                tasks[peer][name] = fact
    return structs.replace(evidence, tasks=tasks)


def with_asked(evidence: Evidence, *more: Asked) -> Evidence:
    return structs.replace(evidence, asked=[*evidence.asked, *more])


def with_views(evidence: Evidence, *more: object) -> Evidence:
    return structs.replace(evidence, views=[*evidence.views, *more])


def incident(check: str) -> Tamper:
    return lambda evidence: structs.replace(evidence, incidents=[Incident(1.0, "b", check, "it did")])


TAMPERED: list[tuple[str, Tamper, set[str]]] = [
    (
        "an acknowledged task is gone everywhere",
        lambda e: with_tasks(e, {"t1": None}),
        {"acknowledged_is_never_lost"},
    ),
    (
        "an acknowledged task is gone on one peer",
        lambda e: with_tasks(e, {"t2": None}, ("c",)),
        {"acknowledged_is_never_lost", "one_result_on_all_peers"},
    ),
    (
        "what was always refused exists",
        lambda e: with_tasks(e, {"t4": task(4, "failed")}),
        {"refused_is_never_applied", LINEARIZABLE},
    ),
    (
        "a key has two tasks",
        lambda e: with_tasks(e, {"t9": structs.replace(task(9, "failed"), key="k1")}),
        {"repeated_is_never_doubled", LINEARIZABLE},
    ),
    (
        "a repeated submission was told another task",
        lambda e: with_asked(e, asked(4, "submit", "k1", 90, task="t2", state="ready")),
        {"repeated_is_never_doubled", LINEARIZABLE},
    ),
    (
        "a task nobody submitted",
        lambda e: with_tasks(e, {"t9": task(9, "failed")}),
        {"nothing_exists_that_nobody_asked_for", LINEARIZABLE},
    ),
    (
        "a task does not end",
        lambda e: with_tasks(e, {"t2": task(2, "ready", 2, 4)}),
        {"every_accepted_task_ends"},
    ),
    (
        "one peer tells another result",
        lambda e: with_tasks(e, {"t2": task(2, "failed", 2, 4)}, ("b",)),
        {"one_result_on_all_peers", LINEARIZABLE},
    ),
    (
        "what was told to be cancelled has succeeded",
        lambda e: structs.replace(with_tasks(e, {"t3": task(3)}), effects=[*(e.effects or ()), effect(3)]),
        {"cancelled_stays_cancelled", "an_end_is_never_taken_back", LINEARIZABLE},
    ),
    (
        "a look does not find what was acknowledged before",
        lambda e: with_asked(e, asked(5, "look", "k1", 90, "refused", status=404, task="t1")),
        {"what_was_acknowledged_is_seen", LINEARIZABLE},
    ),
    (
        "an end that was told is taken back",
        lambda e: with_asked(e, asked(5, "look", "k1", 90, task="t1", state="running", fence=1)),
        {"an_end_is_never_taken_back", LINEARIZABLE},
    ),
    ("a second leader of a term", lambda e: with_views(e, view("b", 2.5, "leader")), {"one_leader_per_term"}),
    ("another state at the same index", lambda e: with_views(e, view("b", 2.5, state="x")), {"replicas_agree"}),
    (
        "a peer that stays behind",
        lambda e: structs.replace(e, final=[*e.final[:2], view("c", 3.0, index=11, state="h11")]),
        {"replicas_agree"},
    ),
    (
        "a quarantined peer",
        lambda e: structs.replace(e, final=[structs.replace(one, quarantined="differs") for one in e.final]),
        {"replicas_agree"},
    ),
    ("a 500", lambda e: with_asked(e, asked(5, "look", "k1", 90, "unknown", status=500)), {"answers_are_defined"}),
    ("a peer that ended by itself", incident("peers_stay_up"), {"peers_stay_up"}),
    ("a damaged peer that started", incident("damage_is_refused"), {"damage_is_refused"}),
    (
        "the effect of a result is not in the file",
        lambda e: structs.replace(e, effects=(e.effects or [])[1:]),
        {"results_belong_to_attempts_that_ran"},
    ),
    (
        "a result of an attempt under another fence",
        lambda e: with_tasks(e, {"t2": structs.replace(task(2, attempt=2, fence=4), fence=5)}),
        {"results_belong_to_attempts_that_ran"},
    ),
    (
        "fences that fall",
        lambda e: structs.replace(e, effects=[effect(1), effect(2, 1, 5), effect(2, 2, 4)]),
        {"fences_rise"},
    ),
    (
        "one attempt under two fences",
        lambda e: structs.replace(e, effects=[*(e.effects or ()), effect(1, 1, 2)]),
        {"fences_rise"},
    ),
    (
        "one fence run under twice",
        lambda e: structs.replace(e, effects=[*(e.effects or ()), structs.replace(effect(1), pid=18)]),
        {"fences_rise"},
    ),
]


def test_the_evidence_of_a_good_run_passes_and_every_check_has_looked_at_something() -> None:
    verdicts = [*checks.judge(good()), judge_history(history_lines(good()))]
    assert {verdict.check: verdict.breaches for verdict in verdicts if verdict.breaches} == {}
    assert all(verdict.looked_at for verdict in verdicts)


@pytest.mark.parametrize(("tamper", "seen_by"), [one[1:] for one in TAMPERED], ids=[one[0] for one in TAMPERED])
def test_what_was_tampered_with_is_seen_by_the_check_it_concerns_and_by_no_stranger(
    tamper: Tamper, seen_by: set[str]
) -> None:
    assert broken(tamper(good())) == seen_by


def test_every_check_has_a_tampering_that_it_sees() -> None:
    every = {check.__name__ for check in (*checks.OF_ANSWERS, *checks.OF_EFFECTS)} | {LINEARIZABLE}
    assert set().union(*(seen_by for _, _, seen_by in TAMPERED)) == every


def test_where_handlers_leave_no_trace_their_checks_say_so_instead_of_passing() -> None:
    verdicts = {verdict.check: verdict for verdict in checks.judge(structs.replace(good(), effects=None))}
    assert verdicts["fences_rise"].looked_at is None
    assert verdicts["results_belong_to_attempts_that_ran"].looked_at is None


def test_a_check_that_fails_everywhere_tells_the_first_and_the_number_of_the_rest() -> None:
    requests = [asked(n, "submit", f"k{n}", 100 + n, task=f"t{n}") for n in range(10, 60)]
    (verdict,) = [one for one in checks.judge(with_asked(good(), *requests)) if one.breaches]
    assert verdict.check == "acknowledged_is_never_lost"
    assert len(verdict.breaches) == checks.MAX_TOLD + 1
    assert verdict.breaches[-1] == "... and 30 more"


def test_evidence_can_be_written_and_read_again() -> None:
    assert msgspec.json.decode(msgspec.json.encode(good()), type=Evidence) == good()
