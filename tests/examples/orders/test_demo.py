"""The whole demo with few orders: real peers, a real kill and a real freeze."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.orders.processes import ROOT

ORDERS = 400
CHECKS = 16


# Slow: the frozen peer stays frozen for longer than its session lasts.
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_books_balance_though_the_leader_is_killed_and_another_peer_is_frozen(tmp_path: Path) -> None:
    """...and everything that the demo started is gone afterwards, also what it wrote."""
    environment = {**os.environ, "COLUMNS": "200", "TMPDIR": str(tmp_path)}
    demo = subprocess.run(
        [sys.executable, "-m", "examples.orders", "--orders", str(ORDERS)],
        cwd=ROOT,
        env=environment,
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
    pids = re.findall(r"\(process (\d+)\)", demo.stdout)
    assert len(pids) == 3
    for pid in pids:
        assert not (Path("/proc") / pid).exists(), f"process {pid} outlived the demo"
