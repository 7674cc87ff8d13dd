"""The cluster file as types: what may stand in it, with its defaults.

Law: one file describes the whole cluster and is the same on every peer. A field that is not here is refused, and every
field here has a reader. Units stand at the end of names. Paths are absolute once loaded. What the fields mean to a
user is told in `cluster.example.yaml`, which a test keeps in step with this file.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.consensus import commands
from quorate.consensus.ports import MAX_FRAME_BYTES
from quorate.node.config.problem import Problem
from quorate.node.config.source import Source

KIB = 1024
MIB = 1024 * KIB

Name = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,30}\Z", description="1 to 31 of a-z, 0-9 and `-`, not beginning with `-`")
]
ModuleName = Annotated[
    str, Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", description="a module as after `import`, e.g. shop.handlers")
]
Word = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z", description="1 to 63 letters, digits, `.`, `_` and `-`")
]
Region = Annotated[
    str,
    Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?\Z", description="up to 63 letters, digits, `.`, `_` and `-`"),
]
UrlPrefix = Annotated[
    str,
    Meta(pattern=r"^https?://[^\s/?#@]+/[^\s?#]*\Z", description="a URL with a path, e.g. https://api.example.com/v1/"),
]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000, description="a whole number from 1 to 1,000,000,000")]
Threads = Annotated[int, Meta(ge=1, le=1_024, description="a whole number from 1 to 1,024")]
Bytes = Annotated[int, Meta(ge=1 * KIB, le=1 << 40, description="a whole number of bytes from 1024 up")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, more than 0 and at most 86,400")]
SecondsOrNone = Annotated[float, Meta(ge=0, le=31_536_000, description="seconds, at most 31,536,000; 0 for none")]
Milliseconds = Annotated[int, Meta(ge=1, le=60_000, description="a whole number of milliseconds from 1 to 60,000")]


class Address(msgspec.Struct, frozen=True):
    """`host:port`. An IPv6 host stands in brackets when written."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Surely only this machine. A name other than `localhost` is not looked up: it counts as beyond."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


class WorkersConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Threads that run handlers; the pool moves between the two with the load."""

    min: Threads = 2
    max: Threads = 16


class PeerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member. `raft` and `http` are where others reach it, and what it binds."""

    id: Name
    raft: Address
    http: Address
    data: Path
    region: Region = ""
    capabilities: tuple[Word, ...] = ()
    workers: WorkersConfig | None = None
    """None: as the cluster's."""


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything has an end. What `apply` enforces goes through the log (`ClusterConfig.replicated_limits`)."""

    args_bytes: Bytes = 256 * KIB
    result_bytes: Bytes = 256 * KIB
    request_bytes: Annotated[
        int,
        Meta(
            ge=KIB,
            le=MAX_FRAME_BYTES // 2,
            description=f"bytes from 1024 to {MAX_FRAME_BYTES // 2:,} (it travels as one frame)",
        ),
    ] = 4 * MIB
    request_tasks: Annotated[int, Meta(ge=1, le=100_000, description="a whole number from 1 to 100,000")] = 10_000
    live_tasks: Count = 1_000_000
    live_bytes: Bytes = 1024 * MIB
    poison_limit: Annotated[int, Meta(ge=1, le=1_000, description="a whole number from 1 to 1,000")] = 5
    history_rows: Count = 1_000_000
    history_days: Annotated[float, Meta(gt=0, le=3_650, description="days, more than 0 and at most 3,650")] = 7.0
    connections: Annotated[int, Meta(ge=16, le=1_000_000, description="a whole number from 16 to 1,000,000")] = 2_000
    connections_per_address: Count = 100
    pre_auth_s: Annotated[float, Meta(gt=0, le=60, description="seconds, more than 0 and at most 60")] = 5.0
    header_bytes: Annotated[int, Meta(ge=KIB, le=MIB, description="bytes from 1024 to 1,048,576")] = 32 * KIB
    free_disk_bytes: Annotated[int, Meta(ge=0, le=1 << 50, description="a whole number of bytes")] = 64 * MIB


class TimeoutsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    heartbeat_ms: Milliseconds = 100
    election_min_ms: Milliseconds = 600
    election_max_ms: Milliseconds = 1_200
    session_ttl_s: Seconds = 5.0
    session_renew_s: Seconds = 1.0
    clock_rate_percent: Annotated[float, Meta(gt=0, le=50, description="percent, more than 0 and at most 50")] = 5.0
    max_skew_s: Seconds = 2.0
    attempt_s: SecondsOrNone = 300.0
    attempt_grace_s: Seconds = 5.0
    request_s: Seconds = 10.0
    stop_s: Seconds = 10.0


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files. `{id}` in `cert` and `key` stands for the peer's id."""

    ca: Path
    cert: Path
    key: Path

    def of(self, peer_id: str) -> "TlsConfig":
        """With `{id}` filled in."""
        return TlsConfig(self.ca, _filled(self.cert, peer_id), _filled(self.key, peer_id))


class TokensConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bearer tokens for HTTP: a file with the sha256 of each, by name."""

    file: Path


class DrillsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `quorate netsim live --cluster` may do to the running cluster. Peers themselves never look at it."""

    allowed: bool = False
    restarted: bool = False
    """Whatever runs the peers starts one that ended again."""


class ClusterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Built in code, it must pass `quorate.node.config.check.examine` before it is used."""

    cluster: Name
    peers: tuple[PeerConfig, ...]
    modules: tuple[ModuleName, ...] = ()
    workers: WorkersConfig = WorkersConfig()
    limits: LimitsConfig = LimitsConfig()
    timeouts: TimeoutsConfig = TimeoutsConfig()
    tls: TlsConfig | None = None
    tokens: TokensConfig | None = None
    insecure: bool = False
    builtin_shell: bool = False
    http_allow: tuple[UrlPrefix, ...] = ()
    drills: DrillsConfig = DrillsConfig()
    source: Source = Source()
    """Where it was read from; not a key of the file."""
    warnings: tuple[Problem, ...] = ()
    """Usable, but to be logged at every start; not a key of the file."""

    def peer(self, peer_id: str) -> PeerConfig:
        """Raises KeyError if no peer has that id."""
        for peer in self.peers:
            if peer.id == peer_id:
                return peer
        raise KeyError(peer_id)

    def workers_of(self, peer_id: str) -> WorkersConfig:
        return self.peer(peer_id).workers or self.workers

    @property
    def http_scheme(self) -> str:
        return "http" if self.tls is None else "https"

    @property
    def http_wants_login(self) -> bool:
        """Every HTTP request must come with a client certificate or a bearer token.

        `insecure` takes this off the certificates; tokens that were set up are asked for all the same.
        """
        return self.tokens is not None or (self.tls is not None and not self.insecure)

    @property
    def replicated_limits(self) -> commands.Limits:
        """What the leader proposes when the cluster holds something else."""
        return commands.Limits(
            live_tasks=self.limits.live_tasks,
            live_bytes=self.limits.live_bytes,
            poison_limit=self.limits.poison_limit,
            history_rows=self.limits.history_rows,
            history_ms=round(self.limits.history_days * 24 * 3600 * 1000),
            attempt_grace_ms=round(self.timeouts.attempt_grace_s * 1000),
        )


def _filled(path: Path, peer_id: str) -> Path:
    return Path(str(path).replace("{id}", peer_id))
