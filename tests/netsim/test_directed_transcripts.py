"""The classic situations, each told in words that were read and found right."""

from pathlib import Path

import pytest

from quorate.netsim import reading
from quorate.netsim.finding import tell

FOLDER = Path(reading.__file__).parent / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.yaml"))
LONGEST = 60


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_goes_as_its_transcript_says(file: Path) -> None:
    told = tell(reading.read(file))
    assert not told.bad, f"{told.check}: {told.text}"
    expected = file.with_suffix(".txt").read_text("utf-8")
    update = f"if it is right so: quorate netsim replay netsim/scenarios/{file.name} --write-transcript"
    assert told.words == expected, update


def test_there_is_a_scenario_for_each_classic_situation() -> None:
    assert len(SCENARIOS) >= 12
    assert {file.stem for file in FOLDER.glob("*.txt")} == {file.stem for file in SCENARIOS}


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_says_what_it_shows_and_its_transcript_can_be_read_in_one_go(file: Path) -> None:
    assert file.read_text("utf-8").startswith("# ")
    assert reading.read(file).name
    assert len(file.with_suffix(".txt").read_text("utf-8").splitlines()) <= LONGEST
