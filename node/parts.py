"""What each part of a peer is told of the cluster file.

Law: every field of `limits` and `timeouts` is read here, by name, or goes through the log (`replicated_limits`).
"""

from collections.abc import Iterable, Mapping

from quorate.consensus.settings import PeerSettings
from quorate.node.config import ClusterConfig
from quorate.node.http import HttpLimits, HttpSettings
from quorate.node.staging import StagingRules
from quorate.node.transport import TransportSettings
from quorate.node.version import VERSION


def peer_settings(config: ClusterConfig, peer_id: str) -> PeerSettings:
    peer, timeouts = config.peer(peer_id), config.timeouts
    return PeerSettings(
        me=peer_id,
        voters=tuple(p.id for p in config.peers),
        cluster=config.cluster,
        http=f"{config.http_scheme}://{peer.http}",
        region=peer.region,
        capabilities=peer.capabilities,
        version=VERSION,
        heartbeat_s=timeouts.heartbeat_ms / 1000,
        election_min_s=timeouts.election_min_ms / 1000,
        election_max_s=timeouts.election_max_ms / 1000,
        session_ttl_s=timeouts.session_ttl_s,
        session_renew_s=timeouts.session_renew_s,
        clock_rate_bound=timeouts.clock_rate_percent / 100,
        max_skew_ms=int(timeouts.max_skew_s * 1000),
        limits=config.replicated_limits,
        free_space_floor_bytes=config.limits.free_disk_bytes,
    )


def http_settings(config: ClusterConfig, tokens: Mapping[str, str], handlers: Iterable[str]) -> HttpSettings:
    limits = config.limits
    return HttpSettings(
        request_s=config.timeouts.request_s,
        attempt_timeout_s=config.timeouts.attempt_s,
        handlers=frozenset(handlers),
        names=frozenset(peer.http.host.lower() for peer in config.peers),
        wants_login=config.http_wants_login,
        tokens=tokens,
        limits=HttpLimits(
            args_bytes=limits.args_bytes,
            request_bytes=limits.request_bytes,
            request_tasks=limits.request_tasks,
            connections=limits.connections,
            strangers_per_address=limits.connections_per_address,
            pre_auth_s=limits.pre_auth_s,
            header_bytes=limits.header_bytes,
        ),
    )


def transport_settings(config: ClusterConfig, peer_id: str) -> TransportSettings:
    raft = config.peer(peer_id).raft
    return TransportSettings(me=peer_id, listen=(raft.host, raft.port), hello_s=config.limits.pre_auth_s)


def staging_rules(config: ClusterConfig) -> StagingRules:
    """A task that a handler asks for is held to what holds for a request over HTTP."""
    return StagingRules(
        args_max_bytes=config.limits.args_bytes,
        attempt_timeout_ms=round(config.timeouts.attempt_s * 1000),
    )
