"""Responses, built with as little as possible: 3,000 of them a second leave half a core to everything else."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from quorate.node.http.problems import Problem
from quorate.node.http.told import encode

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain; charset=utf-8"

Headers = dict[str, str]


class Answers:
    """What every answer of this peer carries."""

    def __init__(self, peer_id: str) -> None:
        self.common: Headers = {"Quorate-Peer": peer_id, "Server": "quorate", "X-Content-Type-Options": "nosniff"}

    def json(
        self, body: bytes, *, status: int = 200, index: int | None = None, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        return self.of(body, JSON, status=status, index=index, headers=headers)

    def of(
        self,
        body: bytes,
        kind: str,
        *,
        status: int = 200,
        index: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        told = {**self.common, "Content-Type": kind}
        if index is not None:
            told["Quorate-Index"] = str(index)
        if headers:
            told.update(headers)
        return web.Response(body=body, status=status, headers=told)

    def problem(self, problem: Problem) -> web.Response:
        headers = dict(problem.headers or {})
        if problem.retry_after_s:
            headers["Retry-After"] = str(problem.retry_after_s)
        response = self.of(encode(problem.told()), PROBLEM_JSON, status=problem.status, headers=headers)
        if problem.status in CLOSING:
            response.force_close()
        return response


CLOSING: Final = frozenset({408, 413, 431})
"""After these the rest of what the client sends is not read."""


def raw_problem(problem: Problem) -> bytes:
    """A whole response, for a connection on which no request is being answered. It says that the connection ends."""
    body = encode(problem.told())
    retry = f"Retry-After: {problem.retry_after_s}\r\n" if problem.retry_after_s else ""
    head = (
        f"HTTP/1.1 {problem.status} {_PHRASES.get(problem.status, 'Refused')}\r\nServer: quorate\r\n"
        f"Content-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body


_PHRASES: Final = {
    408: "Request Timeout",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
