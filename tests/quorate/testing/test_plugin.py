"""The pytest plugin, as a user's test suite meets it."""

import pytest

pytest_plugins = ["pytester"]

PASSES = """
    import quorate, random

    @quorate.task("t.draw")
    def draw():
        return random.random()

    drawn = {}

    def test_draws(cluster):
        cluster.register(draw)
        drawn[cluster.seed] = cluster.submit(draw).result()

    def test_without_a_cluster():
        assert len(set(drawn.values())) == len(drawn)
"""

FAILS = """
    import quorate

    @quorate.task("t.charge")
    def charge(order):
        cluster_of_the_test.effect("charged", order=order)

    def test_charges(cluster):
        global cluster_of_the_test
        cluster_of_the_test = cluster
        cluster.register(charge)
        cluster.options(key="o-1").submit(charge, order="o-1").result()
        assert cluster.seed != 3
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite of its own, in a process of its own, where the plugin is found by its entry point or by name."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider")
    return pytester


def ran(suite: pytest.Pytester, *args: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "no:asyncio", *args)


def test_a_test_runs_once_unless_more_seeds_are_asked_for(suite: pytest.Pytester) -> None:
    suite.makepyfile(PASSES)
    ran(suite).assert_outcomes(passed=2)
    result = ran(suite, "-v", "--quorate-seeds", "5")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_draws[[]seed=0[]] PASSED*", "*test_draws[[]seed=4[]] PASSED*"])


def test_a_failing_seed_is_told_with_its_story_and_with_what_repeats_it(suite: pytest.Pytester) -> None:
    path = suite.makepyfile(FAILS)
    result = ran(suite, "--quorate-seeds", "5")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*simulated cluster, seed 3*",
            "*t.charge o-1 is accepted",
            "*charged order='o-1' (by t.charge o-1 on ?, fence 1)",
            f"This seed alone:  pytest '{path.name}::test_charges[[]seed=3[]]' --quorate-seed 3",
        ]
    )
    again = ran(suite, f"{path.name}::test_charges[seed=3]", "--quorate-seed", "3")
    again.assert_outcomes(failed=1)
    story = [line for line in result.outlines if " (by t.charge " in line or "digest" in line]
    assert story
    assert story == [line for line in again.outlines if " (by t.charge " in line or "digest" in line]


def test_a_mark_gives_peers_and_seeds_and_the_option_wins(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.quorate(peers=5, seeds=3)
        def test_five(cluster):
            assert len(cluster.peers) == 5
        """
    )
    ran(suite).assert_outcomes(passed=3)
    ran(suite, "--quorate-seeds", "2").assert_outcomes(passed=2)
    ran(suite, "--quorate-seed", "77").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "words"),
    [("peer=5", "takes check, peers, seeds; got peer"), ("peers=0", "expected 1 to 9"), ("check=1", "True or False")],
)
def test_a_mark_that_makes_no_sense_is_refused_by_name(suite: pytest.Pytester, mark: str, words: str) -> None:
    suite.makepyfile(f"import pytest\n@pytest.mark.quorate({mark})\ndef test_it(cluster): cluster.run(0)")
    result = ran(suite)
    assert result.ret != 0
    assert words in result.stdout.str() + result.stderr.str()


def test_options_that_make_no_sense_are_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile(PASSES)
    for option, value, words in (
        ("--quorate-seeds", "0", "got '0', expected how many seeds: 1 to 1,000,000"),
        ("--quorate-seed", "-1", "got '-1', expected one seed: a whole number from 0 on"),
        ("--quorate-seed", "ten", "got 'ten', expected one seed"),
    ):
        result = ran(suite, f"{option}={value}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert words in result.stderr.str()


def test_the_name_of_a_failure_is_enough_to_repeat_it(suite: pytest.Pytester) -> None:
    """As it stands in pytest's summary; other tests of the same call keep their seeds."""
    path = suite.makepyfile(FAILS)
    other = suite.makepyfile(test_other=PASSES)
    result = ran(suite, "-v", f"{path.name}::test_charges[seed=3]", other.name)
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*test_charges[[]seed=3[]] FAILED*", "*test_draws[[]seed=0[]] PASSED*"])


def test_the_clusters_own_promises_are_checked_within_the_test_unless_told_otherwise(suite: pytest.Pytester) -> None:
    """A broken promise is a failure of that test, not an error beside it."""
    suite.makepyfile(
        """
        import pytest
        from quorate.netsim.violation import Violation

        def broken(*args):
            raise Violation("planted", "on purpose")

        def test_checked(cluster):
            cluster.run(1)
            cluster._promises.check = broken

        @pytest.mark.quorate(check=False)
        def test_not_checked(cluster):
            cluster.run(1)
            cluster._promises.check = broken
        """
    )
    result = ran(suite)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Violation: planted: on purpose", "*This seed alone:*test_checked*"])


def test_a_suite_that_asks_for_no_cluster_pays_nothing_for_the_plugin(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import sys

        def test_nothing():
            engine = ("quorate.node", "quorate.consensus", "quorate.netsim", "quorate.testing.cluster")
            assert not [name for name in sys.modules if name.startswith(engine)]
        """
    )
    ran(suite).assert_outcomes(passed=1)


def test_importing_the_plugin_without_pytest_says_what_to_do() -> None:
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "import quorate.testing\n"
        "quorate.testing.Cluster\n"
        "try: import quorate.testing.plugin\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install pytest" in ran.stdout
