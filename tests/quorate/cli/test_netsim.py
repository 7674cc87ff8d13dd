"""`quorate netsim`: what a person types to try to break the cluster, and what he is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from quorate.cli import main, netsim
from quorate.netsim import campaign, finding, reading
from quorate.netsim.scenario import Fault, Operation, Scenario
from tests.netsim import fake_play

BAD = Scenario(
    name="bad one",
    seed=3,
    faults=(Fault(at=1.0, do="kill", on=("a",)), Fault(at=1.25, do="freeze", on=("b",))),
    operations=(Operation(at=0.5, do="submit", key="k"), Operation(at=0.7, do="read")),
)
GOOD = Scenario(name="good one", seed=3, operations=(Operation(at=0.5, do="submit", key="k"),))


class Ran(NamedTuple):
    code: int
    out: str
    error: str


class Here:
    """An empty folder to work in."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *args: str) -> Ran:
        code = main(["netsim", *args])
        out, error = self._capsys.readouterr()
        assert "Traceback (most" not in error
        return Ran(code, out, error)

    @staticmethod
    def scenario(scenario: Scenario, name: str = "mine.yaml") -> str:
        Path(name).write_text(reading.write(scenario))
        return name


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaign, "play", fake_play.play)
    monkeypatch.setattr(finding, "play", fake_play.play)
    return Here(capsys)


def test_runs_that_break_nothing_are_0_and_every_table_is_shown(here: Here) -> None:
    ran = here.run("run", "--scenario", here.scenario(GOOD), "--seeds", "2", "--jobs", "1")
    assert (ran.code, ran.error) == (0, "")
    for word in ("PROFILE", "mine", "FAULT POINT", "flush.done", "never", "CHECK", "kept", "VIOLATIONS"):
        assert word in ran.out
    assert ran.out.splitlines()[-1].startswith("No promise was broken: 2 runs, ")
    assert not Path("netsim-failures").exists()


def test_a_broken_promise_is_7_and_leaves_a_file_that_repeats_it(here: Here) -> None:
    ran = here.run("run", "--scenario", here.scenario(BAD), "--jobs", "1")
    assert ran.code == 7
    assert "1 of 1 runs broke a promise; the first, mine-3: kept: somebody was killed" in ran.error
    file = Path("netsim-failures/mine-3.yaml")
    assert f"quorate netsim replay {file}" in ran.error
    assert "VIOLATION of kept" in ran.out
    assert [fault.do for fault in reading.read(file).faults] == ["kill"]
    again = here.run("replay", str(file))
    assert again.code == 7
    assert "VIOLATION of kept" in again.out


def test_programs_get_json(here: Here) -> None:
    ran = here.run("run", "--scenario", here.scenario(BAD), "--jobs", "1", "-o", "json")
    told = json.loads(ran.out)
    assert ran.code == 7
    assert (told["bad"][0]["check"], told["bad"][0]["seed"]) == ("kept", 3)
    assert told["files"] == ["netsim-failures/mine-3.yaml"]
    assert told["tally"]["profiles"]["mine"]["seeds"] == 1
    replayed = here.run("replay", "mine.yaml", "-o", "json", "--trace")
    assert json.loads(replayed.out)["events"]


@pytest.mark.parametrize(("scenario", "so_far"), [(GOOD, "no promise was broken"), (BAD, "broken in mine-3 (kept)")])
def test_who_interrupts_a_campaign_is_told_what_was_found_until_then(
    here: Here, monkeypatch: pytest.MonkeyPatch, scenario: Scenario, so_far: str
) -> None:
    def interrupted(jobs: Iterator[campaign.Job], _processes: int) -> Iterator[campaign.Verdict]:
        yield campaign.judge(next(jobs))
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "run", interrupted)
    ran = here.run("run", "--scenario", here.scenario(scenario), "--seeds", "9", "--jobs", "1")
    assert ran.code == 130
    assert f"After 1 of 9 runs: {so_far}." in ran.error


def test_no_run_begins_after_the_time_is_up(here: Here) -> None:
    ran = here.run(
        "run", "--scenario", here.scenario(GOOD), "--seeds", "100000", "--jobs", "1", "--seconds", "0.1", "-o", "json"
    )
    assert 0 < json.loads(ran.out)["tally"]["profiles"]["mine"]["seeds"] < 100_000


