"""The exit code says whose turn it is, and an error says what happened and what to do, never where in our code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from quorate.cli import main
from quorate.cli.app import COMMANDS
from tests.quorate.fake_cluster import NO_QUORUM, UNKNOWN, FakeCluster, slow_down

ABSENT = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Ran(NamedTuple):
    code: int
    out: str
    error: str


Run = Callable[..., Ran]


@pytest.fixture
def run(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("QUORATE_ENDPOINTS", ",".join(cluster.endpoints))

    def run(*args: str) -> Ran:
        code = main(args)
        out, error = capsys.readouterr()
        assert "Traceback (most" not in error
        return Ran(code, out, error)

    return run


def test_done_is_0(run: Run, cluster: FakeCluster) -> None:
    submitted = run("submit", "builtin.echo", "cents=999", "order=o-1", 'zip="01067"', "list=[1,2]")
    assert submitted.code == 0
    task = submitted.out.strip()
    assert cluster.tasks[task]["args"] == {"cents": 999, "order": "o-1", "zip": "01067", "list": [1, 2]}
    shown = run("get", task, "-o", "json")
    assert (shown.code, json.loads(shown.out)["result"]["cents"], shown.error) == (0, 999, "")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["no-such-command"],
        ["submit"],
        ["submit", "builtin.echo", "--priority", "1000"],
        ["submit", "builtin.echo", "--priority", "high"],
        ["submit", "builtin.echo", "word"],
        ["submit", "builtin.echo", "a=1", "a=2"],
        ["submit", "builtin.echo", "[1,"],
        ["submit", "builtin.echo", "--no-such-option"],
        ["submit", "builtin.echo", "--file", "/no/such/file"],
        ["submit", "builtin.echo", "--endpoints", "ftp://a"],
        ["get"],
        ["wait"],
        ["list", "--state", "sleeping"],
        ["list", "-o", "xml"],
        ["events"],
        ["events", ABSENT, "--after", "1.0"],
        ["--timeout", "0", "list"],
        ["peer", "/no/such/file", "a"],
        ["doctor", "/no/such/file"],
        ["completion", "tcsh"],
    ],
    ids=" ".join,
)
def test_usage_is_1_also_from_the_option_parser(run: Run, cluster: FakeCluster, args: list[str]) -> None:
    ran = run(*args)
    assert (ran.code, ran.out) == (1, "")
    assert "--help" in ran.error or "Nothing was done" in ran.error
    assert not any(peer.asked for peer in cluster.peers)


def test_refused_is_1(run: Run, cluster: FakeCluster) -> None:
    ran = run("submit", "nobody.knows")
    assert ran.code == 1
    assert ran.error.startswith("Error: handler: no peer has ever registered it\n")
    assert not cluster.tasks
    cluster.peers[0].script.append((401, {}, {"detail": "who are you?"}))
    assert "QUORATE_TOKEN" in run("list").error
    for peer in cluster.peers:
        peer.script.append(slow_down(60))
    assert run("submit", "builtin.noop").code == 1


def test_cannot_connect_is_2(run: Run) -> None:
    ran = run("list", "--endpoints", "127.0.0.1:9", "--timeout", "0.3")
    assert ran.code == 2
    assert "quorate up FILE" in ran.error


def test_not_found_is_3(run: Run) -> None:
    assert run("get", ABSENT).code == 3
    assert run("wait", ABSENT).code == 3
    assert run("events", ABSENT).code == 3


def test_conflict_is_4(run: Run) -> None:
    task = run("submit", "builtin.noop").out.strip()
    assert run("cancel", task).code == 4
    assert run("ready", task).code == 4
    assert run("retry", task).code == 4


def test_no_quorum_is_5(run: Run, cluster: FakeCluster) -> None:
    for peer in cluster.peers:
        peer.script.extend([NO_QUORUM] * 100)
    ran = run("submit", "builtin.noop", "--timeout", "0.3")
    assert ran.code == 5
    assert "majority" in ran.error
    assert not cluster.tasks


def test_unknown_is_6_and_says_how_to_repeat_it(run: Run, cluster: FakeCluster) -> None:
    for peer in cluster.peers:
        peer.script.extend([UNKNOWN] * 100)
    ran = run("submit", "builtin.noop", "--timeout", "0.3")
    assert ran.code == 6
    key = ran.error.partition("--key ")[2].split(":")[0]
    for peer in cluster.peers:
        peer.script.clear()
    first, again = run("submit", "builtin.noop", "--key", key), run("submit", "builtin.noop", "--key", key)
    assert (first.code, first.out) == (0, again.out)


def test_an_awaited_task_that_did_not_succeed_is_7(run: Run) -> None:
    ran = run("submit", "builtin.fail", "--wait")
    assert ran.code == 7
    assert "Boom: it broke" in ran.error
    good, bad = run("submit", "builtin.noop").out.strip(), run("submit", "builtin.fail").out.strip()
    assert run("wait", good).code == 0
    assert run("wait", bad).code == 7
    ran = run("wait", good, bad, bad)
    assert (ran.code, "it broke" in ran.out) == (7, True)


def test_an_end_that_does_not_come_in_time_is_7(run: Run, cluster: FakeCluster) -> None:
    ran = run("submit", "builtin.sleep", "--wait", "--within", "0.1")
    assert ran.code == 7
    assert "not ended within 0.1 s" in ran.error
    (task,) = cluster.tasks
    assert cluster.tasks[task]["state"] == "running"


LATER = [["members", "add"], ["members", "remove"], ["leader", "transfer"]]
LATER += [[name] for name, module in COMMANDS.items() if module == "later"]


@pytest.mark.parametrize("command", LATER, ids=" ".join)
def test_what_is_not_built_yet_is_refused_by_name(run: Run, cluster: FakeCluster, command: list[str]) -> None:
    ran = run(*command, "door", "--ttl", "10", "--", "ls")
    assert ran.code == 1
    assert f"`quorate {' '.join(command)}` is not built yet" in ran.error
    assert not any(peer.asked for peer in cluster.peers)


@pytest.mark.parametrize("command", LATER, ids=" ".join)
def test_what_is_not_built_yet_is_listed_as_such(run: Run, command: list[str]) -> None:
    (line,) = [line for line in run(*command[:-1], "--help").out.splitlines() if line.startswith(f"  {command[-1]} ")]
    assert "(not built" in line


@pytest.mark.parametrize(
    "command", [[], *([name] for name, module in COMMANDS.items() if module != "later")], ids=" ".join
)
def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    ran = run(*command, "--help")
    assert (ran.code, ran.error) == (0, "")
    assert "Usage: quorate" in ran.out


def test_what_nobody_foresaw_is_told_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("quorate.client.Client.cluster", broken)
    ran = run("leader", "show")
    assert ran.code == 1
    assert "ZeroDivisionError: by zero" in ran.error
    assert "QUORATE_DEBUG" in ran.error


def test_debug_shows_where_an_error_comes_from(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUORATE_ENDPOINTS", cluster.endpoints[0])
    assert main(["get", ABSENT, "--debug"]) == 3
    assert "Traceback (most" in capsys.readouterr().err


def test_every_option_has_a_twin_in_the_environment(
    run: Run, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_OUTPUT", "json")
    monkeypatch.setenv("QUORATE_SUBMIT_PRIORITY", "7")
    monkeypatch.setenv("QUORATE_SUBMIT_WAIT", "1")
    told = json.loads(run("submit", "builtin.noop").out)
    assert (told["priority"], told["state"]) == (7, "succeeded")


def test_options_count_before_and_behind_a_command(run: Run) -> None:
    assert json.loads(run("-o", "json", "list").out) == []
    assert json.loads(run("-o", "table", "list", "-o", "json").out) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_taught_to_complete(run: Run, shell: str) -> None:
    assert "_QUORATE_COMPLETE" in run("completion", shell).out


def test_a_file_of_tasks_is_submitted_line_by_line(run: Run, cluster: FakeCluster, tmp_path: Path) -> None:
    lines = [{"handler": "builtin.echo", "args": [n], "ref": f"r{n}"} for n in range(3)]
    file = tmp_path / "tasks.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    ran = run("submit", "--file", str(file))
    assert (ran.code, ran.out.split()) == (0, list(cluster.tasks))
    file.write_text('{"handler": "builtin.noop"}\nnot json\n')
    ran = run("submit", "--file", str(file))
    assert (ran.code, "line 2" in ran.error, len(cluster.tasks)) == (1, True, 3)


def test_a_timeline_and_reasons_are_shown(run: Run) -> None:
    task = run("submit", "builtin.sleep").out.strip()
    assert "submitted" in run("events", task).out
    assert "it is running" in run("why", task).out
    assert json.loads(run("cancel", task, "--reason", "no", "-o", "json").out)["reason"] == "no"
    assert "cancelled" in run("list").out
    assert "a" in run("leader", "show").out
    assert len(run("members", "list").out.splitlines()) == 4


def test_what_a_stranger_wrote_cannot_move_the_cursor(run: Run) -> None:
    task = run("submit", "builtin.echo", "--label", "x=\x1b[2Jboo").out.strip()
    shown = run("get", task).out
    assert "boo" in shown
    assert "\x1b" not in shown
