"""Ports nobody listens on.

Law: below what systems hand out by themselves, else any program's outgoing connection could take one meanwhile.
"""

import random
import socket

RANGE = range(12_000, 32_000)


class NoFreePorts(OSError):
    """Every port that was tried is taken."""


def free_ports(count: int) -> list[int]:
    """Different ports on loopback that were free a moment ago. Raises NoFreePorts."""
    found: list[int] = []
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NoFreePorts(f"fewer than {count} of the ports {RANGE.start} to {RANGE.stop - 1} are free")
