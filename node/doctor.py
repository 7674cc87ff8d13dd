"""Is this machine, and what can be seen of the cluster from it, fit to run a peer?

Law: looks, and leaves nothing behind; every finding says what was measured, against what, and what to do. What
forbids a start is a problem, what will hurt later a warning. Nothing here is needed for running.
"""

import importlib.util
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

from quorate.consensus.raft import engine
from quorate.node import reach
from quorate.node.config import ClusterConfig, ConfigError, PeerConfig, Problem, files, load
from quorate.node.flush_probe import flush_latency

SLOW_FLUSH_MS = 5.0
"""Every acknowledged write waits for at least one flush; a good disk takes a tenth of this."""
OLDEST_PYTHON = (3, 11)
SPARE_FILES = 256
"""Open files of a peer besides its connections: log segments, history, modules."""

Level = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    level: Level
    what: str
    """The thing looked at, e.g. `flush latency of data/a`."""
    detail: str
    fix: str = ""
    """Empty when there is nothing to do."""


def examine(path: Path | str, peer_id: str | None = None) -> list[Finding]:
    """A cluster file and everything behind it; a file that cannot be used gives its problems as findings."""
    try:
        config = load(path)
    except ConfigError as bad:
        return [_of_problem("problem", problem) for problem in bad.problems]
    shape = f"{len(config.peers)} peers, cluster {config.cluster!r}"
    return [Finding("ok", "cluster file", shape), *check(config, peer_id)]


def check(config: ClusterConfig, peer_id: str | None = None) -> list[Finding]:
    """Findings for one peer of this machine, or for all peers whose addresses are of this machine alone."""
    findings = [_of_problem("warning", warning) for warning in config.warnings]
    findings += [_python(), _pysyncobj(), _open_files(config)]
    findings += [_module(config, name) for name in config.modules]
    if peer_id is not None and peer_id not in {peer.id for peer in config.peers}:
        problems, _ = files.examine(config, peer_id)
        return [*findings, *(_of_problem("problem", problem) for problem in problems)]
    for peer in _local(config, peer_id):
        findings += _files(config, peer)
        findings += _disk(config, peer)
    findings += _others(config, peer_id)
    return findings


def _local(config: ClusterConfig, peer_id: str | None) -> list[PeerConfig]:
    if peer_id is not None:
        return [config.peer(peer_id)]
    return [peer for peer in config.peers if peer.raft.is_loopback]


def _of_problem(level: Level, problem: Problem) -> Finding:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return Finding(level, f"{place} {problem.key}".rstrip(), problem.message, problem.fix)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        return Finding("problem", "Python", f"{version}, expected 3.11 or newer", "install a newer Python")
    return Finding("ok", "Python", version)


def _pysyncobj() -> Finding:
    try:
        engine.audited_code()
    except engine.UnauditedEngine as unaudited:
        what, _, fix = str(unaudited).partition("; ")
        return Finding("problem", "pysyncobj", what, fix)
    return Finding("ok", "pysyncobj", "0.3.17, byte for byte the one that was audited")


def _open_files(config: ClusterConfig) -> Finding:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * config.limits.connections + SPARE_FILES
    detail = f"{limit:,}; two ports of {config.limits.connections:,} connections need {needed:,}"
    if limit != resource.RLIM_INFINITY and limit < needed:
        most_told = "any number" if most == resource.RLIM_INFINITY else f"up to {most:,}"
        fix = f"ulimit -n {needed} ({most_told} allowed here), or lower `limits.connections`"
        return Finding("warning", "open-file limit", detail, fix)
    return Finding("ok", "open-file limit", detail)


def _module(config: ClusterConfig, name: str) -> Finding:
    """Only the outermost package is looked for: finding more would run its code."""
    folder = str(Path(config.source.file).parent)
    outermost = name.partition(".")[0]
    sys.path.insert(0, folder)
    try:
        found = importlib.util.find_spec(outermost) is not None
    except (ImportError, ValueError):
        found = False
    finally:
        sys.path.remove(folder)
    if found:
        return Finding("ok", f"module {name}", f"{outermost} is there")
    fix = f"install it, or put it into {folder}"
    return Finding("problem", f"module {name}", f"no module {outermost!r} on this machine", fix)


