"""One connection: aiohttp's protocol with our deadlines and limits, and our words for what is not HTTP.

Law: nothing here looks at what is asked. What a client does wrong on the wire costs it the connection, is told as a
problem, and is never logged
with its bytes.
"""

import asyncio
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_request import BaseRequest

from quorate.node.http.answers import Answers, raw_problem
from quorate.node.http.door import Door, Visitor
from quorate.node.http.problems import Problem
from quorate.node.http.settings import HttpLimits

LINGER_S: Final = 1.0
"""After an early answer the client's further bytes are read for this long: a reset would eat the answer."""


class Connection(web.RequestHandler):
    __slots__ = ("_answers", "_door", "_head_bytes", "_limits", "_lost", "_stall", "head_too_large", "visitor")

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        visitor: Visitor,
        door: Door,
        limits: HttpLimits,
        answers: Answers,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_s,
            access_log=None,  # type: ignore[arg-type]  # aiohttp documents None as "no access log"
            max_line_size=limits.header_line_bytes,
            max_field_size=limits.header_line_bytes,
            max_headers=limits.headers,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self.visitor = visitor
        self.head_too_large = False
        self._door = door
        self._limits = limits
        self._answers = answers
        self._head_bytes = 0
        self._stall: asyncio.TimerHandle | None = None
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.visitor.close = self._end
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lost = True
        self._door.leave(self.visitor)
        self._reads_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads slower than we write; from now on it has a deadline to catch up."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self._loop.call_later(self._limits.write_stall_s, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reads_again()

    def _reads_again(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def force_close(self) -> None:
        """What is still to be sent has a deadline too: a closing transport would wait for its reader for ever."""
        transport = self.transport
        super().force_close()
        # What is lost has nothing to send, and a TLS transport that is lost cannot even be asked.
        if transport is not None and not self._lost and transport.get_write_buffer_size():
            self._loop.call_later(self._limits.write_stall_s, transport.abort)

    def abort(self) -> None:
        """Drop the connection with whatever is unsent."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        between_requests = self._waiter is not None or self._request_count == 0
        if between_requests:
            if not self._head_bytes:
                self._door.reading(self.visitor, self._loop.time())
            self._head_bytes += len(data)
        super().data_received(data)
        if not between_requests:
            return
        if self._messages:
            self.head_too_large = self._head_bytes > self._limits.header_bytes
            self._head_bytes = 0
        elif self._head_bytes > self._limits.header_bytes:
            self._end(_head_too_large(self._limits))

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002  # aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp could not read of `request`. Anything our own code raises is answered before it gets here."""
        if isinstance(exc, LineTooLong):
            problem = _head_too_large(self._limits)
        else:
            first_line = (message or "not HTTP").strip().partition("\n")[0].rstrip(":")
            problem = Problem(status, "bad-request", f"this is not a well-formed HTTP request: {first_line}")
        response = self._answers.problem(problem)
        response.force_close()
        return response

    def check_head(self, raw_headers: tuple[tuple[bytes, bytes], ...]) -> None:
        """Raises Problem if the head that came in one piece is larger than allowed."""
        if not self.head_too_large:
            return
        self.head_too_large = False
        if sum(len(name) + len(value) + 4 for name, value in raw_headers) > self._limits.header_bytes:
            raise _head_too_large(self._limits)

    def served(self) -> None:
        """Whoever this is has made a complete request, or shown who he is."""
        self._door.known(self.visitor)

    def certificate(self) -> dict[str, Any] | None:
        """The client's certificate, verified by the handshake; None without one."""
        found: dict[str, Any] | None = None if self.transport is None else self.transport.get_extra_info("peercert")
        return found

    def _end(self, why: Problem) -> None:
        """Tell and close. If an answer is under way, or was just given, only close."""
        transport = self.transport
        if transport is None:
            return
        if self._owes_an_answer():
            transport.write(raw_problem(why))
        self.force_close()

    def _owes_an_answer(self) -> bool:
        request = self._current_request
        if request is not None:
            return request.writer.output_size == 0
        return self._waiter is not None  # it waits for a head; otherwise it reads off what came after an answer


def _head_too_large(limits: HttpLimits) -> Problem:
    detail = f"the head is too large: at most {limits.header_line_bytes:,} bytes a line, {limits.header_bytes:,} in all"
    return Problem(431, "too-large", detail)
