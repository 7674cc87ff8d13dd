"""The only place that wires: one real peer out of a cluster file.

Laws:
- Everything that can be refused is refused before the first port is opened or byte is written.
- A fatal error of the disk or a bug in a step ends the peer: it says so and leaves with a non-zero exit code; nothing
  is retried in the dark.
- Stopping is graceful within `stop_s`: no new claims, running handlers end or hand their task back, leadership moves
  on.
"""

import asyncio
import gc
import sys
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from quorate.consensus.commands import Outcome, SessionInfo
from quorate.consensus.frames import Hello
from quorate.consensus.machine import Filter
from quorate.consensus.peer import Peer
from quorate.consensus.ports import Ports
from quorate.consensus.raft import Recovery
from quorate.consensus.status import Check
from quorate.node.builtin import builtin_handlers
from quorate.node.clock import BootClock, seeded_entropy
from quorate.node.config import ClusterConfig
from quorate.node.disk import open_disk
from quorate.node.history import SqliteHistory
from quorate.node.http import HttpServer, create_server
from quorate.node.http.ports import Floor
from quorate.node.lag import LoopLag
from quorate.node.parts import http_settings, peer_settings, staging_rules, transport_settings
from quorate.node.registry import Registry
from quorate.node.shell import Shell
from quorate.node.tls import LiveTls, principal_of
from quorate.node.tokens import LiveTokens
from quorate.node.transport import Callbacks, PeerTls, Transport
from quorate.node.version import VERSION
from quorate.node.workers import WorkerPool
from quorate.scheduling.handler import Declared, Handler
from quorate.scheduling.task import Ending, Task, TaskId

log = structlog.get_logger("quorate.peer")

SIZING_S = 0.2
"""How often the workers' appetite is told to the planner."""
PRUNE_S = 5.0
GC_THRESHOLDS = (10_000, 20, 50)
"""Requests and operations leave no cycles behind, so looking for some after every 700 new objects, as Python does,
finds nothing: 9 to 13 % of a busy peer's CPU time, 4 % with these.
"""
MIB = 1024 * 1024
LAG_WINDOW_S = 5.0
LAG_READY_MS = 1_000.0
"""A loop this late cannot keep heartbeats: the peer says so before the others notice."""


