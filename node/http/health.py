"""`/livez`, `/readyz` and `/v1/cluster`: how this peer is, and how it sees the others.

Laws: readiness tests progress, not mere life. These answers are this peer's own view and need no quorum: they are
asked when there is none.
"""

from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from quorate.consensus.status import Check
from quorate.node.http.answers import TEXT
from quorate.node.http.call import Call
from quorate.node.http.problems import bad
from quorate.node.http.service import Service
from quorate.node.http.told import encode


async def get_livez(service: Service, call: Call) -> web.StreamResponse:
    """That this is answered shows that the loop turns."""
    asked = call.query("verbose", "exclude")
    return _health(service, {"loop": Check(True, "turning")}, asked)


async def get_readyz(service: Service, call: Call) -> web.StreamResponse:
    asked = call.query("verbose", "exclude")
    return _health(service, {**service.peer.status().checks, **service.more_checks()}, asked)


def _health(service: Service, checks: Mapping[str, Check], asked: Mapping[str, str]) -> web.StreamResponse:
    left_out = asked.get("exclude")
    if left_out is not None and left_out not in checks:
        raise bad("exclude", f"got {left_out[:40]!r}, expected one of {', '.join(checks)}")
    counted = {name: check for name, check in checks.items() if name != left_out}
    healthy = all(check.ok for check in counted.values())
    lines = [
        f"[{'+' if check.ok else '-'}]{name} {'ok' if check.ok else 'failed'}: {check.detail}"
        for name, check in counted.items()
    ]
    verdict = "ok" if healthy else "not ready"
    told = [*lines, verdict] if "verbose" in asked or not healthy else [verdict]
    return service.answers.of(
        ("\n".join(told) + "\n").encode(), TEXT, status=200 if healthy else 503, headers={"Cache-Control": "no-store"}
    )


class MemberTold(msgspec.Struct):
    id: str
    voter: bool
    connected: bool
    session: bool
    incarnation: int
    http: str | None
    region: str | None
    slots: int
    running: int
    version: str | None


class ClusterTold(msgspec.Struct):
    """The cluster as this peer sees it now. `skew_ms`: its wall clock minus the voters' median. `partitions`: voters
    it cannot reach."""

    cluster: str
    peer: str
    role: str
    leader: str | None
    term: int
    commit_index: int
    applied_index: int
    peers: Sequence[MemberTold]
    versions: Mapping[str, str]
    skew_ms: int
    stale_s: float
    partitions: Sequence[str]
    quarantined: str | None
    incarnation: int
    disk_id: str
    state_hash: str
    live_tasks: int
    ready: bool


async def get_cluster(service: Service, call: Call) -> web.StreamResponse:
    call.query()
    status = service.peer.status()
    peers = [
        MemberTold(
            m.id,
            m.voter,
            m.connected,
            bool(m.session),
            m.incarnation,
            m.http or None,
            m.region or None,
            m.slots,
            m.running,
            m.version or None,
        )
        for m in status.members
    ]
    told = ClusterTold(
        cluster=status.cluster,
        peer=status.peer,
        role=status.role,
        leader=status.leader,
        term=status.term,
        commit_index=status.commit_index,
        applied_index=status.applied_index,
        peers=peers,
        versions={member.id: member.version for member in status.members if member.version},
        skew_ms=status.skew_ms,
        stale_s=status.stale_s,
        partitions=[member.id for member in status.members if not member.connected],
        quarantined=status.quarantined or None,
        incarnation=status.incarnation,
        disk_id=status.disk_id,
        state_hash=status.state_hash,
        live_tasks=status.live_tasks,
        ready=status.ready,
    )
    headers = {"Quorate-Stale-Seconds": f"{status.stale_s:.3f}"}
    return service.answers.json(encode(told), index=status.applied_index, headers=headers)
