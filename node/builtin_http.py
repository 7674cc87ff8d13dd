"""`builtin.http`: calls a URL that the cluster file allows.

Laws:
- Nothing is called that is not under an allowed prefix, compared after parsing and by whole path segments; redirects
  are answers, never followed.
- The call ends with the attempt: the limit counts for the whole exchange, and a told stop closes the connection.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from quorate.node.context import Context, current

BODY_MAX_BYTES = 192 * 1024
"""Of an answer: what fits a result, with its headers, as JSON text."""
PIECE_BYTES = 16 * 1024
WITHOUT_LIMIT_S = 300.0
"""For an attempt that has no timeout: a call has one all the same."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PORTS = {"http": 80, "https": 443}


class UrlNotAllowed(Exception):
    """The URL is not under any prefix of `http_allow`."""


class HttpError(Exception):
    """The answer's status is 400 or more. `code`: the status."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"status {status}: {body[:500]}")
        self.code = status


class AnswerTooLarge(Exception):
    """The body is longer than a result may be."""


class Target(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


class HttpCaller:
    def __init__(self, allow: Sequence[str]) -> None:
        """allow: URL prefixes, e.g. `https://api.example.com/v1/`. Raises ValueError for one that is none."""
        self._allow = [_target(prefix) for prefix in allow]

    def call(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """body: text as it is, anything else as JSON. Gives `{status, headers, body}`, the body parsed if it says it is
        JSON.

        Sends the task's id as Idempotency-Key unless there is one in `headers`, since an attempt may be repeated. Fails
        with UrlNotAllowed, HttpError (code: the status), AnswerTooLarge, or the socket's own error.
        """
        target = self._allowed(url)
        if method not in METHODS:
            raise ValueError(f"method: got {method!r}, expected one of {sorted(METHODS)}")
        context = current()
        sent = {"Idempotency-Key": context.task, "User-Agent": "quorate", **(headers or {})}
        payload = body.encode() if isinstance(body, str) else None if body is None else msgspec.json.encode(body)
        if body is not None and not isinstance(body, str):
            sent = {"Content-Type": "application/json", **sent}
        query = urlsplit(url).query
        path = f"{target.path}?{query}" if query else target.path
        return _exchange(context, target, (method, path, payload, sent))

    def _allowed(self, url: str) -> Target:
        target = _target(url)
        for prefix in self._allow:
            if target[:3] == prefix[:3] and _is_under(target.path, prefix.path):
                return target
        raise UrlNotAllowed(f"{url!r} is under no prefix of `http_allow` in the cluster file of this peer")


def _exchange(
    context: Context, target: Target, request: tuple[str, str, bytes | None, dict[str, str]]
) -> dict[str, Any]:
    limit_s = min(context.deadline.remaining_s, WITHOUT_LIMIT_S)
    connection = _connection(target, limit_s)
    try:
        connection.connect()
        stop = connection.sock
        # Shutting down, not closing: it wakes the read, and the descriptor stays ours until that read has ended.
        context.bell.listen(lambda: _shut(stop))
        method, path, payload, headers = request
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        body = _read(context, response)
    finally:
        context.bell.unlisten()
        connection.close()
    text = body.decode("utf-8", "replace")
    if response.status >= 400:
        raise HttpError(response.status, text)
    is_json = response.headers.get_content_type() == "application/json"
    parsed = msgspec.json.decode(body) if is_json and body else text
    return {"status": response.status, "headers": {k.lower(): v for k, v in response.getheaders()}, "body": parsed}


def _connection(target: Target, limit_s: float) -> http.client.HTTPConnection:
    if target.scheme == "https":
        tls = ssl.create_default_context()
        return http.client.HTTPSConnection(target.host, target.port, timeout=limit_s, context=tls)
    return http.client.HTTPConnection(target.host, target.port, timeout=limit_s)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _read(context: Context, response: http.client.HTTPResponse) -> bytes:
    """A server that sends a byte now and then does not get more time than one that sends nothing."""
    parts: list[bytes] = []
    size = 0
    while piece := response.read1(PIECE_BYTES):
        parts.append(piece)
        size += len(piece)
        if size > BODY_MAX_BYTES:
            raise AnswerTooLarge(f"the answer is longer than {BODY_MAX_BYTES} bytes")
        if context.told_to_stop or context.deadline.remaining_s == 0:
            raise TimeoutError("the attempt was over before the answer was")
    return b"".join(parts)


def _target(url: str) -> Target:
    """Raises ValueError on what a strict reader and a lenient one might take for different places."""
    if not isinstance(url, str):
        raise ValueError(f"url: got {url!r}, expected text")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url or "#" in url:
        raise ValueError(f"url: {url!r} has spaces, control characters, a backslash or a fragment")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"url: got {url!r}, expected http://host/... or https://host/...")
    if "@" in parts.netloc:
        raise ValueError("url: no user or password in it, please; use headers")
    return Target(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], _path(parts))


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    decoded = unquote(unquote(path))
    if any(segment in {".", ".."} for segment in decoded.replace("\\", "/").split("/")):
        raise ValueError(f"url: the path {path!r} has steps upwards")
    return path


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")
