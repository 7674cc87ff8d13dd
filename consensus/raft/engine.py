"""PySyncObj, one private copy per peer.

Laws:
- The source is the one that was audited, byte for byte; any other is refused, because what we override by its private
  name would fail silently in another version.
- Nothing global is patched: the audited code is executed into a module of its own, in which clock, chance, codec,
  journal, poller, serializer and resolver are ours.
- Only this file knows PySyncObj's names. It keeps: role, term, vote, election timer, commit rule, check-quorum,
  command queue, the replicated method and the apply call. We override `__onMessageReceived`, `__sendAppendEntries`,
  `__applyLogEntries`, `__doApplyCommand`, `__connectedToAnyone` and `__tryLogCompaction`.
"""

import functools
import hashlib
import importlib.util
from types import CodeType, ModuleType
from typing import Any, Protocol

from pysyncobj.config import SyncObjConf
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from quorate.consensus.frames import RaftMessage, RequestVote
from quorate.consensus.ports import Clock, Entropy, PeerId
from quorate.consensus.raft.log import REGULAR, Log
from quorate.consensus.raft.settings import RaftSettings

AUDITED = "e8bdf06797085d734df86e24ab4802fe87893dff77268565ec036f7ad4a1cfe4"
"""SHA-256 of pysyncobj/syncobj.py of version 0.3.17."""

ROLES = ("follower", "candidate", "leader")
LEADER = 2


class UnauditedEngine(Exception):
    """The installed PySyncObj is not the one this program was checked against."""


@functools.cache
def audited_code() -> CodeType:
    """The engine's source, compiled. Raises UnauditedEngine."""
    found = importlib.util.find_spec("pysyncobj.syncobj")
    if found is None or found.origin is None:
        raise UnauditedEngine("pysyncobj is not installed; install pysyncobj==0.3.17")
    with open(found.origin, "rb") as file:
        source = file.read()
    digest = hashlib.sha256(source).hexdigest()
    if digest != AUDITED:
        raise UnauditedEngine(
            f"{found.origin} has SHA-256 {digest}, expected {AUDITED} (pysyncobj 0.3.17); reinstall pysyncobj==0.3.17"
        )
    return compile(source, found.origin, "exec")


class Host(Protocol):
    """What the engine calls back."""

    def received(self, frm: PeerId, message: RaftMessage) -> None: ...
    def replicate(self) -> None: ...
    def apply_committed(self) -> None: ...
    def apply_one(self, entry: bytes) -> None: ...
    def may_campaign(self) -> bool: ...
    def ask_votes(self, to: PeerId, message: RequestVote) -> None: ...
    def role_changed(self, role: str) -> None: ...


class Voter(Node):  # type: ignore[misc]  # the engine carries no types
    """A peer as the engine sees it. Its hash is its place in the list, so that no set of them depends on a string's
    hash.
    """

    def __init__(self, peer: PeerId, place: int) -> None:
        super().__init__(peer)
        self.peer = peer
        self.place = place

    def __hash__(self) -> int:
        return self.place

    def __eq__(self, other: object) -> bool:
        return self is other


class _Replies(Transport):  # type: ignore[misc]  # the engine carries no types
    """Carries the only message the engine still sends itself: its request for votes."""

    ready = True

    def __init__(self, host: Host) -> None:
        super().__init__(None, None, None)
        self._host = host

    def send(self, node: Voter, message: dict[str, Any]) -> None:
        if message["type"] != "request_vote":
            raise AssertionError(f"the engine wants to send {message['type']!r}; every other message is ours")
        request = RequestVote(message["term"], message["last_log_index"], message["last_log_term"])
        self._host.ask_votes(node.peer, request)

    def deliver(self, node: Voter, message: RaftMessage) -> None:
        self._onMessageReceived(node, message)


class _Overrides:
    """In front of SyncObj: the private methods that are ours."""

    host: Host

    def _SyncObj__onMessageReceived(self, node: Voter, message: RaftMessage) -> None:  # noqa: N802 - the engine's name
        self.host.received(node.peer, message)

    def _SyncObj__sendAppendEntries(self) -> None:  # noqa: N802 - the engine's name
        self.host.replicate()

    def _SyncObj__applyLogEntries(self) -> bool:  # noqa: N802 - the engine's name
        self.host.apply_committed()
        return False

    def _SyncObj__doApplyCommand(self, command: bytes) -> None:  # noqa: N802 - the engine's name
        """Regular commands only: no versions (S11), no changes of membership at apply time (S7)."""
        if command[:1] == REGULAR:
            super()._SyncObj__doApplyCommand(command)  # type: ignore[misc]  # SyncObj stands behind us

    def _SyncObj__connectedToAnyone(self) -> bool:  # noqa: N802 - the engine's name
        return self.host.may_campaign()

    def _SyncObj__tryLogCompaction(self) -> None:  # noqa: N802 - the engine's name
        """Snapshots are taken beside the engine."""


