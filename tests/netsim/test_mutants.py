"""Every bug made on purpose is noticed by the simulator, and the sound code passes what notices it."""

import pytest

from quorate.netsim.directed import SCENARIOS
from quorate.netsim.directed.stage import SETUP, demand
from quorate.netsim.mutants import MUTANTS, Mutant, Row, catch, hunt
from quorate.netsim.mutants.hunting import run
from quorate.netsim.patch import Patch, Patching
from quorate.netsim.profiles import PROFILES

HOLES = {f"S{number}" for number in range(1, 16)}
RELIED_ON = sorted({known for mutant in MUTANTS.values() if not mutant.scenarios for known in mutant.seeds})
"""By mutants that no directed scenario shows. That other seeds pass is shown where every profile is."""


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_caught(name: str) -> None:
    """By a directed scenario, or by a seed: the known one, or another of its profile."""
    row = catch(name)
    assert not row.survived, f"{name} ({row.breaks}) survived {row.seeds} runs"
    assert row.check
    assert row.text


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_sound_code_passes_each_directed_scenario(scenario: str) -> None:
    """Otherwise that a mutant fails it would say nothing."""
    SCENARIOS[scenario]()


@pytest.mark.parametrize(("profile", "seed"), RELIED_ON)
def test_the_sound_code_passes_each_seed_that_shows_a_mutant(profile: str, seed: int) -> None:
    """Likewise."""
    assert run(None, profile, seed) is None


def test_every_hole_of_the_engine_has_a_mutant_that_opens_it_again() -> None:
    """The findings S1 to S15 about PySyncObj 0.3.17, as the table in consensus/DESIGN.md numbers them."""
    opened = {hole for mutant in MUTANTS.values() for hole in mutant.hole.split(", ")}
    assert opened >= HOLES


def test_what_is_said_to_catch_a_mutant_exists_and_says_what_it_is() -> None:
    """Names in the table are names of scenarios and profiles; each mutant and scenario says in words what it does."""
    for mutant in MUTANTS.values():
        assert mutant.breaks, mutant.name
        assert set(mutant.scenarios) <= set(SCENARIOS), mutant.name
        assert {profile for profile, _ in mutant.seeds} <= set(PROFILES), mutant.name
        assert mutant.scenarios or mutant.seeds, mutant.name
    assert all(scenario.__doc__ for scenario in SCENARIOS.values())
    assert len(MUTANTS) >= 35


def test_every_directed_scenario_catches_a_mutant() -> None:
    """One that catches none shows nothing."""
    used = {scenario for mutant in MUTANTS.values() for scenario in mutant.scenarios}
    assert used == set(SCENARIOS)


def test_a_mutant_that_nothing_notices_is_told_as_a_survivor(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the number of runs that did not notice it."""

    def harmless(_patch: Patching) -> None:
        """It changes nothing."""

    monkeypatch.setitem(MUTANTS, "harmless", Mutant(harmless, "", ("somebody_waits",), (("alone", 0),)))
    seen: list[Row] = []
    (row,) = hunt(["harmless"], seeds=1, progress=seen.append)
    assert seen == [row]
    assert row.survived
    assert (row.mutant, row.breaks, row.seeds) == ("harmless", "It changes nothing.", 2)


def test_a_scenario_whose_moment_did_not_come_about_has_caught_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant may have kept it from coming about, and its promise was not looked at."""

    def harmless(_patch: Patching) -> None:
        """It changes nothing."""

    monkeypatch.setitem(SCENARIOS, "not_set_up", lambda: demand(False, SETUP, "there is no leader"))
    monkeypatch.setitem(MUTANTS, "harmless", Mutant(harmless, "", ("not_set_up",)))
    assert catch("harmless").survived


def test_a_patch_is_taken_back_whatever_happened_meanwhile() -> None:
    """Attributes own and inherited, items there and new, in the opposite order."""

    class Base:
        inherited = 1

    class Derived(Base):
        own = 2

    table = {"there": 1}

    def broken_run() -> None:
        with Patch() as patch:
            patch.setattr(Derived, "own", 3)
            patch.setattr(Derived, "own", 4)
            patch.setattr(Derived, "inherited", 5)
            patch.setitem(table, "there", 6)
            patch.setitem(table, "new", 7)
            patch.setattr(Derived, "unheard", 8)

    with pytest.raises(AttributeError, match="unheard"):
        broken_run()
    assert (Derived.own, Derived.inherited, Base.inherited) == (2, 1, 1)
    assert "inherited" not in vars(Derived)
    assert table == {"there": 1}
