"""The whole demo with few orders: real peers, a real kill and a real freeze."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.orders.processes import ROOT

ORDERS = 400
CHECKS = 16
PEERS = 3
STOPPED = 130


def demo_command(orders: int) -> list[str]:
    return [sys.executable, "-m", "examples.orders", "--orders", str(orders)]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200", "TMPDIR": str(folder)}


def expect_gone(told: str) -> None:
    pids = re.findall(r"\(process (\d+)\)", told)
    assert len(pids) == PEERS
    for pid in pids:
        assert not (Path("/proc") / pid).exists(), f"process {pid} outlived the demo"


# Slow: the frozen peer stays frozen for longer than its session lasts.
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_books_balance_though_the_leader_is_killed_and_another_peer_is_frozen(tmp_path: Path) -> None:
    """...and everything that the demo started is gone afterwards, also what it wrote."""
    demo = subprocess.run(
        demo_command(ORDERS),
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout
    assert "The books balance." in demo.stdout
    assert len(re.findall(r"│ ok +│", demo.stdout)) >= CHECKS, demo.stdout
    assert "kill -9 of" in demo.stdout
    assert "frozen (SIGSTOP) in the middle" in demo.stdout
    assert list(tmp_path.iterdir()) == []
    expect_gone(demo.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_takes_its_processes_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """By Ctrl-C or by a supervisor; it says so without a traceback."""
    with subprocess.Popen(
        demo_command(ORDERS),
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A test run in the background may ignore Ctrl-C, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 -- no threads
    ) as demo:
        assert demo.stdout is not None
        told = ""
        while "submitted" not in told.partition("peer c")[2]:
            line = demo.stdout.readline()
            assert line, told
            told += line
        demo.send_signal(number)
        told += demo.stdout.read()
    assert demo.returncode == STOPPED
    assert "Stopped before the end" in told
    assert "Traceback" not in told
    expect_gone(told)
