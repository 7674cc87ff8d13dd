"""Every known anomaly is called by its name and found; its harmless sibling beside it is not."""

from typing import NamedTuple

import pytest

from quorate.netsim.linear import MODELS, Budget, History, check
from quorate.netsim.linear.history import EventType
from quorate.netsim.linear.operation import Json

Event = tuple[int, EventType, str, Json]


class Anomaly(NamedTuple):
    model: str
    events: list[Event]


def call(process: int, f: str, given: Json = None, told: Json = None) -> list[Event]:
    """Asked and answered with nothing in between."""
    return [(process, "invoke", f, given), (process, "ok", f, told)]


def open_call(process: int, f: str, given: Json = None) -> list[Event]:
    return [(process, "invoke", f, given), (process, "info", f, None)]


ANOMALIES = {
    "stale read": Anomaly("register", [*call(1, "write", 1), *call(1, "write", 2), *call(2, "read", told=1)]),
    "read goes back": Anomaly(
        "register",
        [(1, "invoke", "write", 1), *call(2, "read", told=1), *call(3, "read", told=None), (1, "ok", "write", 1)],
    ),
    "read of what was never written": Anomaly("register", call(1, "read", told=7)),
    "true is not 1": Anomaly("register", [*call(1, "write", 1), *call(1, "read", told=True)]),
    "lost write": Anomaly("register", [*call(1, "write", 1), *call(2, "read", told=None)]),
    "a refused write is seen": Anomaly(
        "register", [(1, "invoke", "write", 1), (1, "fail", "write", 1), *call(2, "read", told=1)]
    ),
    "an unknown write happens twice": Anomaly(
        "register",
        [*open_call(1, "write", 1), *call(2, "read", told=1), *call(2, "write", 2), *call(2, "read", told=1)],
    ),
    "lost update": Anomaly(
        "cas-register",
        [
            *call(1, "write", 0),
            (1, "invoke", "cas", [0, 1]),
            (2, "invoke", "cas", [0, 2]),
            (1, "ok", "cas", [0, 1]),
            (2, "ok", "cas", [0, 2]),
        ],
    ),
    "compared with what had gone": Anomaly(
        "cas-register", [*call(1, "write", 0), *call(1, "write", 1), *call(2, "cas", [0, 2])]
    ),
    "split-brain lock": Anomaly("lock", [*call(1, "acquire"), *call(2, "acquire")]),
    "released by another": Anomaly("lock", [*call(1, "acquire"), *call(2, "release")]),
    "fence going back": Anomaly(
        "lock", [*call(1, "acquire", told=5), *call(1, "release"), *call(2, "acquire", told=4)]
    ),
    "fence given twice": Anomaly(
        "lock", [*call(1, "acquire", told=5), *call(1, "release"), *call(2, "acquire", told=5)]
    ),
    "dequeued twice": Anomaly(
        "queue", [*call(1, "enqueue", "a"), *call(1, "dequeue", told="a"), *call(2, "dequeue", told="a")]
    ),
    "order of a queue broken": Anomaly(
        "queue",
        [
            *call(1, "enqueue", "a"),
            *call(1, "enqueue", "b"),
            *call(2, "dequeue", told="b"),
            *call(2, "dequeue", told="a"),
        ],
    ),
    "order of a queue broken among equals": Anomaly(
        "queue",
        [
            *call(1, "enqueue", "a"),
            *call(1, "enqueue", "b"),
            *call(1, "enqueue", "b"),
            *call(2, "dequeue", told="b"),
            *call(2, "dequeue", told="b"),
            *call(2, "dequeue", told="a"),
        ],
    ),
    "dequeued before it was enqueued": Anomaly("queue", [*call(1, "dequeue", told="a"), *call(2, "enqueue", "a")]),
    "a full queue called empty": Anomaly("queue", [*call(1, "enqueue", "a"), *call(2, "dequeue")]),
    "value lost in a queue": Anomaly(
        "queue", [*call(1, "enqueue", "a"), *call(1, "enqueue", "b"), *call(2, "dequeue", told="b")]
    ),
    "one unknown dequeue cannot take two": Anomaly(
        "queue",
        [
            *call(1, "enqueue", "a"),
            *call(1, "enqueue", "b"),
            *call(1, "enqueue", "c"),
            *open_call(3, "dequeue"),
            *call(2, "dequeue", told="c"),
        ],
    ),
    "a key with two tasks": Anomaly("submissions", [*call(1, "submit", "t1", "t1"), *call(2, "submit", "t2", "t2")]),
    "an acknowledged task is gone": Anomaly("submissions", [*call(1, "submit", "t1", "t1"), *call(2, "look")]),
    "an acknowledged task is not found": Anomaly(
        "submissions", [*call(1, "submit", "t1", "t1"), *call(2, "look", told=["t1", ""])]
    ),
    "an ended task runs again": Anomaly(
        "submissions",
        [
            *call(1, "submit", "t1", "t1"),
            *call(2, "look", told=["t1", "succeeded"]),
            *call(2, "look", told=["t1", "running"]),
        ],
    ),
    "the fence of a task goes back": Anomaly(
        "submissions",
        [
            *call(1, "submit", None, "t1"),
            *call(2, "look", told=["t1", "running", 3]),
            *call(2, "look", told=["t1", "ready", 2]),
        ],
    ),
    "a cancelled task succeeds": Anomaly(
        "submissions",
        [*call(1, "submit", "t1", "t1"), *call(1, "cancel", "t1"), *call(2, "look", told=["t1", "succeeded"])],
    ),
    "cancelled by nobody": Anomaly(
        "submissions", [*call(1, "submit", "t1", "t1"), *call(2, "look", told=["t1", "cancelled"])]
    ),
}

