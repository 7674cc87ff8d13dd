"""Style as a test: what a linter cannot see.

Law: an exception to a rule stands in this file beside its reason, and goes when it is no longer needed.
"""

import ast
import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("node", "consensus", "scheduling", "netsim")
PRODUCT = (*LAYERS, "quorate")
CODE = (*PRODUCT, "tests", "examples", "bench")
TEXT = (*CODE, "docs", ".ci", ".github")
TEXT_SUFFIXES = {"", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".md", ".py", ".sh", ".svg", ".toml", ".txt"}
TEXT_SUFFIXES |= {".yaml", ".yml"}

MAX_LINES = 450
# path -> why it reads better as one file
LONG_FILES: dict[str, str] = {}

# path -> why code that is made from text or bytes is safe there
DYNAMIC_CODE: dict[str, str] = {
    "consensus/raft/engine.py": "the audited source of an installed package, known by its SHA-256",
    "tests/consensus/raft/stock.py": "the same source, unguarded, to show what it does",
    "tests/netsim/stock/files.py": "its journal's own source, over simulated files",
    "tests/netsim/stock/peer.py": "the same source, unguarded, in the simulated world",
}

DYNAMIC_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
DYNAMIC_CALLS = {"eval", "exec"}

# path -> why what sleeps there passes no real time
VIRTUAL_SLEEPS: dict[str, str] = {
    "tests/quorate/testing/test_cluster.py": "handlers of a simulated cluster",
    "tests/quorate/testing/test_outside.py": "handlers of a simulated cluster",
}

VAGUE_NAMES = re.compile(r"manager|helper", re.IGNORECASE)
VAGUE_MODULES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}

# "User-Agent" is a header's name.
FOREIGN_WORDS = re.compile(r"(?<!user-)(?<!user_)\bagents?\b", re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(?<![\w.~}/-])/(?:work|root|tmp)(?![\w-])")

UNBOUNDED_QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}

# path -> what bounds the queues there before anything is put in
BOUNDED_BEFORE: dict[str, str] = {
    "node/disk.py": "MAX_WAITING_BYTES, checked in `submit`",
    "node/history/store.py": "one batch in flight, the rest counted by `backlog()`; a reader per thread",
}


def files_below(*folders: str, suffixes: frozenset[str]) -> Iterator[Path]:
    """Real files only: the links in quorate/ lead to folders that are visited under their own names."""
    for folder in folders:
        for here, below, names in os.walk(ROOT / folder):
            below[:] = [name for name in below if name != "__pycache__" and not (Path(here) / name).is_symlink()]
            yield from (Path(here) / name for name in sorted(names) if Path(name).suffix in suffixes)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def code_files(*folders: str) -> list[Path]:
    return list(files_below(*(folders or CODE), suffixes=frozenset({".py"})))


def text_files() -> list[Path]:
    at_top = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".coverage")]
    below = files_below(*TEXT, suffixes=frozenset(TEXT_SUFFIXES))
    return [path for path in (*at_top, *below) if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve()]


def dotted_name(node: ast.expr) -> str:
    """`a.b.c` for a chain of plain names, else what of it is known from the right."""
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    return ((dotted_name(node.func), node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


def definitions(path: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in definitions(path) if not isinstance(node, ast.ClassDef))


def test_no_file_is_longer_than_can_be_read_in_one_go() -> None:
    lengths = {relative(path): len(path.read_text("utf-8").splitlines()) for path in code_files()}
    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES and name not in LONG_FILES}
    assert not too_long, f"split these, or argue in LONG_FILES: {too_long}"
    needless = [name for name in LONG_FILES if lengths.get(name, 0) <= MAX_LINES]
    assert not needless, f"no longer long, so take them out of LONG_FILES: {needless}"


def test_tests_wait_for_facts_and_never_sleep_for_luck() -> None:
    def sleeps(path: Path) -> Iterator[str]:
        for name, call in calls(path):
            yields_only = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            if name == "time.sleep" or (name == "asyncio.sleep" and not yields_only):
                yield f"{relative(path)}:{call.lineno}"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names):
                yield f"{relative(path)}:{node.lineno}"

    found = {relative(path): at for path in code_files("tests") if path.name != "polling.py" if (at := [*sleeps(path)])}
    real = {path: at for path, at in found.items() if path not in VIRTUAL_SLEEPS}
    assert not real, f"use an event, or tests/polling.py: {real}"
    assert found.keys() >= VIRTUAL_SLEEPS.keys(), "needless in VIRTUAL_SLEEPS"


