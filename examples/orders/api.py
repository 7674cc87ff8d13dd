"""The demo as a client of the cluster: plain HTTP, any peer, until it is answered.

Law: what was not surely refused is asked again, of the next peer, under the same keys; that is safe and it is all
that failing over takes.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp

from examples.orders.cluster_file import PeerPlace

ASK_AGAIN_AFTER_S = 0.1
REQUEST_S = 10.0
# Until then a peer without a leader keeps a batch; afterwards the next peer is asked.
BATCH_S = 4.0
GIVE_UP_AFTER_S = 60.0
PAGE = 1_000


class DemoFailed(Exception):
    """The demo cannot go on; the words are for the person who watches."""


def _passes(status: int) -> bool:
    """Whether asking again later, or somebody else, may help: too slow, too many, no quorum, unknown."""
    return status in (408, 429) or status >= 500


class Peers:
    """The HTTP side of all peers."""

    def __init__(self, places: tuple[PeerPlace, ...]) -> None:
        self.base = {place.id: f"http://{place.http}" for place in places}
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def submit(self, tasks: list[dict[str, Any]], first: str) -> list[str]:
        """Submit as NDJSON, beginning with peer `first`; the ids, line by line.

        Raises:
            DemoFailed: a line was refused for good, or nobody took it in time.
        """
        body = b"".join(json.dumps(task, separators=(",", ":")).encode() + b"\n" for task in tasks)
        headers = {"Content-Type": "application/x-ndjson", "Quorate-Timeout": f"{BATCH_S:g}"}
        async for peer in self._in_turn(first):
            try:
                async with self._session.post(f"{self.base[peer]}/v1/tasks", data=body, headers=headers) as answer:
                    text = await answer.text()
                    lines = [json.loads(line) for line in text.splitlines() if line] if answer.status == 200 else []
            except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
                continue
            if _passes(answer.status):
                continue
            if answer.status != 200:
                raise DemoFailed(f"peer {peer} refused a batch: {answer.status} {text[:500]}")
            for line in lines:
                if line["status"] not in (200, 201) and not _passes(line["status"]):
                    raise DemoFailed(f"peer {peer} refused a task: {line}")
            if len(lines) == len(tasks) and all(line["status"] in (200, 201) for line in lines):
                return [str(line["id"]) for line in lines]
        raise DemoFailed(f"no peer took a batch of {len(tasks)} tasks within {GIVE_UP_AFTER_S:g} s")

    async def write_once(self, peer: str, key: str, timeout_s: float) -> bool:
        """Whether this peer acknowledged one no-op task in time."""
        body = {"handler": "builtin.noop", "key": key, "labels": {"probe": "yes"}}
        headers = {"Quorate-Timeout": f"{timeout_s:g}"}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.post(
                f"{self.base[peer]}/v1/tasks", json=body, headers=headers, timeout=timeout
            ) as answer:
                return answer.status in (200, 201)
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def ready(self, peer: str) -> bool:
        try:
            async with self._session.get(
                f"{self.base[peer]}/readyz", timeout=aiohttp.ClientTimeout(total=1.0)
            ) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def leader(self) -> str:
        """The id of the peer that leads, as the peers see it: the newest term counts, others may not know yet."""
        async for _ in self._in_turn(next(iter(self.base))):
            told = await asyncio.gather(*(self._leader_seen_by(peer) for peer in self.base))
            known = [(term, leader) for term, leader in told if leader in self.base]
            if known:
                return max(known)[1]
        raise DemoFailed(f"no leader within {GIVE_UP_AFTER_S:g} s")

    async def _leader_seen_by(self, peer: str) -> tuple[int, str]:
        """(term, leader); no peer's name where it knows none, or does not answer."""
        try:
            told = await self._get(peer, "/v1/cluster", timeout_s=1.0)
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""
        return told["term"], told["leader"] or ""

    async def tasks(self, peer: str, handler: str) -> AsyncIterator[dict[str, Any]]:
        """Every task of a handler that this peer knows, live ones and history."""
        cursor = ""
        while True:
            query = {"handler": handler, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            page = await self._get(peer, "/v1/tasks", REQUEST_S, query)
            for task in page["tasks"]:
                yield task
            cursor = page.get("cursor") or ""
            if not cursor:
                return

    async def _get(self, peer: str, path: str, timeout_s: float, query: dict[str, str] | None = None) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with self._session.get(f"{self.base[peer]}{path}", params=query or {}, timeout=timeout) as answer:
            answer.raise_for_status()
            told: dict[str, Any] = await answer.json()
            return told

    async def _in_turn(self, first: str) -> AsyncIterator[str]:
        """Peers to ask, one after the other, for as long as the demo has patience."""
        names = list(self.base)
        start = names.index(first)
        deadline = asyncio.get_running_loop().time() + GIVE_UP_AFTER_S
        turn = 0
        while asyncio.get_running_loop().time() < deadline:
            yield names[(start + turn) % len(names)]
            turn += 1
            await asyncio.sleep(ASK_AGAIN_AFTER_S)
