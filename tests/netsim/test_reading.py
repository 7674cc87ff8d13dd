"""Scenario files: strict to read, and written as what they were."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from quorate.netsim import plain_yaml, reading
from quorate.netsim.profiles import PROFILES
from quorate.netsim.reading import ScenarioError, parse, read, write
from quorate.netsim.scenario import Conditions, Fault, InTurn, Leaf, Load, Operation, Scenario, Together
from quorate.netsim.swarm import draw

EVERYTHING = Scenario(
    name="a name: with # everything",
    seed=7,
    seconds=10.5,
    conditions=Conditions(peers=5, delay_s=(0.00001, 1.0), regions={"on": ("a", "b"), "off": ("c",)}),
    load=Load(rate=1 / 3),
    faults=(
        Fault(at=2.0, do="partition", on=("leader",), for_s=3.0),
        Fault(at=5.0, do="kill_at", on=("c",), amount="journal.rotate"),
        Fault(at=6.0, do="clock_jump", on=("a",), amount=-1e5),
    ),
    operations=(
        Operation(at=1.0, do="submit", key="1e5", flow=InTurn(parts=(Leaf(), Together(parts=(Leaf(run_s=0.1),))))),
        Operation(at=1.5, do="read", via="b", key="no"),
    ),
    expect="one_leader",
)


@pytest.mark.parametrize(
    "scenario",
    [EVERYTHING, Scenario(), Scenario(conditions=replace(Conditions(), peers=3))],
    ids=["everything", "nothing", "usual"],
)
def test_what_is_written_is_read_again_as_the_same(scenario: Scenario) -> None:
    assert parse(write(scenario, ("a note\nof two lines",))) == scenario


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_a_seed_draws_is_within_the_bounds_of_a_file(profile: str) -> None:
    """Otherwise what a failing seed is made into could not be played again."""
    for seed in range(5):
        scenario = draw(seed, PROFILES[profile])
        assert parse(write(scenario)) == scenario


def test_each_fault_and_each_operation_is_one_line() -> None:
    lines = write(EVERYTHING).splitlines()
    assert "  - {at: 2.0, do: partition, on: [leader], for_s: 3.0}" in lines
    assert sum(line.startswith("  - ") for line in lines) == 5


def test_a_word_that_looks_like_a_switch_stays_a_word() -> None:
    assert parse("faults:\n  - {at: 1, do: kill, on: [a]}\noperations: [{at: 1, do: read, key: no}]") == Scenario(
        faults=(Fault(at=1.0, do="kill", on=("a",)),), operations=(Operation(at=1.0, do="read", key="no"),)
    )


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        ("", 1, "", "an empty file"),
        ("- 1", 1, "", "no mapping at the top"),
        ("seed: 1\nseed: [", 2, "", "not YAML"),
        ("seed: x", 1, "seed", "expected `int`, got `str`. Write a whole number."),
        ("faults:\n  - {at: 1, do: kill, on: leader}", 2, "faults[0].on", "Write a list, as in [leader]"),
        ("seconds: 8\nfaults:\n  - {at: 9, do: kill}", 3, "faults[0].at", "from 0 to 8, the `seconds` of this"),
        ("seconds: 8\noperations:\n  - {at: 8.1, do: read}", 3, "operations[0].at", "from 0 to 8"),
        ("seed: 1\nname: b\nseed: 2", 3, "", "already given in line 1"),
        ("seed: 1\nspeed: 2", 2, "speed", "no such field"),
        ("faults:\n  - at: 1\n    do: kill\n    om: [a]", 4, "faults[0].om", "at, do, on, to, for_s, amount"),
        ("faults:\n  - {at: 1, do: kill}\n  - {do: kill}", 3, "faults[1]", "missing required field `at`"),
        ("faults:\n  - {at: 1, do: kill, on: [d]}", 2, "faults[0].on", "a, b, c or of the roles leader"),
        ("faults:\n  - {at: -1, do: kill}", 2, "faults[0].at", "from 0 to"),
        ("faults:\n  - {at: 1, do: explode}", 2, "faults[0].do", "explode"),
        ("faults:\n  - {at: 1, do: kill_at}", 2, "faults[0].amount", "got none, expected one of"),
        ("faults:\n  - {at: 1, do: kill_at, amount: journal}", 2, "faults[0].amount", "journal.rotate"),
        ("faults:\n  - {at: 1, do: disk_full, amount: all}", 2, "faults[0].amount", "enospc, floor"),
        ("faults:\n  - {at: 1, do: clock_rate, amount: 0}", 2, "faults[0].amount", "from 0.1 to 10"),
        ("faults:\n  - {at: 1, do: kill, amount: 1}", 2, "faults[0].amount", "expected none"),
        ("conditions:\n  regions: {east: [d]}", 2, "conditions.regions.east", "a, b, c"),
        ("seed: 1\nconditions:\n  peers: 30", 3, "conditions.peers", "from 1 to 9"),
        ("conditions:\n  delay_s: [1, 0]", 2, "conditions.delay_s", "got 0"),
        ("conditions:\n  delay_s: [1]", 2, "conditions.delay_s", "length 2"),
        ("operations:\n - {at: 1, do: sub}", 2, "operations[0].do", "submit, cancel"),
        ("operations:\n - {at: 1, do: submit, via: z}", 2, "operations[0].via", "'z'"),
        (
            "operations:\n - {at: 1, do: submit, flow: {type: in_turn, parts: []}}",
            2,
            "operations[0].flow.parts",
            "part",
        ),
        (
            "operations:\n - {at: 1, do: submit, flow: {type: loop}}",
            2,
            "operations[0].flow.type",
            "'loop'. Write one of task, in_",
        ),
        ("load: {rate: 0}", 1, "load.rate", "got 0"),
        ("seconds: 3000\nload: {rate: 1000}", 2, "load.rate", "at most 200000 operations in all"),
        ("seconds: 1e999", 1, "seconds", "inf"),
        ("seconds: 4000", 1, "seconds", "3600"),
        ("name: !!python/object/apply:os.system [ls]", 1, "", "tag"),
        ("name: &n x\nexpect: *n", 1, "", "anchor"),
        ("? [a]\n: 1", 1, "", "expected a word"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line_and_field(text: str, line: int, field: str, said: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(text, "f.yaml")
    assert (refused.value.line, refused.value.field) == (line, field)
    assert str(refused.value).startswith(f"f.yaml, line {line}: ")
    assert said in str(refused.value)


def test_a_small_file_cannot_become_a_large_one() -> None:
    deep = "conditions: " + "{a: " * 100 + "1" + "}" * 100
    with pytest.raises(ScenarioError, match="nested too deeply"):
        parse(deep)
    with pytest.raises(ScenarioError, match="nested too deeply"):
        parse("conditions: " + "[" * 100_000)


def test_a_file_that_is_no_scenario_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "big.yaml"
    monkeypatch.setattr(plain_yaml, "MAX_TEXT_BYTES", 100)
    file.write_bytes(b"#" * 101)
    with pytest.raises(ScenarioError, match="longer than 100 bytes"):
        read(file)
    file.write_bytes(b"seed: 1\nname: \xff")
    with pytest.raises(ScenarioError, match="line 2: got byte 0xff"):
        read(file)


def test_a_file_is_read_with_its_name_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(reading.write(EVERYTHING))
    assert read(file) == EVERYTHING
    file.write_text("seed: x")
    with pytest.raises(ScenarioError, match=r"s\.yaml, line 1: seed"):
        read(file)
