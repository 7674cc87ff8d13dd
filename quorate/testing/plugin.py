"""The pytest plugin: the fixture `cluster`, seeds, and what a failing test prints.

Laws:
- A test runs once for each seed, as a test of its own, so that a failing seed has a name and can be repeated alone.
- What the cluster promises is checked within the test, so that a broken promise is a failure of that test.
- Loaded by every pytest run where Quorate is installed: it costs nothing until a test asks for `cluster`.
"""

import argparse
import random
import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "quorate.testing.plugin is a plugin of pytest, which is not installed: pip install pytest"
        " (without pytest: `with quorate.testing.Cluster(seed=1) as cluster:`)"
    ) from error

if TYPE_CHECKING:
    from quorate.testing.cluster import Cluster

SEEDS_MAX = 1_000_000
PEERS_MAX = 9

MARK = "quorate"
MARKS = {"peers", "seeds", "check"}
NAMED = re.compile(r"::(\w+)\[(?:.*-)?seed=(\d+)\]$")
"""A test and its seed, as pytest names a failure: whoever copies that name gets that seed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("quorate", "simulated clusters (the fixture `cluster`)")
    group.addoption(
        "--quorate-seeds",
        type=_count,
        default=None,
        metavar="N",
        help="run each test that uses `cluster` on the seeds 0 to N-1 (default: its mark, else 1)",
    )
    group.addoption("--quorate-seed", type=_seed, default=None, metavar="SEED", help="run them on this seed alone")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(peers=3, seeds=1, check=True): the simulated cluster of a test: how many peers, on how many seeds it"
        " runs, and whether the cluster's own promises are checked at its end",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "quorate_seed" not in metafunc.fixturenames:
        return
    alone = metafunc.config.getoption("quorate_seed")
    if alone is not None:
        seeds = [alone]
    else:
        asked = metafunc.config.getoption("quorate_seeds")
        marked = _marked(metafunc.definition)
        drawn = range(asked if asked is not None else marked.get("seeds", 1))
        seeds = sorted({*drawn, *_named(metafunc.config.args, metafunc.function.__name__)})
    metafunc.parametrize("quorate_seed", seeds, ids=[f"seed={seed}" for seed in seeds])


def _named(args: list[str], function: str) -> set[int]:
    found = (NAMED.search(arg) for arg in args)
    return {_seed(match[2]) for match in found if match is not None and match[1] == function}


@pytest.fixture
def quorate_seed() -> int:
    """The seed this test runs on: everything that is left to chance is drawn from it."""
    return 0  # overridden for each test by `pytest_generate_tests`


@pytest.fixture
def cluster(request: pytest.FixtureRequest, quorate_seed: int) -> "Iterator[Cluster]":
    """A simulated cluster of three peers (`@pytest.mark.quorate(peers=5)`), in virtual time."""
    from quorate.testing.cluster import Cluster

    state = random.getstate()
    random.seed(quorate_seed)  # handlers that use the global generator are repeatable too
    try:
        with Cluster(quorate_seed, peers=_marked(request.node).get("peers", 3)) as made:
            request.node.stash[CLUSTER] = made
            yield made
    finally:
        random.setstate(state)


CLUSTER: "pytest.StashKey[Cluster]" = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    result = yield
    cluster = pyfuncitem.stash.get(CLUSTER, None)
    if cluster is not None and _marked(pyfuncitem).get("check", True):
        cluster.check()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    cluster = item.stash.get(CLUSTER, None)
    if report.failed and call.when == "call" and cluster is not None:
        report.sections.append((f"simulated cluster, seed {cluster.seed}", _told(item, cluster)))
    return report


def _told(item: pytest.Item, cluster: "Cluster") -> str:
    return (
        f"{cluster.story()}\n\nTimes are virtual seconds. The same seed is the same run, to the last bit"
        f" (digest {cluster.digest}).\nThis seed alone:  pytest '{item.nodeid}' --quorate-seed {cluster.seed}"
    )


def _marked(node: Any) -> dict[str, Any]:
    """What the closest mark says. Raises pytest.UsageError naming what is wrong."""
    mark = node.get_closest_marker(MARK)
    if mark is None:
        return {}
    if mark.args or not mark.kwargs.keys() <= MARKS:
        wrong = ", ".join([*map(repr, mark.args), *sorted(mark.kwargs.keys() - MARKS)])
        raise pytest.UsageError(f"{node.nodeid}: @pytest.mark.{MARK} takes {', '.join(sorted(MARKS))}; got {wrong}")
    peers, seeds, check = mark.kwargs.get("peers", 3), mark.kwargs.get("seeds", 1), mark.kwargs.get("check", True)
    for name, value, most in (("peers", peers, PEERS_MAX), ("seeds", seeds, SEEDS_MAX)):
        if type(value) is not int or not 1 <= value <= most:
            raise pytest.UsageError(f"{node.nodeid}: {name} of @pytest.mark.{MARK} is {value!r}, expected 1 to {most}")
    if type(check) is not bool:
        raise pytest.UsageError(f"{node.nodeid}: check of @pytest.mark.{MARK} is {check!r}, expected True or False")
    return dict(mark.kwargs)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= SEEDS_MAX:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected how many seeds: 1 to {SEEDS_MAX:,}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected one seed: a whole number from 0 on")
    return int(text)
