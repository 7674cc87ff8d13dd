"""Many runs: told in order, none left out, whatever goes wrong in one of them."""

import pytest

from quorate.consensus.points import POINTS
from quorate.netsim import campaign
from quorate.netsim.campaign import ERROR, OK, Job, Tally, Verdict, empty, interleaved, judge, run
from quorate.netsim.faults.rules import KINDS
from quorate.netsim.points import DISK_POINTS
from quorate.netsim.scenario import Fault, Operation, Scenario
from tests.netsim import fake_play

BAD = Scenario(faults=(Fault(at=1.0, do="kill", on=("a",)),), operations=(Operation(at=0.5, do="submit", key="k"),))


def test_verdicts_come_in_the_order_of_the_jobs_from_several_processes_too() -> None:
    jobs = list(interleaved(("alone", "pair"), {"pair": 5}, 2))
    assert [(job.profile, job.seed) for job in jobs] == [("alone", 0), ("pair", 5), ("alone", 1), ("pair", 6)]
    together = list(run(jobs, 2))
    assert [(verdict.profile, verdict.seed) for verdict in together] == [(job.profile, job.seed) for job in jobs]
    assert [verdict.digest for verdict in together] == [verdict.digest for verdict in run(jobs, 1)]
    assert all(verdict.check == OK for verdict in together)


def test_whoever_stops_listening_stops_the_campaign() -> None:
    played = []

    def judging(job: Job) -> Verdict:
        played.append(job.seed)
        return Verdict(job.profile, job.seed, OK)

    verdicts = run(interleaved(("x",), {}, None), 1, judging)
    assert next(verdicts).seed == 0
    verdicts.close()
    assert played == [0]


def test_what_a_run_broke_is_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "play", fake_play.play)
    verdict = judge(Job("mine", 0, BAD))
    assert (verdict.check, verdict.text, verdict.at, verdict.bad) == ("kept", "somebody was killed", 1.0, True)


def test_a_scenario_that_shows_a_bug_is_bad_when_it_no_longer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "play", fake_play.play)
    shows = Scenario(faults=BAD.faults, operations=BAD.operations, expect="kept")
    assert not judge(Job("mine", 0, shows)).bad
    assert judge(Job("mine", 0, Scenario(expect="kept"))).bad


def test_an_error_of_the_simulator_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_scenario: Scenario) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(campaign, "play", fails)
    verdict = judge(Job("mine", 0, BAD))
    assert (verdict.check, verdict.text, verdict.bad) == (ERROR, "ZeroDivisionError: by zero", True)


def test_tables_add_up_and_show_what_was_never_met() -> None:
    tally: Tally = empty()
    points = {*POINTS, *DISK_POINTS.values()}
    assert set(tally.never_met()) == {f"fault {kind}" for kind in KINDS} | {f"point {point}" for point in points}
    tally.add(Verdict("p", 3, OK, faults={"kill": 2}, points={"flush.done": 1}, checks={"kept": 5}, virtual_s=2.0))
    tally.add(Verdict("p", 4, "kept", faults={"kill": 1}, checks={"kept": 1}, virtual_s=3.0))
    tally.add(Verdict("p", 5, "kept"))
    row = tally.profiles["p"]
    assert (row.seeds, row.bad, row.first_bad, row.virtual_s) == (3, 2, 4, 5.0)
    assert (tally.faults["kill"], tally.checks["kept"], tally.violations) == (3, 6, {"kept": 2})
    assert not {"fault kill", "point flush.done"} & set(tally.never_met())
    assert tally.faults["freeze"] == 0
