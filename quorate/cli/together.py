"""All peers of a cluster file as child processes of this one.

Law: what a peer prints is passed on with its name before it. None is started again. Ctrl-C or SIGTERM lets all of them
end in peace, a second one ends them at once; when this process ends, so have they.
"""

import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import click

from quorate.cli.endings import Exit
from quorate.client import Client
from quorate.errors import QuorateError
from quorate.node import certs
from quorate.node.config import ClusterConfig

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
KILL_AFTER_S = 5.0
"""Beyond the time the peers give themselves to stop."""
LOOK_EVERY_S = 0.25
GREETING_WITHIN_S = 60.0


class Together:
    def __init__(self, file: Path, config: ClusterConfig) -> None:
        self._file = file
        self._config = config
        self._ended: queue.Queue[str] = queue.Queue(maxsize=len(config.peers))
        self._width = max(len(peer.id) for peer in config.peers)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._silent = {peer.id for peer in config.peers}
        """Peers that have said nothing yet: a peer that runs says so first."""
        self._stopping = threading.Event()
        self._printing = threading.Lock()

    def run(self) -> int:
        """Until all peers have ended; 0 if that was asked for."""
        signal.signal(signal.SIGTERM, _as_interrupt)
        try:
            for number, peer in enumerate(self._config.peers):
                self._start(peer.id, COLOURS[number % len(COLOURS)])
            threading.Thread(target=self._greet, daemon=True).start()
            codes = self._until_all_ended()
        except KeyboardInterrupt:
            return self._stop()
        finally:
            self._kill()
        return Exit.REFUSED if any(codes) else Exit.DONE

    def _start(self, peer: str, colour: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "quorate.cli", "peer", str(self._file), peer],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we tell them in our own way
        )
        self._processes[peer] = process
        threading.Thread(target=self._pass_on, args=(peer, process, colour), daemon=True).start()

    def _pass_on(self, peer: str, process: subprocess.Popen[bytes], colour: str) -> None:
        assert process.stdout is not None
        prefix = click.style(f"{peer:>{self._width}} | ", fg=colour)
        for line in process.stdout:
            self._silent.discard(peer)
            self._say(prefix + line.decode("utf-8", "replace").rstrip("\n"))
        process.wait()
        self._ended.put(peer)

    def _until_all_ended(self) -> list[int]:
        codes: list[int] = []
        while len(codes) < len(self._processes):
            peer = self._ended.get()
            code = self._processes[peer].returncode
            codes.append(code)
            left = len(self._processes) - len(codes)
            if not self._stopping.is_set():
                self._say(self._told_end(peer, code, left))
        return codes

    def _told_end(self, peer: str, code: int, left: int) -> str:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if not left:
            return f"Peer {peer} {how}; none is left."
        return f"Peer {peer} {how}; {left} go on. To start it again: quorate peer {self._file} {peer}"

    def _stop(self) -> int:
        self._say("Stopping all peers; Ctrl-C again ends them at once.")
        self._stopping.set()
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + self._config.timeouts.stop_s + KILL_AFTER_S
        try:
            for process in self._processes.values():
                process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._say("Some peers did not end in time; they are ended now. Nothing acknowledged is lost.")
            return Exit.INTERRUPTED
        return Exit.DONE

    def _kill(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    # --- what to try next ---------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Once there is a leader, say what can be done."""
        endpoints = [f"{self._config.http_scheme}://{peer.http}" for peer in self._config.peers]
        leader = self._leader(endpoints)
        if leader is None or any(process.poll() is not None for process in self._processes.values()):
            return
        where = f"--cluster {self._file}"
        self._say(
            f"\nThe cluster {self._config.cluster} is up, {leader} leads. Try in another terminal:\n\n"
            f"  quorate {where} submit builtin.echo hello=world --wait\n"
            f"  quorate {where} members list\n"
            f"  quorate {where} events -f\n\n"
            "Ctrl-C stops all peers.\n"
        )

    def _leader(self, endpoints: list[str]) -> str | None:
        access: dict[str, str] = {}
        if (tls := self._config.tls) is not None:
            admin = tls.of(certs.ADMIN)
            access = {"ca": str(tls.ca), "cert": str(admin.cert), "key": str(admin.key)}
        until = time.monotonic() + GREETING_WITHIN_S
        try:
            with Client(endpoints, timeout=2.0, **access) as client:  # type: ignore[arg-type]  # texts, all of them
                while time.monotonic() < until and not self._stopping.wait(LOOK_EVERY_S):
                    if not self._silent and (leader := _told_leader(client)):
                        return leader
        except ValueError:  # no client certificate here: whoever has one knows what to try
            return None
        return None

    def _say(self, text: str) -> None:
        with self._printing:
            click.echo(text, err=True)


def _told_leader(client: Client) -> str | None:
    try:
        leader = client.cluster().get("leader")
    except QuorateError:
        return None
    return None if leader is None else str(leader)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
