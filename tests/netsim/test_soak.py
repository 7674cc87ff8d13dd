"""A soak goes on where the last one stopped, and stops at the first broken promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.netsim import campaign, soak
from quorate.netsim.campaign import Job, Verdict


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that cost nothing; seed 5 breaks a promise."""

    def judge(job: Job) -> Verdict:
        kept = job.seed == 5 and job.scenario is None
        return Verdict(job.profile, job.seed, "kept" if kept else "ok", faults={"kill": 1}, virtual_s=1.0)

    def run(jobs: Iterator[Job], processes: int) -> Iterator[Verdict]:
        return campaign.run(jobs, processes, judge)

    monkeypatch.setattr(soak, "run", run)


def seeds(path: Path, commit: str, number: int) -> list[int]:
    left = iter(range(number))
    return [v.seed for v, _ in soak.soak(path, commit, 1, lambda: next(left, None) is not None, ("plain",))]


def test_it_goes_on_with_the_first_seed_nobody_has_played(tmp_path: Path) -> None:
    path = tmp_path / "soak" / "table.json"
    assert seeds(path, "one", 1) == [0, 1]
    assert seeds(path, "one", 0) == [2]
    assert seeds(path, "two", 0) == [3]
    table = soak.load(path)
    assert table.next_seed == {"plain": 4}
    assert [table.commits[name].profiles["plain"].seeds for name in ("one", "two")] == [3, 1]
    assert table.commits["one"].faults["kill"] == 3


def test_it_stops_at_the_first_broken_promise(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    assert seeds(path, "one", 100) == [0, 1, 2, 3, 4, 5]
    row = soak.load(path).commits["one"].profiles["plain"]
    assert (row.seeds, row.bad, row.first_bad) == (6, 1, 5)


def test_a_profile_that_was_left_behind_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    assert seeds(path, "one", 1) == [0, 1]
    first, _ = next(soak.soak(path, "one", 1, lambda: True, ("plain", "five")))
    assert (first.profile, first.seed) == ("five", 0)


def test_what_is_not_a_table_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('{"next_seed": [1]}')
    with pytest.raises(ValueError, match="move it away"):
        seeds(path, "one", 1)
    assert path.read_text() == '{"next_seed": [1]}'


def test_whoever_stops_in_the_middle_has_counted_what_was_played(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    soaking = soak.soak(path, "one", 1, lambda: True, ("plain",))
    next(soaking)
    soaking.close()
    assert soak.load(path).next_seed == {"plain": 1}


def test_each_scenario_file_is_played_before_any_seed_is_drawn(tmp_path: Path) -> None:
    """Under a seed that it has not been played under; a bad one can be played again from its verdict."""
    path = tmp_path / "table.json"
    files = len(soak.scenarios(0))
    for round_ in range(2):
        soaking = soak.soak(path, "one", 1, lambda: True)
        played = [next(soaking)[0] for _ in range(files + 1)]
        soaking.close()
        assert {verdict.profile for verdict in played[:-1]} == {soak.SCENARIOS}
        assert played[-1].profile != soak.SCENARIOS
        assert [verdict.seed for verdict in played[:-1]] == [*range(round_ * files, (round_ + 1) * files)]
    names = {soak.job_of(soak.SCENARIOS, number).drawn().name for number in range(files)}
    assert len(names) == files
    assert soak.job_of(soak.SCENARIOS, files + 1).drawn().seed == files + 1
    assert soak.job_of("plain", 3) == Job("plain", 3)
