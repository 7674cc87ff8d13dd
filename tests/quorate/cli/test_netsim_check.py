"""`quorate netsim check` tells by its exit code whether a history is linearizable, and shows why it is not."""

import json
import random
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

import pytest

from quorate.cli import main
from quorate.cli.netsim_check import MODEL_NAMES
from quorate.netsim.linear import MODELS
from tests.netsim.linear import drawn

STALE = """\
{"process": 1, "type": "invoke", "f": "write", "value": 1, "key": "x"}
{"process": 1, "type": "ok", "f": "write", "value": 1, "key": "x"}
{"process": 1, "type": "invoke", "f": "write", "value": 2, "key": "x"}
{"process": 1, "type": "ok", "f": "write", "value": 2, "key": "x"}
{"process": 2, "type": "invoke", "f": "read", "key": "x"}
{"process": 2, "type": "ok", "f": "read", "value": 1, "key": "x"}
"""


class Ran(NamedTuple):
    code: int
    out: str


def run(*args: str, text: str = "") -> Ran:
    with redirect_stdout(TextIOWrapper(BytesIO())) as out, redirect_stderr(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", TextIOWrapper(BytesIO(text.encode())))
        code = main(["netsim", "check", *args])
        out.flush()
        return Ran(code, out.buffer.getvalue().decode())


def test_a_linearizable_history_is_0(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text(STALE.replace('"read", "value": 1', '"read", "value": 2'))
    ran = run(str(file), "--model", "register")
    assert ran.code == 0
    assert ran.out.startswith("Linearizable: 3 operations on 1 key")


def test_one_that_is_not_is_7_and_the_shortest_part_is_told_line_by_line() -> None:
    ran = run("-", "--model", "register", text=STALE)
    assert ran.code == 7
    assert 'on key "x"' in ran.out
    assert "The shortest part that cannot be ordered, whatever the state was before:" in ran.out
    assert "  1  lines 3-4  process 1  write 2\n  2  lines 5-6  process 2  read -> 1\n" in ran.out
    assert "The longest order that works: 1. After it the object is 2." in ran.out
    assert "Next would be 2 (read -> 1), answered at line 6." in ran.out


def test_operations_without_a_key_are_told_as_such() -> None:
    ran = run("-", "--model", "register", text=STALE.replace(', "key": "x"', ""))
    assert ran.code == 7
    assert "no order of the operations without a key explains" in ran.out


def test_an_empty_history_is_refused_for_it_says_nothing() -> None:
    ran = run("-", "--model", "register", text="\n")
    assert ran.code == 1
    assert "there is no operation in it" in ran.out


def test_the_example_in_the_help_is_a_history() -> None:
    example = "".join(f"{line.strip()}\n" for line in run("--help").out.splitlines() if line.strip().startswith("{"))
    ran = run("-", "--model", "register", text=example)
    assert ran.out.startswith("Linearizable: 2 operations on 1 key")


def test_the_same_for_programs() -> None:
    ran = run("-", "--model", "register", "-o", "json", text=STALE)
    assert ran.code == 7
    told = json.loads(ran.out)
    assert (told["result"], told["key"], told["operations"]) == ("not linearizable", "x", 3)
    assert [(each["invoked"], each["answered"], each["f"]) for each in told["part"]["operations"]] == [
        (3, 4, "write"),
        (5, 6, "read"),
    ]
    assert told["part"]["stuck"] == 5


def test_a_budget_that_ran_out_is_6_and_never_a_guess() -> None:
    operations = drawn.real("cas-register", random.Random(1), 2_000, 8, 0.0)
    events = sorted(
        [(each.call, "invoke", each, each.given) for each in operations]
        + [(each.ret, "ok", each, each.told) for each in operations]
    )
    text = "\n".join(
        json.dumps({"process": each.process, "type": kind, "f": each.f, "value": value})
        for _, kind, each, value in events
    )
    ran = run("-", "--model", "cas-register", "--budget-s", "0.000001", text=text)
    assert ran.code == 6
    assert ran.out.startswith("Unknown: the budget ran out")
    assert run("-", "--model", "cas-register", text=text).code == 0


@pytest.mark.parametrize(
    ("args", "text", "words"),
    [
        (["-", "--model", "register"], STALE + "{}\n", "line 7, process: is missing"),
        (["-", "--model", "queue"], STALE, "line 1, f: got 'write', expected one of enqueue, dequeue"),
        (["-", "--model", "stack"], STALE, "'stack' is not one of"),
        (["-"], STALE, "--model"),
        (["no such file", "--model", "register"], "", "no such file"),
        (["-", "--model", "register", "--budget-s", "0"], STALE, "--budget-s"),
    ],
)
def test_what_is_no_history_is_1_and_says_where(args: list[str], text: str, words: str) -> None:
    ran = run(*args, text=text)
    assert ran.code == 1
    assert words in ran.out
    assert "inearizable" not in ran.out


def test_what_a_stranger_wrote_does_not_move_the_cursor_of_the_reader() -> None:
    ran = run("-", "--model", "register", text=STALE.replace('"key": "x"', '"key": "\\u001b[2J\\u009b"'))
    assert ran.code == 7
    assert ran.out.replace("\n", "").isprintable()


def test_every_model_has_its_name_here() -> None:
    assert set(MODEL_NAMES) == MODELS.keys()
