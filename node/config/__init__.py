"""The cluster file: one YAML file that describes the whole cluster, the same on every peer.

Law: it is validated as a whole before anything starts, and every problem is told at once with file, line, key and fix.
"""

from quorate.node.config.load import load, validated
from quorate.node.config.model import (
    Address,
    ClusterConfig,
    LimitsConfig,
    PeerConfig,
    TimeoutsConfig,
    TlsConfig,
    TokensConfig,
    WorkersConfig,
)
from quorate.node.config.problem import ConfigError, Problem

__all__ = [
    "Address",
    "ClusterConfig",
    "ConfigError",
    "LimitsConfig",
    "PeerConfig",
    "Problem",
    "TimeoutsConfig",
    "TlsConfig",
    "TokensConfig",
    "WorkersConfig",
    "load",
    "validated",
]
