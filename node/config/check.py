"""The rules between the fields of a cluster file.

Law: pure; looks at nothing but the configuration. A problem forbids the start, a warning is logged at every start.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from quorate.node.config.model import Address, ClusterConfig
from quorate.node.config.problem import Problem

MAX_PEERS = 15
"""Every entry goes to every member: a larger group is slower and hardly safer."""

Rule = Callable[[ClusterConfig], Iterator[Problem]]


def examine(config: ClusterConfig) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of a configuration, from a file or built in code."""
    problems = [problem for rule in _RULES for problem in rule(config)]
    warnings = [warning for rule in _ADVICE for warning in rule(config)]
    return problems, warnings


def _size(config: ClusterConfig) -> Iterator[Problem]:
    if not 1 <= len(config.peers) <= MAX_PEERS:
        message = f"got {len(config.peers)} peers, expected 1 to {MAX_PEERS}"
        yield config.source.problem("peers", message, "list three or five")


def _ids_differ(config: ClusterConfig) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for number, peer in enumerate(config.peers):
        key = f"peers[{number}].id"
        yield from _taken(config, seen, peer.id, key, "id", "give every peer an id of its own")


def _addresses_differ(config: ClusterConfig) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key, address in _addresses(config):
        place = f"{'loopback' if address.is_loopback else address.host.lower()}:{address.port}"
        yield from _taken(
            config, seen, place, key, "address and port", "give every raft and http address a port of its own"
        )


def _folders_differ(config: ClusterConfig) -> Iterator[Problem]:
    """Only among peers of one machine: elsewhere the same path is another disk."""
    seen: dict[str, str] = {}
    for number, peer in enumerate(config.peers):
        host = "loopback" if peer.raft.is_loopback else peer.raft.host.lower()
        place = f"{host} {_plain(peer.data)}"
        key = f"peers[{number}].data"
        yield from _taken(config, seen, place, key, "data folder", "give every peer a folder of its own")


def _taken(config: ClusterConfig, seen: dict[str, str], value: str, key: str, what: str, fix: str) -> Iterator[Problem]:
    first = seen.setdefault(value, key)
    if first != key:
        line = config.source.line_of(first)
        where = f"line {line}" if line else first
        shown = value.removeprefix("loopback").strip(" :")
        yield config.source.problem(key, f"got the {what} {shown}, which is already taken in {where}", fix)


def _addresses_can_be_dialled(config: ClusterConfig) -> Iterator[Problem]:
    for key, address in _addresses(config):
        if address.host in ("0.0.0.0", "::"):
            message = f"got {address}, expected an address at which the other peers reach this one"
            yield config.source.problem(key, message, "write the machine's own name or address")


def _workers_have_room(config: ClusterConfig) -> Iterator[Problem]:
    pools = [("workers", config.workers)]
    pools += [(f"peers[{n}].workers", peer.workers) for n, peer in enumerate(config.peers) if peer.workers is not None]
    for key, pool in pools:
        if pool.min > pool.max:
            message = f"got min {pool.min} above max {pool.max}"
            yield config.source.problem(f"{key}.max", message, f"raise `max` to at least {pool.min} or lower `min`")


def _limits_fit_each_other(config: ClusterConfig) -> Iterator[Problem]:
    limits = config.limits
    for name in ("args_bytes", "result_bytes"):
        value = getattr(limits, name)
        if value > limits.request_bytes:
            message = f"got {value:,}, expected at most request_bytes ({limits.request_bytes:,})"
            yield config.source.problem(f"limits.{name}", message, "raise `request_bytes` or lower this")
    if limits.request_tasks > limits.live_tasks:
        message = f"got {limits.request_tasks:,}, expected at most live_tasks ({limits.live_tasks:,})"
        yield config.source.problem("limits.request_tasks", message, "raise `live_tasks` or lower this")
    if limits.connections_per_address > limits.connections:
        message = f"got {limits.connections_per_address:,}, expected at most connections ({limits.connections:,})"
        yield config.source.problem("limits.connections_per_address", message, "raise `connections` or lower this")