class _Codec:
    """In place of the name `pickle`: the replicated method takes bytes, and they are the command."""

    @staticmethod
    def dumps(call: tuple[int, tuple[bytes]]) -> bytes:
        return call[1][0]

    @staticmethod
    def loads(command: bytes) -> tuple[int, tuple[bytes]]:
        return 0, (command,)


class _Chance:
    def __init__(self, entropy: Entropy) -> None:
        self.random = entropy.random


class _NoPoller:
    def poll(self, timeout: float) -> None:
        """The shell waits, not the engine."""


class _NoResolver:
    def setTimeouts(self, *seconds: float) -> None:  # noqa: N802 - the engine's name
        """Names are resolved by the shell."""

    def setPreferredAddrFamily(self, family: str) -> None:  # noqa: N802 - the engine's name
        """Likewise."""


def _private_class(clock: Clock, entropy: Entropy, log: Log) -> Any:
    module = ModuleType("pysyncobj.syncobj")
    module.__package__ = "pysyncobj"
    names: Any = vars(module)
    exec(audited_code(), names)  # noqa: S102 - the audited source of an installed package, checked by its hash
    names.update(
        monotonicTime=clock.monotonic,
        random=_Chance(entropy),
        pickle=_Codec,
        createJournal=lambda _name: log,
        createPoller=lambda _kind: _NoPoller(),
        Serializer=lambda *_anything: None,
        globalDnsResolver=_NoResolver,
    )

    class PrivateSyncObj(_Overrides, module.SyncObj):  # type: ignore[misc, name-defined]
        @module.replicated  # type: ignore[untyped-decorator]  # the engine carries no types
        def entry(self, data: bytes) -> None:
            self.host.apply_one(data)

    return PrivateSyncObj


