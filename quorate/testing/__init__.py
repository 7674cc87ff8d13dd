"""Tests of your own handlers on a simulated cluster: real peers, virtual time, seeded faults.

Law: nothing here is needed by a running cluster, and importing it costs nothing until a name is used. With pytest the
fixture `cluster` is there as soon as Quorate is installed; without it, `with Cluster(seed=1) as cluster:`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorate.netsim.violation import Violation
    from quorate.testing.cluster import Cluster
    from quorate.testing.fault import Fault
    from quorate.testing.handle import Handle
    from quorate.testing.ledger import Ledger, StaleFence
    from quorate.testing.outside import Effect
    from quorate.testing.strand import HandlerStuck, PeerDied, WrongThread
    from quorate.testing.submitting import Submitter

__all__ = [
    "Cluster",
    "Effect",
    "Fault",
    "Handle",
    "HandlerStuck",
    "Ledger",
    "PeerDied",
    "StaleFence",
    "Submitter",
    "Violation",
    "WrongThread",
]

_LOADED_WHEN_ASKED_FOR = {
    "Cluster": "quorate.testing.cluster",
    "Effect": "quorate.testing.outside",
    "Fault": "quorate.testing.fault",
    "Handle": "quorate.testing.handle",
    "HandlerStuck": "quorate.testing.strand",
    "Ledger": "quorate.testing.ledger",
    "PeerDied": "quorate.testing.strand",
    "StaleFence": "quorate.testing.ledger",
    "Submitter": "quorate.testing.submitting",
    "Violation": "quorate.netsim.violation",
    "WrongThread": "quorate.testing.strand",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_WHEN_ASKED_FOR:
        raise AttributeError(f"module 'quorate.testing' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LOADED_WHEN_ASKED_FOR[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
