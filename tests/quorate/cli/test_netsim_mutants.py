"""`quorate netsim mutants`: a bug that nothing notices is told by name, and by the exit code."""

import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.cli import main


def row(mutant: str, caught_by: str) -> Any:
    return SimpleNamespace(
        mutant=mutant,
        hole="",
        breaks="answers before it is written",
        caught_by=caught_by,
        check="kept" if caught_by else "",
        text="",
        seed=3,
        seeds=4,
        seconds=0.5,
        survived=not caught_by,
    )


ROWS = {"open_the_gate": row("open_the_gate", "plain"), "forget_keys": row("forget_keys", "")}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, int, int]]:
    """What the hunt is asked for; it finds what ROWS says."""
    given: list[tuple[object, int, int]] = []

    def hunt(names: tuple[str, ...] | None, seeds: int, jobs: int, progress: Callable[[Any], None]) -> list[Any]:
        given.append((names, seeds, jobs))
        found = [ROWS[name] for name in names or ROWS]
        for one in found:
            progress(one)
        return found

    monkeypatch.setitem(sys.modules, "quorate.netsim.mutants", SimpleNamespace(MUTANTS=ROWS, hunt=hunt))
    return given


def test_a_survivor_is_7_and_named(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["netsim", "mutants", "--jobs", "1"]) == 7
    out, error = capsys.readouterr()
    assert "1 of 2 mutants were caught by nothing: forget_keys." in error
    assert "open_the_gate: caught by plain (4 runs, 0.5 s)" in error
    assert "open_the_gate" in out
    assert asked == [(None, 20, 1)]


def test_one_that_is_caught_is_0_and_programs_get_json(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["netsim", "mutants", "open_the_gate", "--seeds", "3", "--jobs", "2", "-o", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["mutant"], told["caught_by"], told["survived"]) == ("open_the_gate", "plain", False)
    assert main(["netsim", "mutants", "open_the_gate", "--seeds", "3", "--jobs", "2"]) == 0
    assert capsys.readouterr().out.endswith("Every mutant was caught (1 of 1).\n")
    assert asked == [(("open_the_gate",), 3, 2)] * 2


def test_a_name_that_is_none_is_1_and_nothing_is_hunted(
    asked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["netsim", "mutants", "open_the_gates"]) == 1
    assert "got 'open_the_gates', which is no mutant; expected, for example, open_the_gate" in capsys.readouterr().err
    assert main(["netsim", "mutants", "no_such_bug"]) == 1
    assert "without names all are played and listed" in capsys.readouterr().err
    assert asked == []
