"""After the faults: the cluster is given time to come to rest, and asked for everything.

Law: bounded; what is not at rest in time is evidence too.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from quorate.netsim.live.asking import Asking
from quorate.netsim.live.evidence import TaskFact, View
from quorate.netsim.live.watch import Watch

ENDED_WITHIN_S = 90.0
AT_REST_WITHIN_S = 20.0
LOOK_EVERY_S = 0.2
LIVE_STATES = ("held", "scheduled", "blocked", "ready", "running")
PAGE = 1_000
ANSWER_WITHIN_S = 20.0


class CannotTell(Exception):
    """A peer does not tell what it has although all is healed."""


async def until_idle(asking: Asking, prefix: str, filter_: Mapping[str, str]) -> None:
    """Until no peer has a live task of the run, or the time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ENDED_WITHIN_S
    while loop.time() < deadline:
        try:
            if not await _live(asking, prefix, filter_):
                return
        except CannotTell:
            pass  # who does not tell at the end either is an incident
        await asyncio.sleep(LOOK_EVERY_S)


async def _live(asking: Asking, prefix: str, filter_: Mapping[str, str]) -> bool:
    for peer in asking.peers:
        for state in LIVE_STATES:
            if await tasks_of(asking, peer, prefix, {**filter_, "state": state}):
                return True
    return False


async def at_rest(watch: Watch, peers: int) -> list[View]:
    """A look at all peers in which they stand at one index; the last look if there is none in time.

    The index goes on rising (sessions are renewed), so that several looks may be needed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + AT_REST_WITHIN_S
    while True:
        views = await watch.all()
        stands_still = len(views) == peers and len({view.applied_index for view in views}) == 1
        if stands_still or loop.time() > deadline:
            return views
        await asyncio.sleep(LOOK_EVERY_S / 4)


async def tasks_of(asking: Asking, peer: str, prefix: str, filter_: Mapping[str, str]) -> dict[str, TaskFact]:
    """Every task whose key begins with `prefix`, live and ended, as this peer tells it. Raises CannotTell."""
    found: dict[str, TaskFact] = {}
    cursor = ""
    while True:
        asked = {**filter_, "cursor": cursor} if cursor else filter_
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        path = f"/v1/tasks?limit={PAGE}&{query}"
        answer = await asking.ask(peer, "GET", path, within_s=ANSWER_WITHIN_S)
        if answer.status != 200:
            raise CannotTell(f"{peer} was asked for its tasks and answered {answer.words}")
        page: dict[str, Any] = answer.body
        for task in msgspec.convert(page["tasks"], list[TaskFact]):
            if (task.key or "").startswith(prefix):
                found[task.id] = task
        if page["cursor"] is None:
            return found
        cursor = page["cursor"]