class Node:
    """A running peer. `await start()`, `await stop()`; `await ended()` returns why it ended by itself."""

    def __init__(
        self,
        config: ClusterConfig,
        peer_id: str,
        handlers: Iterable[Handler | Declared] = (),
        *,
        found: bool = False,
    ) -> None:
        """Raises UnusableModule or DuplicateHandler for handlers that cannot be had."""
        self.config = config
        self.me = config.peer(peer_id)
        self.settings = peer_settings(config, peer_id)
        self.registry = Registry((*builtin_handlers(config), *handlers))
        _look_for_modules_beside(config)
        for module in config.modules:
            self.registry.load(module)
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[BaseException] = self._loop.create_future()
        self._durable = asyncio.Event()
        self._lag = LoopLag(LAG_WINDOW_S)
        self._undo: list[Callable[[], object]] = []
        self._stopping = False

    async def start(self) -> Recovery:
        """Raises what names the cause when the folder, a port or a certificate cannot be used; nothing is left running
        then."""
        try:
            return await self._start()
        except BaseException:
            for undo in reversed(self._undo):
                result = undo()
                if asyncio.iscoroutine(result):
                    await result
            raise

    async def _start(self) -> Recovery:
        loop = self._loop
        self._tls = LiveTls(self.config, self.me.id) if self.config.tls is not None else None
        self.disk = open_disk(self.me.data, loop, self._flushed, self._disk_failed)
        self._undo.append(self.disk.close)
        self.history = SqliteHistory(self.me.data, loop, self._disk_failed)
        self._undo.append(self.history.close)
        self.pool = self._workers()
        self._undo.append(lambda: self.pool.stop(0.0))
        entropy = seeded_entropy()
        self.transport = self._transport(entropy.random)
        ports = Ports(
            clock=BootClock(),
            entropy=entropy,
            network=self.transport,
            disk=self.disk,
            work=self.pool,
            history=self.history,
        )
        self.peer = Peer(self.settings, ports, found=self._found)
        recovery = self.peer.open()
        _keep_out_of_garbage_collection()
        self.shell = Shell(loop, self.peer, self._step_failed)
        self._undo.append(self.shell.stop)
        self.peer.describe(self._session_info())
        self._size()
        await self._until_greeting()
        await self.transport.start()
        self._undo.append(self.transport.close)
        self.http = self._http_server()
        self._undo.append(lambda: self.http.stop(0.0))
        await self.http.start(self.me.http.host, self.me.http.port, self._tls.http_server if self._tls else None)
        self._every(SIZING_S, self._size)
        self._every(PRUNE_S, self._prune)
        self._lag.start(loop)
        for warning in self.config.warnings:
            log.warning("config", problem=str(warning))
        log.info("started", peer=self.me.id, raft=str(self.me.raft), http=self.settings.http, **_told(recovery))
        return recovery

    def _workers(self) -> WorkerPool:
        workers = self.config.workers_of(self.me.id)
        return WorkerPool(
            self.registry,
            workers.min,
            workers.max,
            self._work_done,
            self._loop,
            max_processes=workers.max,
            result_max_bytes=self.config.limits.result_bytes,
            staging=staging_rules(self.config),
        )

    def _transport(self, random: Callable[[], float]) -> Transport:
        tls = self._tls
        return Transport(
            transport_settings(self.config, self.me.id),
            {peer.id: (peer.raft.host, peer.raft.port) for peer in self.config.peers},
            Callbacks(
                hello=self._hello,
                on_hello=self._on_hello,
                on_frames=self._frames,
                on_connected=self._connected,
                on_disconnected=self._disconnected,
            ),
            PeerTls(tls.raft_server, tls.raft_client, tls.peer_of) if tls is not None else None,
            random,
        )

    def _http_server(self) -> HttpServer:
        config = self.config
        tokens = LiveTokens(config.tokens.file) if config.tokens is not None else {}

        async def history_list(wanted: Filter, before_seq: int, limit: int, floor: Floor) -> Sequence[Task]:
            return await asyncio.to_thread(self.history.list_ended, wanted, before_seq, limit, floor)

        return create_server(
            self.peer,
            http_settings(config, tokens, self.registry.names()),
            history_list,
            wake=self.shell.wake,
            registry=CollectorRegistry(),
            certificate_principal=lambda shown: principal_of(shown, config.cluster),
            more_checks=self._checks,
        )

    def _checks(self) -> Mapping[str, Check]:
        """Readiness that only the shell knows of."""
        free, floor = self.disk.free_bytes(), self.config.limits.free_disk_bytes
        lag_ms = self._lag.recent_ms
        return {
            "disk": Check(free >= floor, f"{free // MIB:,} MiB free, the floor is {floor // MIB:,}"),
            "loop": Check(lag_ms < LAG_READY_MS, f"late by {lag_ms:.0f} ms at most in the last {LAG_WINDOW_S:g} s"),
        }

    async def _until_greeting(self) -> None:
        """This life's number is durable before anybody hears of it."""
        self.shell.wake()
        while not self.peer.can_greet:
            self._durable.clear()
            durable = asyncio.create_task(self._durable.wait())
            futures: list[asyncio.Future[object]] = [durable, self._failure]  # type: ignore[list-item]  # read only
            await asyncio.wait(futures, return_when=FIRST_COMPLETED)
            durable.cancel()
            if self._failure.done():
                raise self._failure.result()

    def _session_info(self) -> SessionInfo:
        return SessionInfo(
            http=self.settings.http,
            slots=self.pool.threads_max,
            handlers=self.registry.names(),
            region=self.settings.region,
            capabilities=self.settings.capabilities,
            version=VERSION,
        )

    # --- the outside tells the peer ---------------------------------------------------------------------------------

    def _flushed(self, tickets: list[int]) -> None:
        for ticket in tickets:
            self.peer.on_flushed(ticket)
        self._durable.set()
        self.shell.wake()

    def _hello(self) -> Hello:
        return self.peer.hello()

    def _on_hello(self, hello: Hello) -> str | None:
        return self.peer.on_hello(hello)

    def _frames(self, peer: str, frames: Sequence[bytes]) -> None:
        for frame in frames:
            self.peer.on_frame(peer, frame)
        self.shell.wake()

    def _connected(self, peer: str) -> None:
        self.peer.on_connected(peer)
        self.shell.wake()

    def _disconnected(self, peer: str) -> None:
        self.peer.on_disconnected(peer)
        self.shell.wake()

    def _work_done(self, task: TaskId, fence: int, ending: Ending) -> None:
        self.peer.on_work_done(task, fence, ending)
        self.shell.wake()

    def _size(self) -> None:
        self.peer.hold(self.pool.places)
        self.shell.wake()

    def _prune(self) -> None:
        self.history.prune(self.peer.machine.history_floor())

    def _every(self, seconds: float, call: Callable[[], None]) -> None:
        def ring() -> None:
            if self._stopping:
                return
            call()
            self._loop.call_later(seconds, ring)

        self._loop.call_later(seconds, ring)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _disk_failed(self, error: Exception) -> None:
        log.error("disk_failed", error=str(error), hint="the peer stops; free or replace the disk, then start it again")
        self._fail(error)

    def _step_failed(self, error: BaseException) -> None:
        log.error("step_failed", exc_info=error, hint="this is a bug in Quorate; the peer stops, the others go on")
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.shell.stop()
        if not self._failure.done():
            self._failure.set_result(error)

    async def ended(self) -> BaseException:
        """Returns when the peer ended by itself, with the reason."""
        return await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Within `stop_s`: running handlers end or hand back, the session is closed, leadership moves on."""
        self._stopping = True
        stop_s = self.config.timeouts.stop_s
        if not self._failure.done():
            self.peer.stopping = True
            await self.pool.stop(stop_s * 0.6)
            await self._leave(stop_s * 0.3)
        self._lag.stop()
        await self.http.stop(stop_s * 0.1)
        self.shell.stop()
        await self.transport.close()
        self.history.close()
        self.disk.close()
        log.info("stopped", peer=self.me.id)

    async def _leave(self, within_s: float) -> None:
        left = self._loop.create_future()

        def reply(_outcome: Outcome, _index: int) -> None:
            if not left.done():
                left.set_result(None)

        self.peer.stop(self.peer.now() + within_s, reply)
        self.shell.wake()
        await asyncio.wait([left], timeout=within_s)


def _look_for_modules_beside(config: ClusterConfig) -> None:
    """In the folder of the cluster file first, then wherever Python looks."""
    folder = str(Path(config.source.file).absolute().parent)
    if config.modules and folder not in sys.path:
        sys.path.insert(0, folder)


def _keep_out_of_garbage_collection() -> None:
    """What was loaded lives long: a full collection need not walk it each time (it would stall the loop)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _told(recovery: Recovery) -> dict[str, object]:
    told: dict[str, object] = {
        "state": recovery.kind,
        "snapshot_index": recovery.snapshot_index,
        "last_index": recovery.last_index,
    }
    if recovery.noticed:
        told["damage_made_good"] = recovery.noticed
    return told
