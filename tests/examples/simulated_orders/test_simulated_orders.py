"""The tutorial's workflows, under its own tests: the mistake is found, and mended it is gone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "simulated_orders"
TUTORIAL = ROOT / "docs" / "tutorial-testing.md"
SEEDS = 50


def pytest_told(*args: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout


def test_fifty_seeds_find_the_mistake_and_tell_the_second_deed_and_how_to_repeat_it() -> None:
    """The seed that is told fails again, with the same digest."""
    told = pytest_told(str(EXAMPLE), "-k", "naive and every", "--quorate-seeds", str(SEEDS), "-x")
    assert "1 failed" in told, told
    assert re.search(r"assert 2 == 1", told)
    assert re.search(r"fault: [abc] (stopped|cut off)", told)
    repeat = re.search(r"This seed alone:  pytest '(.*)' --quorate-seed (\d+)", told)
    digest = re.search(r"\(digest \w{32}\)", told)
    assert repeat is not None
    assert digest is not None
    assert digest[0] in pytest_told(repeat[1], "--quorate-seed", repeat[2])


def test_the_moment_written_down_as_a_test_fails_on_every_seed() -> None:
    assert "5 failed" in pytest_told(str(EXAMPLE), "-k", "naive and frozen", "--quorate-seeds", "5")


@pytest.mark.slow  # fifty simulated clusters under chaos
@pytest.mark.timeout(400)
def test_mended_with_the_fence_it_keeps_its_word_on_every_seed() -> None:
    told = pytest_told(str(EXAMPLE), "-k", "mended and every", "--quorate-seeds", str(SEEDS))
    assert f"{SEEDS} passed" in told, told
    assert "5 passed" in pytest_told(str(EXAMPLE), "-k", "mended and frozen", "--quorate-seeds", "5")


def test_the_tutorial_shows_the_code_that_is_run(tmp_path: Path) -> None:
    """Its first Python block is a test that passes as it stands, every other stands so in a file of the example."""
    first, *others = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text("utf-8"), re.DOTALL)
    alone = tmp_path / "test_first.py"
    alone.write_text(first, "utf-8")
    told = pytest_told(str(alone), "--rootdir", str(tmp_path), "--quorate-seeds", "3")
    assert "3 passed" in told, told
    sources = "\n\n".join(path.read_text("utf-8") for path in sorted(EXAMPLE.glob("*.py")))
    assert len(others) == 4
    assert [block for block in others if block.strip() not in sources] == []


def test_the_fence_is_all_that_the_mended_workflow_has_more() -> None:
    def bare(name: str) -> str:
        body = (EXAMPLE / f"{name}.py").read_text("utf-8").partition("import quorate")[2]
        return re.sub(r"    fence = quorate\.current\(\)\.fence\n|, fence=fence", "", body).replace(name, "")

    assert bare("mended") == bare("naive")
