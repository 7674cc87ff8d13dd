"""What keeps a peer from starting is one clear sentence and a non-zero exit code, and changes nothing."""

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.processes import LiveCluster
from tests.polling import eventually

ROOM_S = 30.0


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[LiveCluster]:
    """A cluster of one peer, which does not run yet."""
    cluster = LiveCluster(tmp_path, "a")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a peer that was killed with something in its log."""
    cluster = LiveCluster(tmp_path_factory.mktemp("used"), "a")
    cluster.start()
    try:
        cluster.wait_until_ready()
        for number in range(20):
            cluster.submitted("a", "builtin.echo", args={"n": number})
    finally:
        cluster.stop()
    return cluster.folder / "data" / "a"


@pytest.fixture
def used(alone: LiveCluster, used_folder: Path) -> LiveCluster:
    shutil.copytree(used_folder, alone.folder / "data" / "a")
    return alone


def refusal(cluster: LiveCluster) -> str:
    """What a peer says that does not start; nothing of its data folder may have changed."""
    before = contents(cluster)
    result = cluster.run("a")
    said = result.stdout + result.stderr
    assert result.returncode == 1, said
    assert result.stderr.startswith("Error: "), said
    assert "Traceback" not in said
    assert "nobody foresaw" not in said
    assert contents(cluster) == before
    return said


def contents(cluster: LiveCluster) -> dict[str, bytes]:
    """The lock only tells who had it last, and SQLite tidies its own files whenever they are opened."""
    files = (cluster.folder / "data" / "a").glob("*")
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(("lock", "history"))}


def test_a_second_process_on_a_data_folder_is_refused_and_the_first_unharmed(alone: LiveCluster) -> None:
    """It names the folder and the process that has it."""
    alone.start()
    alone.wait_until_ready()
    result = alone.run("a")
    assert result.returncode == 1
    assert "data/a is in use by process" in result.stderr
    assert "Traceback" not in result.stderr
    assert alone.is_ready("a")
    assert alone.end_of("a", alone.submitted("a", "builtin.noop"))["state"] == "succeeded"


@pytest.mark.parametrize("port", ["raft", "http"])
def test_a_taken_port_is_said_in_words(alone: LiveCluster, port: str) -> None:
    """Which address, and that something else listens there."""
    number = (alone.raft_port if port == "raft" else alone.http_port)["a"]
    with socket.create_server(("127.0.0.1", number)):
        result = alone.run("a")
    assert result.returncode == 1
    assert f"127.0.0.1:{number}" in result.stderr
    assert "Address already in use" in result.stderr
    assert "Traceback" not in result.stderr


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x01
    path.write_bytes(data)


def in_journal(folder: Path) -> str:
    segment = min(folder.glob("journal-*"))
    flip(segment, segment.read_bytes().index(b"builtin.echo"))
    return segment.name


def in_history(folder: Path) -> str:
    for path in folder.glob("history.sqlite*"):
        path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    return "history.sqlite"


def in_identity(folder: Path) -> str:
    flip(folder / "identity", 20)
    return "identity"


def journal_gone(folder: Path) -> str:
    for path in folder.glob("journal-*"):
        path.unlink()
    return "journal"


@pytest.mark.parametrize("damage", [in_journal, in_history, in_identity, journal_gone])
def test_damage_is_named_with_the_way_out(used: LiveCluster, damage: Callable[[Path], str]) -> None:
    """What was acknowledged is never silently dropped."""
    named = damage(used.folder / "data" / "a")
    assert named in refusal(used)


def test_the_folder_of_another_cluster_is_refused(used: LiveCluster) -> None:
    used.write_file("", name="another")
    assert "data/a" in refusal(used)


MODULES = {
    "import_error": ("import quorate\nimport no_such_thing\n", "no_such_thing", "my_handlers.py, line 2"),
    "reserved": (
        "import quorate\n@quorate.task('builtin.echo')\ndef mine(): ...\n",
        "Quorate's own",
        "my_handlers.py, line 2",
    ),
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_that_cannot_serve_is_named_with_the_place(alone: LiveCluster, kind: str) -> None:
    """A peer never comes up with fewer handlers than its file says."""
    text, words, place = MODULES[kind]
    (alone.folder / "my_handlers.py").write_text(text)
    alone.write_file("modules: [my_handlers]\n")
    said = refusal(alone)
    assert "my_handlers" in said
    assert words in said
    assert place in said


def test_two_handlers_of_one_name_are_refused(alone: LiveCluster) -> None:
    text = "import quorate\n@quorate.task('mine')\ndef first(): ...\n@quorate.task('mine')\ndef second(): ...\n"
    (alone.folder / "my_handlers.py").write_text(text)
    alone.write_file("modules: [my_handlers]\n")
    said = refusal(alone)
    assert "two handlers are named 'mine'" in said
    assert "my_handlers.py:2" in said
    assert "my_handlers.py:4" in said


def test_a_file_that_cannot_work_is_told_with_its_line(alone: LiveCluster) -> None:
    alone.write_file("limits:\n  args_byte: 4096\n")
    assert re.search(r"cluster\.yaml:\d+: limits\.args_byte: .*did you mean `args_bytes`", refusal(alone))


def test_a_data_folder_that_cannot_be_made_is_named(alone: LiveCluster) -> None:
    (alone.folder / "data").write_text("a file stands in the way")
    assert "data/a" in refusal(alone)


def test_modules_are_found_beside_the_cluster_file_from_wherever_the_peer_is_started(alone: LiveCluster) -> None:
    """In child processes too."""
    text = (
        "import os, quorate\n"
        "@quorate.task('mine.here')\ndef here(): return os.getpid()\n"
        "@quorate.task('mine.there', isolation='process')\ndef there(): return os.getpid()\n"
    )
    (alone.folder / "my_handlers.py").write_text(text)
    alone.write_file("modules: [my_handlers]\n")
    alone.start()
    alone.wait_until_ready()
    here = alone.end_of("a", alone.submitted("a", "mine.here"))
    there = alone.end_of("a", alone.submitted("a", "mine.there"))
    assert here["result"] == alone.processes["a"].pid
    assert isinstance(there["result"], int)
    assert there["result"] != here["result"]


def test_a_signal_during_the_start_ends_it_in_peace(alone: LiveCluster) -> None:
    """The peer is told while it imports its handlers; it leaves, and the folder is free again."""
    flag = alone.folder / "importing"
    text = f"import pathlib, time, quorate\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(1)\n"
    (alone.folder / "my_handlers.py").write_text(text + "@quorate.task('mine.a')\ndef a(): ...\n")
    alone.write_file("modules: [my_handlers]\n")
    alone.start()
    eventually(flag.exists, ROOM_S, "the peer starts")
    alone.signal("a", signal.SIGTERM)
    assert alone.ended("a") == 0, alone.log("a")
    assert "Traceback" not in alone.log("a")
    assert "started" not in alone.log("a")


def test_a_second_signal_ends_a_stopping_peer_at_once(alone: LiveCluster) -> None:
    alone.start()
    alone.wait_until_ready()
    task = alone.submitted("a", "builtin.sleep", args={"seconds": 60})
    eventually(lambda: alone.task("a", task)["state"] == "running", ROOM_S, "it runs")
    alone.signal("a", signal.SIGTERM)
    eventually(lambda: "stopping" in alone.log("a"), ROOM_S, "it is stopping")
    with pytest.raises(subprocess.TimeoutExpired):
        alone.ended("a", within_s=0.5)
    alone.signal("a", signal.SIGTERM)
    assert alone.ended("a", within_s=3.0) == -signal.SIGTERM


def test_the_log_is_json_when_asked_for_and_warns_of_insecure_at_every_start(alone: LiveCluster) -> None:
    alone.write_file("insecure: true\n")
    for start in (1, 2):
        alone.start(env={"QUORATE_PEER_LOG_FORMAT": "json"})
        alone.wait_until_ready()
        alone.signal("a", signal.SIGTERM)
        assert alone.ended("a") == 0
        lines = [json.loads(line) for line in alone.log("a").splitlines()]
        warnings = [line for line in lines if line["level"] == "warning" and "insecure" in line.get("problem", "")]
        assert len(warnings) == start


def test_the_open_file_limit_is_raised_to_what_the_connections_need(alone: LiveCluster) -> None:
    alone.start()
    alone.wait_until_ready()
    limits = Path(f"/proc/{alone.processes['a'].pid}/limits").read_text()
    soft, hard = re.findall(r"Max open files\s+(\d+)\s+(\d+)", limits)[0]
    assert int(soft) >= min(4_000, int(hard))