class Engine:
    """The engine of one peer, typed. Created after the log has been read."""

    def __init__(
        self,
        me: PeerId,
        voters: tuple[PeerId, ...],
        settings: RaftSettings,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        host: Host,
    ) -> None:
        self._log = log
        self._clock = clock
        self._host = host
        self._check_quorum_s = settings.election_max_s
        self._nodes = {peer: Voter(peer, place) for place, peer in enumerate(sorted(voters))}
        self._transport = _Replies(host)
        conf = SyncObjConf(
            autoTick=False,
            appendEntriesUseBatch=True,
            appendEntriesPeriod=settings.heartbeat_s,
            raftMinTimeout=settings.election_min_s,
            raftMaxTimeout=settings.election_max_s,
            leaderFallbackTimeout=self._check_quorum_s,
            connectionTimeout=settings.election_max_s,
            commandsWaitLeader=False,
            onStateChanged=self._role_changed,
        )
        self.leading = False
        """Kept by `_role_changed`, because it is asked many times in a step."""
        engine_class = _private_class(clock, entropy, log)
        engine_class.host = host
        others = [node for peer, node in self._nodes.items() if peer != me]
        self._sync: Any = engine_class(self._nodes[me], others, conf, transport=self._transport)
        self._others = {node.peer: node for node in others}
        self._queued = False
        """A command waits in the engine's queue for its next turn."""

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def role(self) -> str:
        return ROLES[self._sync._SyncObj__raftState]

    @property
    def term(self) -> int:
        term: int = self._sync._SyncObj__raftCurrentTerm
        return term

    @property
    def leader(self) -> PeerId | None:
        node: Voter | None = self._sync._SyncObj__raftLeader
        return None if node is None else node.peer

    @property
    def commit_index(self) -> int:
        """As far as this process knows; not all of it need be durable here."""
        index: int = self._sync._SyncObj__raftCommitIndex
        return index

    @property
    def applied_index(self) -> int:
        index: int = self._sync._SyncObj__raftLastApplied
        return index

    @property
    def first_of_term(self) -> int:
        """Index of the entry with which this leader began."""
        index: int = self._sync._SyncObj__noopIDx
        return index

    @property
    def election_at(self) -> float:
        at: float = self._sync._SyncObj__raftElectionDeadline
        return at

    def last_answer(self, peer: PeerId) -> float:
        """When a leader heard from that voter last."""
        return float(self._sync._SyncObj__lastResponseTime[self._others[peer]])

    def _role_changed(self, _old: int, new: int) -> None:
        """Told by the engine's only setter of its state, at once."""
        self.leading = new == LEADER
        self._host.role_changed(ROLES[new])

    # --- driving ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """One turn. Of most the engine would only find that none of its rules has anything to decide, and call us."""
        if self._has_to_decide(now):
            self._sync._onTick(0.0)
            self._queued = False
            return
        self._host.apply_committed()
        if self.leading:
            self._host.replicate()

    def _has_to_decide(self, now: float) -> bool:
        """What `_onTick` looks at beside applying and replicating: its queue; the election timer, or at a leader the
        commit rule (a majority holds the entry after the commit index) and check-quorum.
        """
        sync = self._sync
        if self._queued:
            return True
        if not self.leading:
            due: bool = sync._SyncObj__raftElectionDeadline < now
            return due
        matches, answers = sync._SyncObj__raftMatchIndex, sync._SyncObj__lastResponseTime
        commit_index, heard_since = sync._SyncObj__raftCommitIndex, now - self._check_quorum_s
        holding = hearing = 1
        for node in self._others.values():
            holding += matches[node] > commit_index
            hearing += answers[node] > heard_since
        half = len(self._nodes) / 2
        return hearing <= half or (holding > half and commit_index < self._log.last_index)

    def deliver(self, frm: PeerId, message: RaftMessage) -> None:
        self._transport.deliver(self._others[frm], message)

    def propose(self, entry: bytes) -> None:
        """Into the log, at a leader."""
        self._sync.entry(entry)
        self._take_commands()

    def propose_raw(self, command: bytes) -> None:
        """A command with its first byte."""
        self._sync._applyCommand(command[1:], None, command[0])
        self._take_commands()

    def _take_commands(self) -> None:
        before = self._log.last_index
        self._sync._checkCommandsToApply()
        # It stops looking when its clock shows a heartbeat later, which a process that was stopped meanwhile may see.
        self._queued = self._log.last_index == before

    def postpone_election(self) -> None:
        timeout = self._sync._SyncObj__generateRaftTimeout()
        self._sync._SyncObj__raftElectionDeadline = self._clock.monotonic() + timeout

    def call_election(self) -> None:
        """At the next tick, if we may campaign."""
        self._sync._SyncObj__raftElectionDeadline = float("-inf")

    def random_timeout(self) -> float:
        return float(self._sync._SyncObj__generateRaftTimeout())

    def step_down(self) -> None:
        self._sync._SyncObj__setState(0)
        self._sync._SyncObj__raftLeader = None

    def adopt_term(self, term: int) -> None:
        """A higher term was seen: nobody leads in it as far as we know, and we have not voted in it."""
        self._sync._SyncObj__setCurrentTerm(term, None)
        self.step_down()

    def follow(self, leader: PeerId) -> None:
        self._sync._SyncObj__setState(0)
        self._sync._SyncObj__raftLeader = self._others[leader]

    def vote_for(self, peer: PeerId) -> None:
        self._sync._SyncObj__setCurrentTerm(self.term, peer)
        self._sync._SyncObj__votedForNodeId = peer

    def count_vote(self) -> None:
        """One more voter is for us."""
        sync = self._sync
        sync._SyncObj__votesCount += 1
        if sync._SyncObj__votesCount > len(self._nodes) / 2:
            sync._SyncObj__onBecomeLeader()

    def answered(self, peer: PeerId) -> None:
        self._sync._SyncObj__lastResponseTime[self._others[peer]] = self._clock.monotonic()

    def show_match(self, peer: PeerId, index: int) -> None:
        """What the commit rule may count for that voter."""
        self._sync._SyncObj__raftMatchIndex[self._others[peer]] = index

    def commit_to(self, index: int) -> None:
        self._sync._SyncObj__raftCommitIndex = max(self.commit_index, index)

    def apply(self, command: bytes, index: int) -> None:
        """Counted before it runs: an exception stops the peer, it never runs an entry twice (S9)."""
        self._sync._SyncObj__raftLastApplied = index
        self._sync._SyncObj__doApplyCommand(command)

    def jump_to(self, index: int) -> None:
        """A snapshot stands for everything up to there."""
        self._sync._SyncObj__raftLastApplied = index
        self.commit_to(index)
