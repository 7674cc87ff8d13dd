"""PySyncObj 0.3.17 as it is, driven by hand: messages in, messages out, ticks when we say so.

Only its clock and its chance are ours, so that a scenario runs the same way each time. Journal, serializer, codec, log
and receive rules are its own.
"""

import logging
import random
from types import ModuleType
from typing import Any

from pysyncobj.config import SyncObjConf
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from quorate.consensus.raft.engine import audited_code

logging.getLogger("pysyncobj.syncobj").setLevel(logging.CRITICAL + 1)

NAMES = "abcde"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 1e-6
        return self.now


class _Outbox(Transport):  # type: ignore[misc]  # the engine carries no types
    ready = True

    def __init__(self) -> None:
        super().__init__(None, None, None)
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, node: Any, message: dict[str, Any]) -> bool:
        self.sent.append((node.id, message))
        return True

    def addNode(self, node: Any) -> None:  # noqa: N802 - the engine's name
        """A connection to it would be made."""

    def dropNode(self, node: Any) -> None:  # noqa: N802 - the engine's name
        """Its connection would be closed."""


class StockPeer:
    """Peer `a` of `peers`, with a replicated list."""

    def __init__(self, peers: int = 3, **settings: Any) -> None:
        module = ModuleType("pysyncobj.syncobj")
        module.__package__ = "pysyncobj"
        self.module: Any = module
        self.clock = Clock()
        exec(audited_code(), vars(module))  # noqa: S102 - the audited source, as in the product
        vars(module).update(monotonicTime=self.clock.monotonic, random=random.Random(1))
        self.outbox = _Outbox()
        self.nodes = {name: Node(name) for name in NAMES}

        class Replicated(module.SyncObj):  # type: ignore[misc, name-defined]
            items: list[Any]

            @module.replicated  # type: ignore[untyped-decorator]
            def put(self, item: Any) -> None:
                self.items.append(item)

            @module.replicated  # type: ignore[untyped-decorator]
            def fail(self) -> None:
                self.items.append("half of it")
                raise ValueError("poison")

        conf = SyncObjConf(autoTick=False, **settings)
        others = [self.nodes[name] for name in NAMES[1:peers]]
        self.sync: Any = Replicated(self.nodes["a"], others, conf, transport=self.outbox)
        self.sync.items = []
        for node in others:
            self.outbox._onNodeConnected(node)

    # --- driving

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        self.sync.doTick(0.0)

    def deliver(self, frm: str, **message: Any) -> None:
        self.outbox._onMessageReceived(self.nodes[frm], message)

    def append(self, frm: str, term: int, previous: tuple[int, int], items: list[Any], commit: int = 1) -> None:
        """`items` become entries after `previous` (index, term)."""
        entries = [(self.command(item), previous[0] + 1 + place, term) for place, item in enumerate(items)]
        self.deliver(
            frm,
            type="append_entries",
            term=term,
            commit_index=commit,
            entries=entries,
            prevLogIdx=previous[0],
            prevLogTerm=previous[1],
        )

    def command(self, item: Any) -> bytes:
        method = self.sync._methodToID["put_v0"]
        return b"\x00" + bytes(self.module.pickle.dumps((method, (item,))))

    def become_leader(self, voters: str = "bc") -> None:
        self.tick(5.0)
        assert self.sync.raftCurrentTerm > 0, "it did not campaign"
        for voter in voters:
            if not self.sync._isLeader():
                self.deliver(voter, type="response_vote", term=self.sync.raftCurrentTerm)
        assert self.sync._isLeader()

    def close(self) -> None:
        """Give back the files, at the end of a scenario that had some."""
        self.private("raftLog")._destroy()

    # --- looking

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [message for _, message in self.outbox.sent if message["type"] == kind]

    @property
    def last_index(self) -> int:
        return int(self.private("raftLog")[-1][1])

    def private(self, name: str) -> Any:
        return getattr(self.sync, f"_SyncObj__{name}")

    def index_of(self, name: str, kind: str) -> int:
        """`kind`: NextIndex or MatchIndex."""
        return int(self.private(f"raft{kind}")[self.nodes[name]])