def _files(config: ClusterConfig, peer: PeerConfig) -> Iterator[Finding]:
    problems, warnings = files.examine(config, peer.id)
    yield from (_of_problem("problem", problem) for problem in problems)
    yield from (_of_problem("warning", warning) for warning in warnings)
    if not problems:
        told = "certificate, key, tokens and data folder" if config.tls else "data folder"
        yield Finding("ok", f"files of peer {peer.id}", f"{told} can be used")
    mode = peer.data.stat().st_mode & 0o777 if os.path.isdir(peer.data) else 0
    if mode & 0o022:
        fix = f"chmod 700 {peer.data}"
        yield Finding("warning", f"data folder {peer.data}", f"mode {mode:04o}: others may change the log", fix)


def _disk(config: ClusterConfig, peer: PeerConfig) -> Iterator[Finding]:
    folder = _existing(peer.data)
    free = shutil.disk_usage(folder).free
    floor = config.limits.free_disk_bytes
    what = f"free space for {peer.data}"
    detail = f"{_size(free)}; below {_size(floor)} new tasks are refused"
    if free < floor:
        yield Finding("problem", what, detail, "free some, or lower `limits.free_disk_bytes`")
    elif free < 10 * floor:
        yield Finding("warning", what, detail, "free some")
    else:
        yield Finding("ok", what, detail)
    yield _flush(peer, folder)


def _flush(peer: PeerConfig, folder: Path) -> Finding:
    what = f"flush latency of {peer.data}"
    try:
        latency = flush_latency(folder)
    except OSError as failure:
        return Finding("problem", what, f"cannot write in {folder}: {failure.strerror}", "give this user the folder")
    detail = f"p50 {latency.p50_ms:.2f} ms, p99 {latency.p99_ms:.2f} ms over {latency.flushes} flushes"
    if latency.p50_ms > SLOW_FLUSH_MS:
        fix = "every acknowledged write waits for this: use a local SSD"
        return Finding("warning", what, f"{detail}; expected a p50 under {SLOW_FLUSH_MS:g} ms", fix)
    return Finding("ok", what, detail)


def _others(config: ClusterConfig, peer_id: str | None) -> Iterator[Finding]:
    others = [peer for peer in config.peers if peer.id != peer_id]
    trust = reach.trust_of(config, peer_id)
    looks = [(look, peer) for peer in others for look in (_raft_port, _http_port)]
    if not looks:
        return
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield from pool.map(lambda each: each[0](config, each[1], trust), looks)


def _raft_port(config: ClusterConfig, peer: PeerConfig, trust: reach.Trust) -> Finding:
    what = f"peer {peer.id}, Raft at {peer.raft}"
    try:
        told = reach.raft(config, peer, trust)
    except reach.UnreachableError as failure:
        return Finding("warning", what, str(failure), failure.fix)
    return Finding("ok", what, told)


def _http_port(config: ClusterConfig, peer: PeerConfig, trust: reach.Trust) -> Finding:
    what = f"peer {peer.id}, HTTP at {peer.http}"
    try:
        clock = reach.clock(config, peer, trust)
    except reach.UnreachableError as failure:
        return Finding("warning", what, str(failure), failure.fix)
    if clock is None:
        return Finding(
            "warning", what, "answers, but does not tell its time", "check that it is a peer of this cluster"
        )
    most_ms = config.timeouts.max_skew_s * 1000
    least_skew_ms = max(0.0, abs(clock.ahead_ms) - clock.uncertain_ms)
    detail = f"reachable; its clock is {clock.ahead_ms:+.0f} ms from ours, give or take {clock.uncertain_ms:.0f} ms"
    if least_skew_ms > most_ms:
        fix = "set both clocks by NTP (e.g. chrony)"
        return Finding("problem", what, f"{detail}; expected at most {most_ms:g} ms", fix)
    if least_skew_ms > most_ms / 2:
        return Finding("warning", what, f"{detail}; at {most_ms:g} ms it may no longer lead", "set both clocks by NTP")
    return Finding("ok", what, detail)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: it will be made on the same disk."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def _size(count: int) -> str:
    for unit, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
