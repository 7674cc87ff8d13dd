"""One HTTP request to one peer, and what came of it.

Law: an answer is one of three: done, surely not done, or unknown. Only a connection that was never made, or a problem
that says so, is surely not done.
"""

import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

GRACE_S = 2.0
"""Beyond its own deadline a peer has this long to say so."""
DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


class Answer(msgspec.Struct, frozen=True):
    """status: of HTTP, 0 where none came. outcome: done, refused or unknown. body: decoded JSON, or text."""

    status: int
    outcome: str
    body: Any
    seconds: float

    @property
    def words(self) -> str:
        """Why not, for people."""
        if isinstance(self.body, dict):
            return f"{self.status} {self.body.get('detail', '')}".strip()
        return f"{self.status or 'no answer'} {self.body}".strip()


class Access(msgspec.Struct, frozen=True):
    """What the peers want shown: a TLS context (None: plain HTTP) and headers of every request."""

    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = {}


class Asking:
    """urls: base URL of each peer. Used with `async with`."""

    def __init__(self, urls: Mapping[str, str], access: Access) -> None:
        self.peers = tuple(urls)
        self._urls = dict(urls)
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=256, ssl=self._access.tls or True)
        self._session = aiohttp.ClientSession(connector=connector, headers=dict(self._access.headers))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, peer: str, method: str, path: str, body: object = None, *, within_s: float = 5.0) -> Answer:
        """Whatever happens is an answer; nothing is raised for what a peer or the way to it does."""
        assert self._session is not None
        began = time.monotonic()
        headers = {"Quorate-Timeout": f"{within_s:g}"}
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        limit = aiohttp.ClientTimeout(total=within_s + GRACE_S)
        try:
            async with self._session.request(
                method, self._urls[peer] + path, data=data, headers=headers, timeout=limit
            ) as answer:
                told = _decoded(await answer.read())
                return Answer(answer.status, _outcome(answer.status, told), told, time.monotonic() - began)
        except aiohttp.ClientConnectorError as error:
            return Answer(0, REFUSED, f"no connection: {error}", time.monotonic() - began)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return Answer(0, UNKNOWN, type(error).__name__, time.monotonic() - began)


def _outcome(status: int, told: object) -> str:
    if status < 400:
        return DONE
    if isinstance(told, dict) and told.get("outcome") in (REFUSED, UNKNOWN):
        return str(told["outcome"])
    return REFUSED if status < 500 else UNKNOWN


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text.decode("utf-8", "replace")
