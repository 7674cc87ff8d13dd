"""One stock SyncObj where the world expects a peer.

Law: PySyncObj's own source decides everything; only clock, chance, transport and files are the world's.
"""

import logging
import struct
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
from pysyncobj.config import SyncObjConf
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from quorate.consensus.raft.engine import ROLES, audited_code
from quorate.netsim.machine import Machine
from quorate.netsim.points import Killed
from quorate.netsim.world import World
from tests.netsim.stock import files

logging.getLogger("pysyncobj.syncobj").setLevel(logging.CRITICAL + 1)

TICK_S = 0.02
BATCHES = (500, 2_000, 65_536)
"""Bytes of one message, drawn by the seed: the default, or small as the limits of our peers in these profiles, and
always more than the largest command, as its documentation asks.
"""
BASE = SyncObjConf(
    autoTick=False,
    journalFile=files.JOURNAL,
    fullDumpFile=files.DUMP,
    appendEntriesUseBatch=True,
    raftMinTimeout=0.6,
    raftMaxTimeout=1.2,
    leaderFallbackTimeout=1.2,
    logCompactionMinTime=10**9,
)
"""Its own defaults, with our election timers, and the least leader timeout that its documentation speaks of."""

Put = Callable[[int, Callable[[Any, int], None]], None]


class _Wire(Transport):  # type: ignore[misc]  # the engine carries no types
    ready = True

    def __init__(self, peer: "StockPeer") -> None:
        super().__init__(None, None, None)
        self._peer = peer

    def send(self, node: Any, message: dict[str, Any]) -> bool:
        return self._peer.send(node.id, message)

    def addNode(self, node: Any) -> None:  # noqa: N802 - the engine's name
        """The world dials."""

    def dropNode(self, node: Any) -> None:  # noqa: N802 - the engine's name
        """Nobody leaves."""


class _Voter(Node):  # type: ignore[misc]  # the engine carries no types
    """Hashes to its place, so that no set depends on the hash of a string."""

    def __hash__(self) -> int:
        return ord(self.id[0])


class StockPeer:
    """`applied(peer, index, item)` is told of every command that its state machine runs."""

    can_greet = True

    def __init__(self, world: World, machine: Machine, applied: Callable[[str, int, int], None], compact: int) -> None:
        self.id = machine.id
        self._world = world
        self._machine = machine
        self._life = machine.life
        self._entropy = world.stream(f"stock {machine.id} {machine.life}")
        self._calls = 0
        self._kill_in = 0
        self.errors: list[str] = []
        self.raft: Any = self
        self.machine = SimpleNamespace(index=0, state_hash=b"")
        module: Any = ModuleType("pysyncobj.syncobj")
        module.__package__ = "pysyncobj"
        exec(audited_code(), vars(module))  # noqa: S102 - the audited source, as in the product
        self.journal: Any = None
        self._wire = _Wire(self)
        vars(module).update(
            monotonicTime=self._monotonic,
            random=self._entropy,
            createJournal=self._open_journal,
            createPoller=lambda _kind: SimpleNamespace(poll=lambda _timeout: None),
            Serializer=lambda _file, batch, *_rest: files.Dumps(
                machine.disk, self._reach, world.after, batch, lambda: machine.life == self._life
            ),
            os=files.os_of(machine.disk),
        )
        me = self

        class Items(module.SyncObj):  # type: ignore[misc]
            items: list[int]

            @module.replicated  # type: ignore[untyped-decorator]
            def put(self, item: int, _filler: bytes) -> None:
                applied(me.id, self.raftLastApplied + 1, item)
                if "items" not in vars(self):
                    self.items = []
                self.items.append(item)

        nodes = {peer: _Voter(peer) for peer in world.ids}
        self._nodes = nodes
        shape = world.stream("stock configuration")
        batch = BATCHES[int(shape.random() * len(BATCHES))]
        small = {"logCompactionMinEntries": compact, "appendEntriesBatchSizeBytes": batch}
        conf = SyncObjConf(**{**vars(BASE), **small, "logCompactionBatchSize": batch})
        others = [nodes[peer] for peer in world.ids if peer != self.id]
        self.sync: Any = Items(nodes[self.id], others, conf, transport=self._wire)

    # --- what it is given

    def _monotonic(self) -> float:
        """Each look takes a little time: its loops end by the clock."""
        self._calls += 1
        return self._machine.clock.monotonic() + 2e-5 * self._calls

    def _open_journal(self, _name: str) -> Any:
        self.journal = files.open_journal(self._machine.disk, self._reach)
        return self.journal

    def _reach(self) -> None:
        """An operation on a file or the network: an armed kill strikes at one of the next few."""
        machine = self._machine
        if machine.armed is None or machine.life != self._life:
            return
        self._kill_in = self._kill_in or 1 + int(self._entropy.random() * 12)
        self._kill_in -= 1
        if not self._kill_in:
            machine.armed = None
            raise Killed(self.id, "an operation of stock PySyncObj")

    def send(self, to: str, message: dict[str, Any]) -> bool:
        self._reach()
        return self._world.network.send(self.id, to, msgspec.msgpack.encode(message))

    # --- what the world calls

    def hello(self) -> Any:
        return self.id

    def on_hello(self, hello: Any) -> str | None:
        return None if hello in self._nodes else "a stranger"

    def on_connected(self, peer: str) -> None:
        self._guarded(self._wire._onNodeConnected, self._nodes[peer])

    def on_disconnected(self, peer: str) -> None:
        self._guarded(self._wire._onNodeDisconnected, self._nodes[peer])

    def on_frame(self, peer: str, frame: bytes) -> None:
        message = msgspec.msgpack.decode(frame)
        if message.get("entries") is not None:
            message["entries"] = [tuple(entry) for entry in message["entries"]]
        self._guarded(self._wire._onMessageReceived, self._nodes[peer], message)

    def step(self) -> None:
        self._guarded(self.sync.doTick, 0.0)
        self.machine.index = self.applied_index

    def _guarded(self, call: Callable[..., object], *args: object) -> None:
        """An exception is logged by its tick thread's owner, and it goes on."""
        self._calls = 0
        try:
            call(*args)
        except (LookupError, TypeError, ValueError, AttributeError, struct.error, AssertionError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def wake_at(self) -> float:
        return self._machine.clock.monotonic() + TICK_S

    def put(self, item: int, filler: bytes, answered: Callable[[Any, int], None]) -> None:
        self._guarded(lambda: self.sync.put(item, filler, callback=answered))

    # --- looking

    def private(self, name: str) -> Any:
        return getattr(self.sync, f"_SyncObj__{name}")

    @property
    def role(self) -> str:
        return ROLES[self.private("raftState")]

    @property
    def term(self) -> int:
        return int(self.sync.raftCurrentTerm)

    @property
    def commit_index(self) -> int:
        return int(self.sync.raftCommitIndex)

    @property
    def applied_index(self) -> int:
        return int(self.sync.raftLastApplied)

    @property
    def items(self) -> list[int]:
        return list(vars(self.sync).get("items", ()))

    def is_voter(self, _peer: str) -> bool:
        return True
