"""One request on its way to its handler: who asks, for what, and until when."""

import asyncio
import math
import re
from typing import Final, cast
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.web_request import BaseRequest

from quorate.node.http.connection import Connection
from quorate.node.http.model import MAX_WAIT_S
from quorate.node.http.names import END
from quorate.node.http.problems import Problem, bad, too_large
from quorate.node.http.settings import HttpSettings
from quorate.scheduling.task import TaskId

MIN_TIMEOUT_S: Final = 0.01
MAX_TIMEOUT_S: Final = MAX_WAIT_S + 60.0
MAX_QUERY_FIELDS: Final = 32

_KEY: Final = re.compile(r"^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?" + END)
_QUOTED: Final = re.compile(r'^"((?:[^"\\]|\\["\\])*)"$')
_TRACE: Final = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}" + END)
_WAIT: Final = re.compile(r'^wait\s*=\s*"?([^";]*)"?\s*(?:;.*)?$', re.IGNORECASE)


class Call:
    """`argument`: the part of the path the route leaves open (an id or name), "" if none."""

    __slots__ = (
        "_limits",
        "_query",
        "_settings",
        "_started",
        "argument",
        "connection",
        "principal",
        "request",
        "waited",
    )

    def __init__(
        self, request: BaseRequest, argument: str, query: str, principal: str, settings: HttpSettings, now: float
    ) -> None:
        self.request = request
        self.argument = argument
        self.principal = principal
        self.connection = cast(Connection, request.protocol)
        self.waited = ""
        """The wait that was granted, for `Preference-Applied`; "" if none was asked for."""
        self._query = query
        self._settings = settings
        self._limits = settings.limits
        self._started = now

    @property
    def task(self) -> TaskId:
        return TaskId(self.argument)

    # --- the query string -------------------------------------------------------------------------

    def query(self, *allowed: str) -> dict[str, str]:
        """Raises Problem for parameters that are not there, stand twice, or are not UTF-8."""
        if not self._query:
            return {}
        try:
            pairs = parse_qsl(self._query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
        except ValueError:
            raise Problem(
                400,
                "bad-request",
                f"the query string is not readable; expected at most {MAX_QUERY_FIELDS} pairs in UTF-8",
            ) from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                raise bad(
                    name[:100],
                    f"there is no query parameter {name[:100]!r} here; expected {', '.join(allowed) or 'none'}",
                )
            if name in found:
                raise bad(name, "this query parameter stands twice; send it once")
            found[name] = value
        return found

    # --- time -------------------------------------------------------------------------------------

    def timeout_s(self) -> float:
        """Seconds the request has for the cluster's answer, waiting for ends of tasks not counted."""
        text = self.request.headers.get("Quorate-Timeout")
        if text is None:
            return self._settings.request_s
        return seconds(text, "Quorate-Timeout", MIN_TIMEOUT_S, MAX_TIMEOUT_S)

    def preferred_wait_s(self) -> float:
        """`Prefer: wait=30` (RFC 7240); 0 without. Other preferences are for others."""
        if "Prefer" not in self.request.headers:
            return 0.0
        for preference in ",".join(self.request.headers.getall("Prefer")).split(","):
            found = _WAIT.match(preference.strip())
            if found:
                wait_s = seconds(found[1].strip(), "Prefer", 0.0, MAX_WAIT_S)
                self.waited = f"wait={found[1].strip()}"
                return wait_s
        return 0.0

    def bounded_wait_s(self, wait_s: float) -> float:
        """What of a wait is left within the request's own deadline, if it named one."""
        if "Quorate-Timeout" not in self.request.headers:
            return wait_s
        spent_s = asyncio.get_running_loop().time() - self._started
        return min(wait_s, max(0.0, self.timeout_s() - spent_s))

    # --- headers ----------------------------------------------------------------------------------

    def idempotency_key(self) -> str:
        """The header's key, with or without the quotes of the draft standard; "" without. Raises Problem."""
        text = self.request.headers.get("Idempotency-Key")
        if text is None:
            return ""
        quoted = _QUOTED.match(text)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
        if not _KEY.match(key):
            raise bad("Idempotency-Key", "expected 1 to 200 visible ASCII characters")
        return key

    def trace(self) -> str:
        """W3C traceparent; what is not one is ignored, as the standard says."""
        text = self.request.headers.get("traceparent")
        return text if text is not None and _TRACE.match(text) else ""

    def content_type(self) -> str:
        """Lower case, without parameters. Raises Problem (415) for an encoding or a charset other than UTF-8."""
        headers = self.request.headers
        kind, _, parameters = headers.get("Content-Type", "").partition(";")
        if parameters:
            charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
            if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
                raise Problem(
                    415, "content-type", f"got charset {charset[1][:40]!r}, expected utf-8", field="Content-Type"
                )
        encoding = headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise Problem(
                415, "content-type", f"got {encoding[:40]!r}; send the body as it is", field="Content-Encoding"
            )
        return kind.strip().lower()

    def served(self) -> None:
        """The request has come completely."""
        self.connection.served()

    # --- the body ---------------------------------------------------------------------------------

    async def json_body(self) -> bytes:
        """Raises Problem for another content type, a body too large, too slow or none."""
        kind = self.content_type()
        if kind != "application/json":
            detail = (
                f"got {kind[:80]!r}, expected application/json" if kind else "expected `Content-Type: application/json`"
            )
            raise Problem(415, "content-type", detail, field="Content-Type")
        return await self.body()

    async def optional_json_body(self) -> bytes:
        """As `json_body`, or `{}` when nothing was sent."""
        if not self.request.body_exists or self.request.headers.get("Content-Length") == "0":
            return b"{}"
        if not self.request.headers.get("Content-Type"):
            body = await self.body()
            if body:
                raise Problem(415, "content-type", "expected `Content-Type: application/json`", field="Content-Type")
            return b"{}"
        return await self.json_body() or b"{}"

    async def body(self) -> bytes:
        content = self.request.content
        limit = self._limits.request_bytes
        if content.is_eof():
            data = content.read_nowait(-1)
            if len(data) > limit:
                raise _body_too_large(limit)
            self.served()
            return data
        await self._before_body(limit)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_s):
                while chunk := await self.next_chunk():
                    size += len(chunk)
                    if size > limit:
                        raise _body_too_large(limit)
                    chunks.append(chunk)
        except TimeoutError:
            raise _body_late(self._limits.body_s) from None
        self.served()
        return b"".join(chunks)

    async def _before_body(self, limit: int) -> None:
        length = self.request.content_length
        if length is not None and length > limit:
            raise _body_too_large(limit)
        await self.continue_body()

    async def continue_body(self) -> None:
        """Answer `Expect: 100-continue`, once it is clear that the body is wanted."""
        expected = self.request.headers.get("Expect")
        if expected is None:
            return
        if expected.lower() != "100-continue":
            raise Problem(
                417, "bad-request", f"got {expected[:40]!r}, expected 100-continue or nothing", field="Expect"
            )
        await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.request.writer.output_size = 0  # an interim answer is not the answer

    async def next_chunk(self) -> bytes:
        """The next bytes of the body, b"" at its end. Raises Problem for a stall or broken framing."""
        content = self.request.content
        try:
            async with asyncio.timeout(self._limits.body_stall_s):
                return await content.readany()
        except TimeoutError:
            raise _body_late(self._limits.body_stall_s) from None
        except web.RequestPayloadError:
            raise Problem(400, "bad-request", "the framing of the body is broken (chunk or Content-Length)") from None


def seconds(text: str, field: str, least: float, most: float) -> float:
    try:
        value = float(text) if len(text) <= 32 and text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise bad(field, f"got {text[:32]!r}, expected seconds from {least:g} to {most:g}")
    return value


def _body_too_large(limit: int) -> Problem:
    detail = f"the body is larger than {limit:,} bytes; send fewer tasks at once, or a stream (application/x-ndjson)"
    return too_large("", detail)


def _body_late(limit_s: float) -> Problem:
    return Problem(408, "late", f"the body did not come within {limit_s:g} s; send it in one go")
