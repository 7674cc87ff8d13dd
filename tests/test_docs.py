"""What the documents say is there is there.

Law: a promise has one wording; a row of the feature list names files and tests that exist; a link leads somewhere.
"""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FEATURES = ROOT / "docs" / "features.md"
TESTING = ROOT / "docs" / "testing.md"

ROW = re.compile(r"^\| ([A-F]\d+) \| (.*) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:tests|netsim|consensus|scheduling|node|quorate|examples|bench|docs)/[\w./-]+)(?:::(\w+))?`")
PROMISE = re.compile(r"^\d\. .*(?:\n   .*)*", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@functools.cache
def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def missing(text: str) -> list[str]:
    """Paths and tests named in backticks that are not in the tree."""
    lost = []
    for name, function in NAMED.findall(text):
        path = ROOT / name
        if not path.exists():
            lost.append(name)
        elif function and function not in functions_of(path):
            lost.append(f"{name}::{function}")
    return lost


def promises(document: Path) -> list[str]:
    return PROMISE.findall(document.read_text("utf-8"))


def test_the_readme_repeats_the_promises_word_for_word() -> None:
    """One wording: docs/promises.md."""
    told = promises(ROOT / "docs" / "promises.md")
    assert [promise[0] for promise in told] == list("123456789")
    assert promises(ROOT / "README.md") == told


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_tests_that_a_document_names_exist(document: Path) -> None:
    """And so do the targets of its links."""
    text = document.read_text("utf-8")
    links = [target for target in LINK.findall(text) if not (document.parent / target).exists()]
    assert not missing(text) + links


def test_a_row_of_the_feature_list_names_where_it_lives_and_what_proves_it() -> None:
    """A row without a test is not done."""
    rows = ROW.findall(FEATURES.read_text("utf-8"))
    numbers = [number for number, *_ in rows]
    assert numbers == sorted(set(numbers), key=lambda number: (number[0], int(number[1:])))
    assert len(numbers) == FEATURES.read_text("utf-8").count("\n| ") - 1, "a row that cannot be read"
    for number, what, where, test, command in rows:
        assert what, number
        assert NAMED.search(where) or where == "`pyproject.toml`", number
        assert any(function.startswith("test_") for _, function in NAMED.findall(test)), number
        assert command.startswith("`"), number


def test_commands_of_the_feature_list_are_commands() -> None:
    """Each `quorate ...` is one that the program knows, each `make ...` a target."""
    commands = "\n".join(row[4] for row in ROW.findall(FEATURES.read_text("utf-8")))
    run = [sys.executable, "-m", "quorate.cli"]
    told = subprocess.run([*run, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    for verb in sorted(set(re.findall(r"`quorate (\w+)", commands))):
        assert re.search(rf"^  {verb} ", told, re.MULTILINE), verb
    targets = (ROOT / "Makefile").read_text("utf-8")
    for target in sorted(set(re.findall(r"`make (\w+)`", commands))):
        assert f"\n{target}:" in targets, target


def test_every_requirement_is_either_a_row_or_named_as_not_built() -> None:
    """Nothing is left unsaid."""
    text = FEATURES.read_text("utf-8")
    built = {number for number, *_ in ROW.findall(text)}
    unbuilt = set()
    for letter, first, last in re.findall(r"\b([A-F])(\d+)(?:-[A-F](\d+)|(?!\d))", text.rpartition("Not built")[2]):
        unbuilt |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    everything = {"A": 9, "B": 15, "C": 13, "D": 4, "E": 13, "F": 19}
    expected = {f"{letter}{number}" for letter, last in everything.items() for number in range(1, last + 1)}
    assert not built & unbuilt
    assert built | unbuilt == expected


def test_every_promise_that_is_built_has_a_test_and_a_mutant() -> None:
    """The table of docs/testing.md, against the mutants there are."""
    rows = re.findall(r"^\| (\d) \| (.*) \| (.*) \|$", TESTING.read_text("utf-8"), re.MULTILINE)
    mutants = set().union(*(functions_of(path) for path in (ROOT / "netsim" / "mutants").glob("of_*.py")))
    mutants |= functions_of(ROOT / "tests" / "node" / "http" / "test_mutants.py")
    assert {number for number, *_ in rows} == set("12345679")
    for number, tests, broken in rows:
        assert NAMED.search(tests), number
        named = re.findall(r"`(\w+)`", broken)
        assert named, number
        assert not set(named) - mutants, number
    told = set(re.findall(r"`(\w+)`", " ".join(row[2] for row in rows)))
    used = (ROOT / "tests" / "netsim" / "test_broken_promises.py").read_text("utf-8")
    promised = set(re.findall(r'Mutant\(\s*"\d",\s*broken\.(\w+)', used))
    assert promised <= told, f"not in the table: {promised - told}"
