"""Looks at every peer while the run goes on: who leads, in which term, where each stands.

Law: looking changes nothing; a peer that does not answer has simply not been seen.
"""

import asyncio
from collections.abc import Callable

import msgspec

from quorate.netsim.live.asking import Asking
from quorate.netsim.live.evidence import View
from quorate.netsim.trace import Trace

EVERY_S = 0.5
MAX_VIEWS = 200_000


class Watch:
    """now: seconds since the run began."""

    def __init__(self, asking: Asking, trace: Trace, now: Callable[[], float]) -> None:
        self.views: list[View] = []
        self._asking = asking
        self._trace = trace
        self._now = now
        self._last: dict[str, View] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.gather(self.all(), asyncio.sleep(EVERY_S))

    async def all(self) -> list[View]:
        """One look at each peer; those that answered."""
        seen = await asyncio.gather(*(self._one(peer) for peer in self._asking.peers))
        return [view for view in seen if view is not None]

    def leader(self) -> str | None:
        """As the peer that was last seen in the highest term says."""
        views = [view for view in self._last.values() if view.leader]
        return max(views, key=lambda view: (view.term, view.at)).leader if views else None

    async def _one(self, peer: str) -> View | None:
        answer = await self._asking.ask(peer, "GET", "/v1/cluster", within_s=1.0)
        if answer.status != 200 or not isinstance(answer.body, dict):
            return None
        try:
            view = msgspec.convert({**answer.body, "peer": peer, "at": self._now()}, View)
        except msgspec.ValidationError:
            return None
        before = self._last.get(peer)
        self._last[peer] = view
        if before is None or (before.role, before.term) != (view.role, view.term):
            self._trace.note(view.at, "role", peer, role=view.role, term=view.term)
        if before is not None and before.applied_index != view.applied_index:
            self._trace.note(view.at, "commit", peer, index=view.applied_index)
        if len(self.views) < MAX_VIEWS:
            self.views.append(view)
        return view
