"""What an HTTP server is told at start, with the limits that keep strangers from costing anybody else anything.

Law: every limit has a clear answer at it (`problems.py`), and none is switched off by a missing value.
"""

from collections.abc import Mapping

import msgspec

KIB = 1024
MIB = 1024 * KIB


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    args_bytes: int = 256 * KIB
    request_bytes: int = 4 * MIB
    request_tasks: int = 10_000
    ndjson_lines: int = 1_000_000
    ndjson_streams: int = 32
    waiters: int = 100_000
    """Awaited ends of tasks at once, over all requests."""
    event_streams: int = 128
    event_buffer_bytes: int = 4 * MIB
    """A reader of the event stream that is further behind is dropped."""
    requests: int = 2_048
    """Requests being worked on at once, those that wait or stream not counted."""
    connections: int = 2_000
    strangers_per_address: int = 100
    """Connections of one address that have not yet made a complete request (where login is wanted: logged in)."""
    pre_auth_s: float = 5.0
    """A stranger's deadline for handshake, head and body together."""
    head_s: float = 5.0
    """From the first byte of a request's head to its last."""
    body_stall_s: float = 5.0
    body_s: float = 30.0
    idle_s: float = 75.0
    header_line_bytes: int = 8 * KIB
    header_bytes: int = 32 * KIB
    headers: int = 128
    write_stall_s: float = 30.0
    """A reader who is behind (by the 64 KiB a connection buffers) for this long is dropped."""
    page_bytes: int = 4 * MIB
    """A page of a list ends earlier, with a cursor, when it would be larger."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    request_s: float = 10.0
    """Deadline of a request that names none."""
    attempt_timeout_s: float = 300.0
    """`timeout` of a task that names none."""
    handlers: frozenset[str] = frozenset()
    """What this very peer serves: known here before its first session has told the cluster."""
    names: frozenset[str] = frozenset()
    """Host names (lower case, without port) this cluster is reached by. Addresses and `localhost` always are."""
    wants_login: bool = False
    """Every request must come with a client certificate or a bearer token."""
    tokens: Mapping[str, str] = {}
    """sha256 of a bearer token (hex, lower case) -> name of its holder."""
    limits: HttpLimits = HttpLimits()
