"""The places where a peer may die are named, each is somewhere in the code, and in production they do nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import quorate.consensus
from quorate.consensus.points import POINTS, UNWATCHED

ROOT = Path(next(iter(quorate.consensus.__path__)))
CALLS = {"reach", "_reach"}


def _reached() -> Iterator[tuple[str, str]]:
    """(where, point) of every call in the source; a name that is no constant is told as what it looks like."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.name == "points.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in CALLS:
                (argument,) = node.args
                point = argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument)
                yield f"{path.name}:{node.lineno}", str(point)


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def test_every_named_point_is_reached_somewhere() -> None:
    assert set(POINTS) - {point for _, point in _reached()} == set()


def test_every_call_reaches_a_named_point() -> None:
    assert [(where, point) for where, point in _reached() if point not in POINTS] == []


def test_there_are_enough_points_and_each_says_what_is_lost() -> None:
    assert len(POINTS) >= 35
    assert [point for point, lost in POINTS.items() if len(lost.split()) < 5] == []


def test_unwatched_every_point_is_passed_by() -> None:
    """In production a process does not die, nor count anything, at a point."""
    before = dict(vars(type(UNWATCHED)))
    for point in POINTS:
        UNWATCHED.reach(point)
    assert dict(vars(type(UNWATCHED))) == before
    assert vars(UNWATCHED) == {}
