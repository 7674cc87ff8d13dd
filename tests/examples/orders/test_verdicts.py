"""A mishap that proved nothing, or that the cluster did not stand, is seen."""

import msgspec
import pytest

from examples.orders.attempts import Begun
from examples.orders.mishaps import Mishap
from examples.orders.order import Step
from examples.orders.verdicts import judge, logs_clean

KILL = Mishap("killed", "a", running=9, led_again_s=1.1, back_s=0.8, returned_ns=5_000_000_000)
FREEZE = Mishap("frozen", "b", running=7, led_again_s=0.1, back_s=0.2, returned_ns=9_000_000_000)
WORKED = [
    Begun(20_000_000_000, 0, "a", 11, Step.PAY, "1", 1, 1),
    Begun(20_000_000_000, 0, "b", 12, Step.PAY, "2", 1, 2),
]


def failed(mishaps: list[Mishap], begun: list[Begun]) -> set[str]:
    return {finding.name for finding in judge(mishaps, begun) if not finding.ok}


def test_a_bad_day_that_was_stood() -> None:
    assert failed([KILL, FREEZE], WORKED) == set()


def test_a_mishap_that_was_repeated_counts_by_its_best() -> None:
    assert failed([msgspec.structs.replace(KILL, running=2), KILL, FREEZE], WORKED) == set()


@pytest.mark.parametrize(
    ("mishaps", "begun", "seen"),
    [
        ([msgspec.structs.replace(KILL, running=4), FREEZE], WORKED, {"kill hit running work"}),
        ([KILL, msgspec.structs.replace(FREEZE, running=4)], WORKED, {"freeze hit running work"}),
        ([msgspec.structs.replace(KILL, led_again_s=2.1), FREEZE], WORKED, {"led again after the kill"}),
        ([msgspec.structs.replace(KILL, led_again_s=None), FREEZE], WORKED, {"led again after the kill"}),
        ([msgspec.structs.replace(KILL, led_again_s=2.1), KILL, FREEZE], WORKED, {"led again after the kill"}),
        ([msgspec.structs.replace(KILL, back_s=None), FREEZE], WORKED, {"killed peer back by itself"}),
        ([KILL, FREEZE], WORKED[1:], {"killed peer back by itself"}),
        ([KILL, FREEZE], WORKED[:1], {"frozen peer back by itself"}),
        ([KILL], WORKED, {"freeze hit running work", "frozen peer back by itself"}),
    ],
)
def test_what_was_not_stood_is_seen(mishaps: list[Mishap], begun: list[Begun], seen: set[str]) -> None:
    assert failed(mishaps, begun) == seen


def test_work_done_before_the_return_is_no_proof_of_it() -> None:
    early = [msgspec.structs.replace(one, at_ns=1) for one in WORKED]
    assert failed([KILL, FREEZE], early) == {"killed peer back by itself", "frozen peer back by itself"}


CALM = [
    "2026-11-20 22:39:49 [info     ] started                        peer=a state=fresh",
    "2026-11-20 22:39:50 [warning  ] transport.unreachable          peer=b why='ConnectionRefusedError: refused'",
]


def test_a_warning_about_a_peer_that_is_gone_is_no_error() -> None:
    assert logs_clean({"gateway": [], "a": CALM}).ok


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-20 22:39:51 [error    ] step_failed                    hint='this is a bug in Quorate'",
        "2026-11-20T22:39:51.123Z [critical ] disk_failed",
        "Traceback (most recent call last):",
        "Error: something nobody foresaw",
        "KeyError: 'a'",
    ],
)
def test_an_error_in_any_log_is_seen_and_quoted(line: str) -> None:
    finding = logs_clean({"gateway": [line], "a": CALM})
    assert not finding.ok
    assert line in finding.says


def test_an_empty_log_is_no_evidence() -> None:
    assert not logs_clean({"gateway": [], "a": CALM, "b": []}).ok
