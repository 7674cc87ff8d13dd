"""What a user gets from `pip install quorate`.

Law: the wheel holds every module of the product and nothing else, and works without the checkout.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("node", "consensus", "scheduling", "netsim")

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import quorate
assert quorate.__file__.startswith(sys.prefix), quorate.__file__
names = [found.name for found in pkgutil.walk_packages(quorate.__path__, "quorate.")]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(*names)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The command's output, or a failing test with all it said. Nothing in its environment points to the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, f"{command}: exit {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the index would: source archive first, then the wheel from that archive alone."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; the dependencies are lent by the environment that runs the tests.

    They are lent by a .pth file: one that such a folder contains itself, as the editable install's, is not followed.
    """
    home = tmp_path_factory.mktemp("user")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=home,
    )
    (site_packages,) = home.glob("lib/python3*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "lent.pth").write_text("\n".join(sorted(lent)))
    return home


def test_the_wheel_holds_the_product_and_nothing_else(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in packed} == {"quorate"}

    public = {path for path in (ROOT / "quorate").rglob("*.py") if path.relative_to(ROOT).parts[1] not in LAYERS}
    expected = {path.relative_to(ROOT).as_posix() for path in public} | {"quorate/py.typed"}
    for layer in LAYERS:
        expected |= {f"quorate/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / layer).rglob("*.py")}
    assert {name for name in packed if name.endswith((".py", "py.typed"))} == expected
    data = {path for path in (ROOT / "netsim").rglob("*.*") if path.suffix in (".yaml", ".txt", ".html", ".css", ".js")}
    assert data
    assert {f"quorate/{path.relative_to(ROOT).as_posix()}" for path in data} <= packed


def test_every_module_of_the_wheel_can_be_imported_away_from_the_checkout(installed: Path) -> None:
    names = run(installed / "bin" / "python", "-c", IMPORT_EVERYTHING, cwd=installed).split()
    assert {f"quorate.{layer}" for layer in LAYERS} <= set(names)


def test_the_wheel_simulates_a_cluster_and_draws_it(installed: Path) -> None:
    """Nothing of it needs the tests, or a tool of theirs."""
    told = run(
        installed / "bin" / "quorate",
        "netsim",
        "replay",
        "0",
        "--profile",
        "alone",
        "--html",
        "run.html",
        cwd=installed,
    )
    assert "a becomes leader of term 1" in told
    assert (installed / "run.html").read_text().startswith("<!doctype html>")


def test_the_command_of_the_wheel_explains_itself(installed: Path) -> None:
    assert "Usage: quorate" in run(installed / "bin" / "quorate", "--help", cwd=installed)