HARMLESS = {
    "read while written": Anomaly(
        "register",
        [(1, "invoke", "write", 1), *call(2, "read", told=None), *call(3, "read", told=1), (1, "ok", "write", None)],
    ),
    "an unknown write seen much later": Anomaly(
        "register", [*open_call(1, "write", 1), *call(2, "write", 2), *call(2, "read", told=1)]
    ),
    "one and one point nought": Anomaly("register", [*call(1, "write", 1), *call(1, "read", told=1.0)]),
    "an unknown release": Anomaly("lock", [*call(1, "acquire"), *open_call(1, "release"), *call(2, "acquire")]),
    "an unknown dequeue took it": Anomaly(
        "queue",
        [
            *call(1, "enqueue", "a"),
            *call(1, "enqueue", "b"),
            *open_call(3, "dequeue"),
            *call(2, "dequeue", told="b"),
        ],
    ),
    "enqueued together, in either order": Anomaly(
        "queue",
        [
            (1, "invoke", "enqueue", "a"),
            *call(2, "enqueue", "b"),
            (1, "ok", "enqueue", None),
            *call(2, "dequeue", told="a"),
            *call(2, "dequeue", told="b"),
        ],
    ),
    "submitted again, told the first": Anomaly(
        "submissions", [*open_call(1, "submit", "t1"), *call(1, "submit", "t2", "t1")]
    ),
    "failed, retried, succeeded": Anomaly(
        "submissions",
        [
            *call(1, "submit", "t1", "t1"),
            *call(2, "look", told=["t1", "failed", 1]),
            *call(1, "retry", "t1"),
            *call(2, "look", told=["t1", "succeeded", 2]),
        ],
    ),
}


def verdict_of(anomaly: Anomaly) -> str:
    history = History(MODELS[anomaly.model])
    for process, kind, f, value in anomaly.events:
        history.note(process, kind, f, value)
    return check(history.operations(), MODELS[anomaly.model], Budget()).result


@pytest.mark.parametrize("name", ANOMALIES)
def test_a_known_anomaly_is_found(name: str) -> None:
    assert verdict_of(ANOMALIES[name]) == "not linearizable"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_an_anomaly_is_not_one(name: str) -> None:
    assert verdict_of(HARMLESS[name]) == "linearizable"
