"""What a peer says of itself and of the cluster as it sees it."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from quorate.consensus.peer import Peer


class Check(msgspec.Struct, frozen=True):
    ok: bool
    detail: str


class MemberStatus(msgspec.Struct, frozen=True):
    """One peer as seen from here. `session`: open, or "" when it has none."""

    id: str
    connected: bool
    voter: bool
    session: str
    incarnation: int
    http: str
    region: str
    slots: int
    running: int
    version: str


class Status(msgspec.Struct, frozen=True):
    peer: str
    cluster: str
    role: str
    leader: str | None
    term: int
    commit_index: int
    applied_index: int
    incarnation: int
    disk_id: str
    voters: tuple[str, ...]
    members: tuple[MemberStatus, ...]
    skew_ms: int
    """This peer's wall clock minus the voters' median, as the leader heard it last."""
    stale_s: float
    """Seconds since this peer last knew that its state was current."""
    quarantined: str
    history_complete: bool
    state_hash: str
    live_tasks: int
    checks: dict[str, Check]

    @property
    def ready(self) -> bool:
        return all(check.ok for check in self.checks.values())


STALE_READY_S = 3.0
"""Without word from a leader for longer than this a peer is not ready."""
LAG_READY = 10_000
"""Committed entries not yet applied beyond which a peer is not ready."""


def status_of(peer: "Peer") -> Status:
    raft, machine = peer.raft, peer.machine
    connected = set(raft.connected_peers())
    stale_s = max(0.0, peer.now() - raft.leader_contact)
    members = []
    for member in peer.settings.voters:
        session = machine.sessions.get(member)
        members.append(
            MemberStatus(
                id=member,
                connected=member == peer.id or member in connected,
                voter=raft.is_voter(member),
                session="open" if session else "",
                incarnation=session.incarnation if session else 0,
                http=session.info.http if session else "",
                region=session.info.region if session else "",
                slots=session.slots if session else 0,
                running=session.running if session else 0,
                version=session.info.version if session else "",
            )
        )
    lag = raft.commit_index - raft.applied_index
    session_ok = peer.proctor.trusted(peer.now())
    checks = {
        "quorum": Check(
            raft.leader is not None and stale_s < STALE_READY_S,
            f"leader {raft.leader or 'unknown'}, heard {stale_s:.1f} s ago",
        ),
        "applied": Check(lag < LAG_READY, f"{lag} committed entries to apply"),
        "session": Check(session_ok, "trusted" if session_ok else "not open, or in doubt"),
        "state": Check(not peer.divergence.quarantined, peer.divergence.quarantined or "equal to the majority's"),
        "history": Check(
            peer.history_complete, "complete" if peer.history_complete else "being fetched from another peer"
        ),
    }
    return Status(
        peer=peer.id,
        cluster=peer.cluster,
        role=raft.role,
        leader=raft.leader,
        term=raft.term,
        commit_index=raft.commit_index,
        applied_index=raft.applied_index,
        incarnation=peer.proposer.incarnation,
        disk_id=raft.disk_id,
        voters=peer.settings.voters,
        members=tuple(members),
        skew_ms=peer.skew_ms,
        stale_s=round(stale_s, 3),
        quarantined=peer.divergence.quarantined,
        history_complete=peer.history_complete,
        state_hash=machine.state_hash.hex(),
        live_tasks=len(machine.tasks),
        checks=checks,
    )
