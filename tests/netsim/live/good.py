"""Evidence of a run in which everything went well, for tests to tamper with."""

from msgspec import structs

from quorate.netsim.live.evidence import Asked, Effect, Evidence, TaskFact, View

PEERS = ("a", "b", "c")


def asked(process: int, do: str, key: str, at: int, outcome: str = "done", **more: object) -> Asked:
    """One request from `at` to `at + 5`, in nanoseconds."""
    status = {"done": 201 if do == "submit" else 200, "refused": 503, "unknown": 504}[outcome]
    base = Asked(
        process=process,
        via="a",
        do=do,
        key=key,
        invoked_ns=at,
        ended_ns=at + 5,
        outcome=outcome,
        status=status,
    )
    return structs.replace(base, **more)


def task(number: int, state: str = "succeeded", attempt: int = 1, fence: int = 1) -> TaskFact:
    result = {"run": f"run-{number}-{fence}", "fence": fence} if state == "succeeded" else None
    return TaskFact(f"t{number}", f"k{number}", "chaos.record", state, attempt, fence, result)


def effect(number: int, attempt: int = 1, fence: int = 1) -> Effect:
    return Effect("b", 17, f"run-{number}-{fence}", f"t{number}", attempt, fence, 1_000 * number + attempt)


def view(peer: str, at: float, role: str = "follower", term: int = 3, index: int = 9, state: str = "h9") -> View:
    return View(at, peer, role, term, "a", index, state)


def good() -> Evidence:
    """t1 done at once; t2 unknown first, then acknowledged, run twice; t3 cancelled; k4 only ever refused."""
    requests = [
        asked(0, "submit", "k1", 10, task="t1", state="running"),
        asked(0, "look", "k1", 20, task="t1", state="running", fence=1),
        asked(0, "look", "k1", 30, task="t1", state="succeeded", fence=1),
        asked(1, "submit", "k2", 12, "unknown"),
        asked(2, "submit", "k2", 40, task="t2", state="ready"),
        asked(2, "submit", "k3", 50, task="t3", state="ready"),
        asked(2, "cancel", "k3", 60, task="t3", state="cancelled"),
        asked(2, "look", "k3", 70, task="t3", state="cancelled"),
        asked(3, "submit", "k4", 50, "refused"),
        asked(3, "submit", "k4", 80, "refused", status=0),
    ]
    told = [task(1), task(2, attempt=2, fence=4), task(3, "cancelled", 0, 0)]
    views = [view(peer, at, "leader" if peer == "a" else "follower") for at in (1.0, 2.0) for peer in PEERS]
    return Evidence(
        asked=requests,
        tasks={peer: {one.id: one for one in told} for peer in PEERS},
        effects=[effect(1), effect(2, 1, 2), effect(2, 2, 4)],
        views=views,
        final=[view(peer, 3.0, index=12, state="h12") for peer in PEERS],
        struck={"damage": 1},
    )