def _timeouts_fit_each_other(config: ClusterConfig) -> Iterator[Problem]:
    times = config.timeouts
    if times.election_min_ms <= 3 * times.heartbeat_ms:
        message = f"got {times.election_min_ms}, expected more than three heartbeats ({3 * times.heartbeat_ms})"
        fix = "raise it or lower `heartbeat_ms`; otherwise one late heartbeat starts an election"
        yield config.source.problem("timeouts.election_min_ms", message, fix)
    if times.election_max_ms <= times.election_min_ms:
        message = f"got {times.election_max_ms}, expected more than election_min_ms ({times.election_min_ms})"
        fix = (
            f"raise it, best to {2 * times.election_min_ms}; the range is what keeps two peers from campaigning at once"
        )
        yield config.source.problem("timeouts.election_max_ms", message, fix)
    if times.session_ttl_s <= 2 * times.session_renew_s:
        message = f"got {times.session_ttl_s:g}, expected more than two renewals ({2 * times.session_renew_s:g})"
        fix = "raise it or lower `session_renew_s`; otherwise one lost renewal ends the session"
        yield config.source.problem("timeouts.session_ttl_s", message, fix)


def _strangers_are_kept_out(config: ClusterConfig) -> Iterator[Problem]:
    """Beyond loopback nothing listens without TLS; HTTP login then follows from the certificates or tokens."""
    if config.insecure or config.tls is not None:
        return
    for key, address in _addresses(config):
        if not address.is_loopback:
            fix = (
                "add a `tls` section as in cluster.example.yaml and run `quorate certs create FILE`;"
                " `insecure: true` is the only way round, for networks where everybody may do everything"
            )
            yield config.source.problem(key, f"got {address}, which others can reach, without `tls`", fix)


def _even_number_of_voters(config: ClusterConfig) -> Iterator[Problem]:
    count = len(config.peers)
    if count and count % 2 == 0:
        message = f"got {count} peers, an even number: {count} survive no more failures than {count - 1}"
        yield config.source.problem("peers", message, f"list {count - 1} or {count + 1}")


def _single_peer(config: ClusterConfig) -> Iterator[Problem]:
    if len(config.peers) == 1:
        yield config.source.problem("peers", "got one peer: when it is down, so is the cluster", "list three")


def _elections_fit_sessions(config: ClusterConfig) -> Iterator[Problem]:
    times = config.timeouts
    least_s = times.session_renew_s + 2 * times.election_max_ms / 1000
    if times.session_ttl_s <= least_s:
        message = f"got {times.session_ttl_s:g}, which an election may outlast (renewal and two elections: {least_s:g})"
        fix = "raise it above that; otherwise a change of leader can take running tasks from live peers"
        yield config.source.problem("timeouts.session_ttl_s", message, fix)


def _elections_collide(config: ClusterConfig) -> Iterator[Problem]:
    times = config.timeouts
    if times.election_min_ms < times.election_max_ms < 1.5 * times.election_min_ms:
        message = f"got {times.election_max_ms}, close to election_min_ms ({times.election_min_ms})"
        fix = f"raise it, best to {2 * times.election_min_ms}; peers that campaign at once split the votes"
        yield config.source.problem("timeouts.election_max_ms", message, fix)


def _insecure(config: ClusterConfig) -> Iterator[Problem]:
    if config.insecure:
        message = "got true: whoever reaches an address of a peer may do everything, run code included"
        yield config.source.problem("insecure", message, "set up `tls` and remove the line")


def _shell(config: ClusterConfig) -> Iterator[Problem]:
    if config.builtin_shell:
        message = "got true: whoever may submit a task may run any command as the peer's user"
        yield config.source.problem("builtin_shell", message, "remove the line unless that is wanted")


def _drills(config: ClusterConfig) -> Iterator[Problem]:
    if config.drills.allowed:
        message = "got true: whoever runs `quorate netsim live --cluster` on a peer's machine may freeze that peer"
        yield config.source.problem("drills.allowed", message, "remove the line when drills are over")


_RULES: tuple[Rule, ...] = (
    _size,
    _ids_differ,
    _addresses_differ,
    _folders_differ,
    _addresses_can_be_dialled,
    _workers_have_room,
    _limits_fit_each_other,
    _timeouts_fit_each_other,
    _strangers_are_kept_out,
)
_ADVICE: tuple[Rule, ...] = (
    _even_number_of_voters,
    _single_peer,
    _elections_fit_sessions,
    _elections_collide,
    _insecure,
    _shell,
    _drills,
)


def _addresses(config: ClusterConfig) -> Iterator[tuple[str, Address]]:
    for number, peer in enumerate(config.peers):
        yield f"peers[{number}].raft", peer.raft
        yield f"peers[{number}].http", peer.http


def _plain(path: Path) -> str:
    """Without `..` and links, so that two spellings of one folder are seen as one."""
    return os.path.realpath(path)
