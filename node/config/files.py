"""What a cluster file points at, as far as one peer needs it: certificate, key, tokens, data folder.

Law: looks, never writes. Whatever is missing, unreadable or somebody else's is found before anything starts.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from quorate.node import certificate
from quorate.node.certificate import Identity
from quorate.node.config import tokens_file
from quorate.node.config.data_folder import stranger
from quorate.node.config.model import ClusterConfig, TlsConfig
from quorate.node.config.problem import ConfigError, Problem

DAYS_TO_ROTATE = 30
"""A certificate with fewer days left is warned of."""


def examine(config: ClusterConfig, peer_id: str) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of the files of one peer."""
    if peer_id not in {peer.id for peer in config.peers}:
        listed = ", ".join(peer.id for peer in config.peers)
        message = f"got the peer {peer_id!r}, which is not in the list"
        return [
            config.source.problem("peers", message, f"use one of {listed}, or add it to the list on every peer")
        ], []
    problems = [*_tls(config, peer_id), *_tokens(config), *_data(config, peer_id)]
    warnings = [*_expiry(config, peer_id), *_secrets_open_to_others(config, peer_id)]
    return problems, warnings


def _tls(config: ClusterConfig, peer_id: str) -> Iterator[Problem]:
    if config.tls is None:
        return
    read = _read(config.tls.of(peer_id))
    if isinstance(read, certificate.Bundle):
        read = certificate.flaws_of(read, config.cluster, Identity("peer", peer_id), certificate.now_utc())
    for flaw in read:
        yield config.source.problem(f"tls.{flaw.field}", flaw.message, flaw.fix)


def _read(files: TlsConfig) -> certificate.Bundle | list[certificate.Flaw]:
    return certificate.read(files.ca, files.cert, files.key)


def _expiry(config: ClusterConfig, peer_id: str) -> Iterator[Problem]:
    if config.tls is None:
        return
    read = _read(config.tls.of(peer_id))
    if (
        isinstance(read, certificate.Bundle)
        and (days := certificate.days_left(read.chain[0], certificate.now_utc())) < DAYS_TO_ROTATE
    ):
        message = f"got a certificate that expires in {max(days, 0)} days"
        yield config.source.problem("tls.cert", message, "run `quorate certs rotate FILE`; running peers notice")


def _tokens(config: ClusterConfig) -> Iterator[Problem]:
    if config.tokens is None:
        return
    try:
        tokens_file.load(config.tokens.file)
    except ConfigError as bad:
        told = "; ".join(str(problem) for problem in bad.problems)
        fix = "make it with `quorate tokens create FILE NAME`, or remove the `tokens` section"
        yield config.source.problem("tokens.file", f"got a file that cannot be used ({told})", fix)


def _secrets_open_to_others(config: ClusterConfig, peer_id: str) -> Iterator[Problem]:
    if config.tls is not None:
        yield from _open_to_others(config, "tls.key", config.tls.of(peer_id).key)
    if config.tokens is not None:
        yield from _open_to_others(config, "tokens.file", config.tokens.file)


def _open_to_others(config: ClusterConfig, key: str, path: Path) -> Iterator[Problem]:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return  # told as a problem already
    if mode & 0o077:
        message = f"got {path} with mode {mode:04o}, expected 0600: others on this machine may read or change it"
        yield config.source.problem(key, message, f"chmod 600 {path}")


def _data(config: ClusterConfig, peer_id: str) -> Iterator[Problem]:
    number = [peer.id for peer in config.peers].index(peer_id)
    key = f"peers[{number}].data"
    folder = config.peers[number].data
    if not os.path.exists(folder):  # unlike Path.exists it never raises, e.g. for a folder it may not look into
        yield from _can_be_made(config, key, folder)
        return
    if not os.path.isdir(folder):
        yield config.source.problem(key, f"got {folder}, which is a file, expected a folder", "name a folder")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fix = "give it to the user the peer runs as"
        yield config.source.problem(key, f"got {folder}, in which this user may not read and write", fix)
    elif why := stranger(folder, config.cluster, peer_id, tuple(peer.id for peer in config.peers)):
        message, _, fix = why.partition("; ")
        yield config.source.problem(key, f"got {folder}: {message}", fix)


def _can_be_made(config: ClusterConfig, key: str, folder: Path) -> Iterator[Problem]:
    above = next(parent for parent in folder.parents if os.path.exists(parent))
    if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
        message = f"got {folder}, which does not exist and cannot be made in {above}"
        yield config.source.problem(key, message, "make the folder and give it to the user the peer runs as")
