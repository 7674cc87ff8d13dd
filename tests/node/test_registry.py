"""What a peer serves: all its modules hold, or it does not start."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quorate.node.registry import DuplicateHandler, Registry, UnusableModule
from quorate.tasks import task

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module (`a/b` for one in a package) and gives its import name; forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(name: str, code: str) -> str:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, "utf-8")
        return name.removesuffix("/__init__").replace("/", ".")

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


ONE = "import quorate.tasks as q\n@q.task('{name}')\ndef work() -> None: ...\n"


def test_a_module_serves_what_it_and_the_submodules_it_imports_hold(write: Write) -> None:
    write("shopx/payment", ONE.format(name="shopx.charge"))
    write("shopx/unused", ONE.format(name="shopx.unused"))
    package = write("shopx/__init__", "import shopx.payment\n" + ONE.format(name="shopx.ship"))
    registry = Registry()
    registry.load(package)
    assert registry.names() == ("shopx.charge", "shopx.ship")
    assert registry.get("shopx.charge") is not None
    assert registry.get("shopx.unused") is None


def test_one_handler_seen_through_two_modules_is_one_handler(write: Write) -> None:
    write("onex", ONE.format(name="x.one"))
    write("twox", "from onex import work\n")
    registry = Registry()
    registry.load("onex")
    registry.load("twox")
    assert registry.names() == ("x.one",)


def test_two_handlers_of_one_name_are_refused_with_both_places_and_the_first_stays(write: Write) -> None:
    write("firstx", ONE.format(name="x.same"))
    write("secondx", "\n\n" + ONE.format(name="x.same"))
    registry = Registry()
    registry.load("firstx")
    kept = registry.get("x.same")
    with pytest.raises(DuplicateHandler, match=r"firstx\.py:2 and at .*secondx\.py:4"):
        registry.load("secondx")
    assert registry.get("x.same") is kept


@pytest.mark.parametrize(
    ("code", "words", "line"),
    [
        ("import quorate\nx = (\n", "SyntaxError", 2),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero", 3),
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'", 1),
        ("import sys\nsys.exit(1)\n", "SystemExit", 2),
    ],
)
def test_a_module_that_does_not_load_is_named_with_line_and_exception(
    write: Write, code: str, words: str, line: int
) -> None:
    name = write("brokenx", code)
    registry = Registry()
    with pytest.raises(UnusableModule) as caught:
        registry.load(name)
    assert words in str(caught.value)
    assert "'brokenx'" in str(caught.value)
    assert caught.value.file.endswith("brokenx.py")
    assert caught.value.line == line
    assert len(registry) == 0


def test_a_module_that_is_not_there_or_holds_nothing_is_refused_by_name(write: Write) -> None:
    empty = write("emptyx", "x = 1\n")
    registry = Registry()
    with pytest.raises(UnusableModule, match="no module 'missingx' on the import path"):
        registry.load("missingx.deep")
    with pytest.raises(UnusableModule, match=r"it holds none.*@quorate\.task"):
        registry.load(empty)


def test_an_embedding_program_may_give_its_handlers_itself() -> None:
    @task("x.local")
    def local() -> None: ...

    registry = Registry([local])
    assert registry.names() == ("x.local",)


def test_isolation_by_process_needs_a_handler_that_a_child_can_import() -> None:
    @task("x.local", isolation="process")
    def local() -> None: ...

    with pytest.raises(ValueError, match="cannot import it"):
        Registry([local])


def test_what_is_no_handler_is_refused_by_name_and_nothing_is_served() -> None:
    registry = Registry()
    with pytest.raises(
        TypeError, match=r"got <built-in function len>, expected a function under `@quorate.task\(...\)`"
    ):
        registry.add(len)  # type: ignore[arg-type]  # what is tested
    assert not registry.names()