def test_a_replay_tells_the_run_and_nothing_else_on_stdout(here: Here) -> None:
    ran = here.run("replay", here.scenario(GOOD))
    assert (ran.code, ran.out) == (0, "    0.000  a starts\n")
    assert "no promise was broken; 20.000 virtual seconds, digest " in ran.error


def test_a_transcript_is_kept_beside_its_scenario(here: Here) -> None:
    ran = here.run("replay", here.scenario(GOOD), "--write-transcript")
    assert (ran.code, Path("mine.txt").read_text()) == (0, ran.out)


def test_a_scenario_that_shows_a_bug_is_7_when_nothing_is_broken_any_more(here: Here) -> None:
    shows = Scenario(name="x", faults=BAD.faults, operations=BAD.operations, expect="kept")
    ran = here.run("replay", here.scenario(shows))
    assert ran.code == 0
    assert "as expected" in ran.error
    ran = here.run("replay", here.scenario(Scenario(name="x", expect="kept")))
    assert ran.code == 7
    assert "nothing was" in ran.error


def test_a_run_is_drawn_as_a_page(here: Here) -> None:
    assert here.run("run", "--scenario", here.scenario(BAD), "--jobs", "1", "--html", "run.html").code == 7
    assert "somebody was killed" in Path("run.html").read_text()
    here.run("replay", "mine.yaml", "--html", "replay.html")
    assert Path("replay.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["run", "--profile", "nothing"], "plain"),
        (["run", "--seeds", "0"], "--seeds"),
        (["run", "--jobs", "0"], "--jobs"),
        (["run", "--scenario", "absent.yaml"], "absent.yaml"),
        (["run", "--scenario", "wrong.yaml"], "wrong.yaml, line 2: faults[0].do"),
        (["replay"], "SEED|FILE"),
        (["replay", "7"], "--profile"),
        (["replay", "7", "--profile", "nothing"], "plain"),
        (["replay", "absent.yaml"], "absent.yaml"),
        (["replay", "wrong.yaml"], "rite one of partition"),
        (["replay", "wrong.yaml", "--profile", "plain"], "no profile"),
        (["replay", "7", "--profile", "plain", "--write-transcript"], "FILE"),
        (["run", "--html", "absent/run.html"], "no folder 'absent'"),
        (["replay", "7", "--profile", "plain", "--html", "absent/run.html"], "no folder 'absent'"),
        (["live", "--html", "absent/run.html"], "no folder 'absent'"),
        (["live", "--keep", "."], "name a folder that does not"),
        (["soak", "--profile", "nothing"], "plain"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_played_is_1_and_nothing_is_played(
    here: Here, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("it was played")

    monkeypatch.setattr(campaign, "play", never)
    monkeypatch.setattr(finding, "play", never)
    Path("wrong.yaml").write_text("faults:\n  - {at: 1, do: explode}\n")
    ran = here.run(*args)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.error


SOAK = ("soak", "--seconds", "0", "--jobs", "1", "--profile", "alone", "--commit", "abc", "--crash-states", "0")


def test_a_soak_goes_on_where_the_last_one_stopped_and_names_what_was_never_met(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "draw", lambda _seed, _profile: GOOD)
    assert here.run(*SOAK).code == 7
    ran = here.run(*SOAK, "-o", "json")
    assert ran.code == 7
    assert "In 2 seeds of abc these were never met: fault " in ran.error
    table = json.loads(ran.out)
    assert table == json.loads(Path(".soak/table.json").read_text())
    assert table["next_seed"] == {"alone": 2}


def test_a_soak_ends_with_the_first_broken_promise_and_its_file(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "draw", lambda _seed, _profile: BAD)
    ran = here.run(*SOAK, "--seconds", "1000")
    assert ran.code == 7
    assert "alone-0 broke a promise: kept: somebody was killed" in ran.error
    assert "quorate netsim replay netsim-failures/alone-0.yaml" in ran.error
    assert Path("netsim-failures/alone-0.yaml").exists()


@pytest.mark.parametrize("name", list(netsim.PARTS))
def test_every_command_that_is_listed_is_there_and_says_what_it_is_for(here: Here, name: str) -> None:
    command = netsim.netsim.get_command(click.Context(netsim.netsim), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str()
