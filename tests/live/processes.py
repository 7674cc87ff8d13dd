"""A cluster of real `quorate peer` processes for tests."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from quorate.netsim.live.ports import free_ports
from tests.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
UP_WITHIN_S = 60.0
"""Three interpreters starting at once on a busy machine."""


class LiveCluster:
    """`folder` holds the cluster file, the data folders and each peer's log. `more`: further lines of the file."""

    def __init__(self, folder: Path, peers: str = "abc", more: str = "", name: str = "live") -> None:
        self.folder = folder
        self.ids = tuple(peers)
        ports = free_ports(2 * len(peers))
        self.raft_port = dict(zip(self.ids, ports[: len(peers)], strict=True))
        self.http_port = dict(zip(self.ids, ports[len(peers) :], strict=True))
        self.file = folder / "cluster.yaml"
        self.write_file(more, name)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def write_file(self, more: str, name: str = "live") -> None:
        lines = [f"cluster: {name}", "peers:"]
        for peer in self.ids:
            raft, http = self.raft_port[peer], self.http_port[peer]
            lines.append(f'  - {{id: {peer}, raft: "127.0.0.1:{raft}", http: "127.0.0.1:{http}", data: data/{peer}}}')
        self.file.write_text("\n".join(lines) + "\n" + more)

    # --- processes ---------------------------------------------------------------------------------------------------

    def command(self, peer: str) -> list[str]:
        return [sys.executable, "-m", "quorate.cli", "peer", str(self.file), peer]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Started from elsewhere than the checkout, as a user would: modules come from beside the cluster file."""
        return {**os.environ, "PYTHONPATH": str(ROOT), **more}

    def start(self, *peers: str, env: Mapping[str, str] = {}) -> None:
        for peer in peers or self.ids:
            with (self.folder / f"{peer}.log").open("ab") as log:
                self.processes[peer] = subprocess.Popen(
                    self.command(peer), stdout=log, stderr=log, cwd="/", env=self.environment(env)
                )

    def run(self, peer: str, *options: str, env: Mapping[str, str] = {}) -> "subprocess.CompletedProcess[str]":
        """A peer that is expected not to run for long."""
        command = [*self.command(peer), *options]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd="/", env=self.environment(env), check=False
        )

    def log(self, peer: str) -> str:
        path = self.folder / f"{peer}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def signal(self, peer: str, number: signal.Signals) -> None:
        self.processes[peer].send_signal(number)

    def kill(self, *peers: str) -> None:
        """kill -9, all in the same instant."""
        for peer in peers:
            self.processes[peer].kill()
        for peer in peers:
            self.processes[peer].wait()

    def stop(self) -> None:
        self.kill(*self.processes)

    def ended(self, peer: str, within_s: float = 30.0) -> int:
        """The exit code of a peer that ends by itself."""
        return self.processes[peer].wait(within_s)

    # --- asking ------------------------------------------------------------------------------------------------------

    def url(self, peer: str) -> str:
        return f"http://127.0.0.1:{self.http_port[peer]}"

    def ask(self, peer: str, method: str, path: str, body: object = None, timeout_s: float = 15.0) -> tuple[int, Any]:
        """(status, decoded answer); status 0: no connection."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url(peer) + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())
        except OSError:
            return 0, None

    def submitted(self, peer: str, handler: str, **members: object) -> str:
        """The id of a task that was accepted."""
        status, told = self.ask(peer, "POST", "/v1/tasks", {"handler": handler, **members})
        assert status == 201, (status, told)
        return str(told["id"])

    def task(self, peer: str, task: str) -> Any:
        status, told = self.ask(peer, "GET", f"/v1/tasks/{task}")
        assert status == 200, (status, told)
        return told

    def end_of(self, peer: str, task: str, within_s: float = 30.0) -> Any:
        """The task when it has ended, as this peer tells it."""
        status, told = self.ask(peer, "GET", f"/v1/tasks/{task}?wait={within_s:g}", timeout_s=within_s + 10.0)
        assert status == 200, (status, told)
        assert told["ended_at"], f"not within {within_s:g} s: {told}"
        return told

    def ends_of(self, peer: str, tasks: Iterable[str], within_s: float = 60.0) -> dict[str, Any]:
        """Of each id the line this peer gives: the task, or the problem."""
        asked = list(tasks)
        lines: dict[str, Any] = {}
        for start in range(0, len(asked), 5_000):
            body = {"ids": asked[start : start + 5_000], "wait": within_s}
            status, told = self.ask(peer, "POST", "/v1/tasks/wait", body, timeout_s=within_s + 30.0)
            assert status == 200, (status, told)
            entries = [told] if isinstance(told, dict) else map(json.loads, told.splitlines())
            lines |= {entry["id"]: entry for entry in entries}
        return lines

    def view(self, peer: str) -> Any:
        status, told = self.ask(peer, "GET", "/v1/cluster")
        assert status == 200, (status, told)
        return told

    def leader(self) -> str | None:
        """As the peer says that knows of the highest term."""
        views = [view for peer in self.ids for status, view in [self.ask(peer, "GET", "/v1/cluster")] if status == 200]
        return max(views, key=lambda view: view["term"])["leader"] if views else None

    def is_ready(self, peer: str) -> bool:
        return self.ask(peer, "GET", "/readyz")[0] == 200

    def wait_until_ready(self, *peers: str) -> None:
        for peer in peers or self.ids:
            try:
                eventually(partial(self._is_ready_or_dead, peer), UP_WITHIN_S, f"peer {peer} is ready")
            except AssertionError as late:
                _, told = self.ask(peer, "GET", "/readyz?verbose")
                raise AssertionError(f"{late}\nreadiness: {told}\nits log:\n{self.log(peer)[-3000:]}") from None

    def _is_ready_or_dead(self, peer: str) -> bool:
        code = self.processes[peer].poll()
        if code is not None:
            raise RuntimeError(f"peer {peer} ended with exit code {code}; its log:\n{self.log(peer)[-3000:]}")
        return self.is_ready(peer)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
