"""Three peers as processes of this machine, with a folder each on a real disk.

Law: default settings, flushes on; nothing is started that is not ended again.
"""

import http.client
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from quorate.netsim.live.ports import free_ports

IDS = ("a", "b", "c")
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
POLL_S = 0.01
SAID_CHARS = 2_000

PLAIN = ("quorate.cli", "peer")
"""As users run them."""
WATCHED = ("bench.peer",)
"""... with wishes on standard input."""


class Cluster:
    """`with Cluster(parent) as cluster:` gives three ready peers. `module`: of `PLAIN` and `WATCHED`."""

    def __init__(self, parent: Path, module: Sequence[str] = PLAIN, modules: Sequence[str] = ()) -> None:
        self._parent = parent
        self._module = module
        self._modules = modules
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def __enter__(self) -> "Cluster":
        self.folder = Path(tempfile.mkdtemp(prefix="quorate-bench-", dir=self._parent))
        free = free_ports(2 * len(IDS))
        self.ports = dict(zip(IDS, free, strict=False))
        raft = dict(zip(IDS, free[len(IDS) :], strict=True))
        peers = [
            {"id": name, "raft": f"127.0.0.1:{raft[name]}", "http": f"127.0.0.1:{self.ports[name]}", "data": name}
            for name in IDS
        ]
        self.file = self.folder / "cluster.yaml"
        described = {"cluster": "bench", "peers": peers, "modules": list(self._modules)}
        self.file.write_bytes(msgspec.json.encode(described))  # JSON is YAML
        try:
            for name in IDS:
                self.start(name)
            self.until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    # --- processes

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            watched = self._module is WATCHED
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *self._module, str(self.file), name],
                stdin=subprocess.PIPE if watched else subprocess.DEVNULL,
                stdout=subprocess.PIPE if watched else log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name: str) -> None:
        """In peace."""
        process = self.processes[name]
        if process.stdin is not None:
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(STOP_WITHIN_S)

    def wish(self, name: str, *words: object) -> dict[str, Any]:
        """Of a watched peer; its answer."""
        self.send(name, *words)
        return self.answer(name)

    def send(self, name: str, *words: object) -> None:
        stdin = self.processes[name].stdin
        assert stdin is not None
        stdin.write((" ".join(map(str, words)) + "\n").encode())
        stdin.flush()

    def answer(self, name: str) -> dict[str, Any]:
        stdout = self.processes[name].stdout
        assert stdout is not None
        return dict(msgspec.json.decode(stdout.readline()))

    # --- HTTP

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def urls(self) -> list[str]:
        return [self.url(name) for name in IDS]

    def ask(
        self, name: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=60)
        try:
            data = None if body is None else msgspec.json.encode(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def seen_by(self, name: str) -> dict[str, Any]:
        """`GET /v1/cluster` there; empty while it does not answer."""
        try:
            status, body = self.ask(name, "GET", "/v1/cluster")
        except (OSError, http.client.HTTPException):
            return {}
        return dict(msgspec.json.decode(body)) if status == 200 else {}

    def leader(self) -> str:
        """Of what the peers say, the newest term counts."""
        seen = [told for name in IDS if (told := self.seen_by(name)) and told.get("leader")]
        return str(max(seen, key=lambda told: int(told["term"]))["leader"])

    def follower(self) -> str:
        leader = self.leader()
        return next(name for name in IDS if name != leader)

    def is_ready(self, name: str) -> bool:
        try:
            return self.ask(name, "GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def until_ready(self) -> None:
        for name in IDS:
            try:
                until(lambda name=name: self.is_ready(name), READY_WITHIN_S, f"peer {name} ready")  # type: ignore[misc]  # mypy: default of a lambda
            except TimeoutError as late:
                late.add_note(self._said(name))
                raise

    def _said(self, name: str) -> str:
        """The end of its log, and what it answers."""
        log = (self.folder / f"{name}.log").read_text("utf-8", "replace")[-SAID_CHARS:]
        return f"its log ends with:\n{log}\nit sees: {self.seen_by(name)}"


def until(fact: Callable[[], object], within_s: float, what: str) -> float:
    """Seconds until it was so. Raises TimeoutError."""
    began = time.monotonic()
    while not fact():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - began