def test_nothing_a_stranger_sends_can_become_code() -> None:
    found = set()
    for path in code_files():
        if any(module.partition(".")[0] in DYNAMIC_MODULES for module, _ in imported_modules(path)):
            found.add(relative(path))
        if any(name.removeprefix("builtins.") in DYNAMIC_CALLS for name, _ in calls(path)):
            found.add(relative(path))
    assert found <= DYNAMIC_CODE.keys(), f"not argued in DYNAMIC_CODE: {sorted(found - DYNAMIC_CODE.keys())}"
    assert found >= DYNAMIC_CODE.keys(), f"needless in DYNAMIC_CODE: {sorted(DYNAMIC_CODE.keys() - found)}"


def test_names_say_what_a_thing_does() -> None:
    vague = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in code_files()
        for node in definitions(path)
        if VAGUE_NAMES.search(node.name)
    ]
    vague += [relative(path) for path in code_files() if {path.stem, path.parent.name} & VAGUE_MODULES]
    assert not vague, f"call it by its job: {vague}"


def test_every_module_says_its_law_first() -> None:
    silent = [relative(path) for path in code_files(*PRODUCT) if tree(path).body and not ast.get_docstring(tree(path))]
    assert not silent, f"no docstring: {silent}"


def test_every_test_states_a_law() -> None:
    mute = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in code_files("tests")
        for node in functions(path)
        if node.name.startswith("test_") and node.name.count("_") < 3 and not ast.get_docstring(node)
    ]
    assert not mute, f"say the law in the name or in a docstring: {mute}"


def test_nothing_is_left_unwritten() -> None:
    """A function whose body is `pass`, or that raises NotImplementedError, is a promise nobody keeps."""

    def is_empty(body: list[ast.stmt]) -> bool:
        statements = [
            node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ]
        return len(statements) == 1 and isinstance(statements[0], ast.Pass)

    def is_unwritten(node: ast.stmt | ast.expr | ast.AST) -> bool:
        if not isinstance(node, ast.Raise) or node.exc is None:
            return False
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return dotted_name(raised) == "NotImplementedError"

    empty = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in code_files(*PRODUCT)
        for node in functions(path)
        if is_empty(node.body) or any(is_unwritten(inner) for inner in node.body)
    ]
    assert not empty, f"write it, or take it out: {empty}"


def test_no_queue_is_without_a_bound() -> None:
    unbounded = [
        f"{relative(path)}:{call.lineno} {name}"
        for path in code_files(*PRODUCT)
        for name, call in calls(path)
        if name.rpartition(".")[2] in UNBOUNDED_QUEUES and not call.args and not call.keywords
        if relative(path) not in BOUNDED_BEFORE
    ]
    assert not unbounded, f"give it a limit, and a clear error at it: {unbounded}"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (FOREIGN_WORDS, "the text speaks of the product only"),
        (MACHINE_PATHS, "a path of one machine means nothing elsewhere"),
    ],
    ids=["words", "paths"],
)
def test_committed_text_speaks_of_the_product_only(pattern: re.Pattern[str], why: str) -> None:
    found = [
        f"{relative(path)}:{number} {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{why}: {found}"


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_has_one_name_in_a_checkout(layer: str) -> None:
    link = ROOT / "quorate" / layer
    assert link.is_symlink(), (
        f"{relative(link)} must be a link to ../{layer} (on Windows: git config core.symlinks true)"
    )
    assert link.resolve() == ROOT / layer


def test_importing_the_client_loads_no_engine() -> None:
    """Whoever only submits tasks pays for a client: `Peer` is loaded when it is first asked for."""
    program = "import quorate, quorate.client, quorate.aio, sys; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    engine = ("pysyncobj", "quorate.consensus", "quorate.node", "quorate.netsim", "quorate.cli")
    loaded = [name for name in ran.stdout.split() if f"{name}.".startswith(tuple(f"{part}." for part in engine))]
    assert not loaded, f"imported although nobody asked for a peer: {loaded}"
