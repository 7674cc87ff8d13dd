"""What is made of a bad run: a small scenario in a file that alone repeats it."""

from pathlib import Path

import pytest

from quorate.netsim import finding, reading
from quorate.netsim.finding import investigate, tell
from quorate.netsim.scenario import Fault, Load, Operation, Scenario
from quorate.netsim.trace import Trace
from tests.netsim import fake_play

BAD = Scenario(
    seed=9,
    load=Load(rate=20.0),
    faults=tuple(Fault(at=n / 2, do="kill" if n == 5 else "freeze", on=("a",)) for n in range(20)),
)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "play", fake_play.play)


@pytest.mark.usefixtures("faked")
def test_the_file_repeats_what_was_broken_with_less(tmp_path: Path) -> None:
    found = investigate(BAD, "plain-9", tmp_path / "failures")
    assert found is not None
    again = reading.read(found.file)
    assert [fault.do for fault in again.faults] == ["kill"]
    assert [operation.do for operation in again.operations] == ["submit"]
    assert (again.load, again.seed, again.name) == (None, 9, "plain-9")
    told = tell(again)
    assert (told.check, told.bad, told.digest) == ("kept", True, found.told.digest)
    head = found.file.read_text().splitlines()[:3]
    assert "kept: somebody was killed" in head[0]
    assert f"quorate netsim replay {found.file}" in head[2]
    assert "VIOLATION of kept" in told.words


@pytest.mark.usefixtures("faked")
def test_a_run_that_breaks_nothing_makes_no_file(tmp_path: Path) -> None:
    assert investigate(Scenario(), "plain-1", tmp_path / "failures") is None
    assert not (tmp_path / "failures").exists()


def test_an_error_of_the_simulator_is_told_with_what_happened_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(scenario: Scenario, *, trace: Trace | None = None) -> None:
        if trace is not None:
            trace.note(1.0, "kill", "a")
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(finding, "play", fails)
    told = tell(Scenario(operations=(Operation(at=1.0, do="read"),)))
    assert (told.check, told.bad, told.at) == ("error", True, 1.0)
    assert told.words.splitlines()[-1].strip() == "1.000  VIOLATION of error: ZeroDivisionError: by zero"
