"""`POST /v1/tasks` as a stream: one task per line in, one result per line out, in order.

Laws: what has arrived is submitted as one batch while the next arrives; a batch that is refused as a whole is
submitted line by line, so that
each line has its own answer. A line may say `after` with a `ref` of an earlier line. Memory is bounded by one batch
and the answers not yet taken.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from aiohttp import web

from quorate.consensus.commands import Done, Outcome, Refused
from quorate.node.http.answers import NDJSON
from quorate.node.http.call import Call
from quorate.node.http.decode import decode
from quorate.node.http.handlers import unknown_handlers, unknown_words
from quorate.node.http.model import TaskAsked
from quorate.node.http.problems import Problem, bad, from_outcome, no_quorum, too_large
from quorate.node.http.service import Service
from quorate.node.http.submission import Submitted, one
from quorate.node.http.told import encode
from quorate.scheduling.task import NewTask, State, TaskId

BATCH_LINES: Final = 500
LINE_BYTES: Final = 1024 * 1024
MAX_REFS: Final = 100_000
ANSWER_BUFFER_BYTES: Final = 16 * 1024 * 1024
"""Answers kept for a client that sends everything before it reads anything."""
SAME_FOR_ALL: Final = frozenset(
    {"no_quorum", "overloaded", "stopping", "quarantined", "disk_full", "history_incomplete"}
)
"""Refusals that say nothing about the tasks: each line alone would be refused the same."""


class LineDone(msgspec.Struct):
    """The answer to an accepted line. `replayed`: its key was used before, and this is the task it got then."""

    line: int
    status: int
    id: TaskId
    state: State | None
    replayed: bool


class LineRefused(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """The problem of a line, its members as in RFC 9457."""

    line: int
    status: int
    kind: str
    title: str
    detail: str
    outcome: str
    field: str = ""


class _Line(msgspec.Struct):
    number: int
    asked: TaskAsked | None = None
    task: NewTask | None = None
    stored: TaskId | None = None
    problem: Problem | None = None


async def post_stream(service: Service, call: Call, by: Submitted) -> web.StreamResponse:
    if call.preferred_wait_s():
        raise bad("Prefer", "a stream of tasks is not waited for; send the ids it answers to POST /v1/tasks/wait")
    timeout_s, key = call.timeout_s(), call.idempotency_key()
    limit = service.settings.limits.ndjson_streams
    if service.ndjson_streams >= limit:
        raise Problem(429, "too-many", f"{limit} streams of tasks are being read at this peer already", retry_after_s=1)
    service.ndjson_streams += 1
    try:
        await call.continue_body()
        return await _Stream(service, call, by, key, timeout_s).run()
    finally:
        service.ndjson_streams -= 1


class _Stream:
    def __init__(self, service: Service, call: Call, by: Submitted, key: str, timeout_s: float) -> None:
        self._service = service
        self._call = call
        self._by = by
        self._key = key
        self._timeout_s = timeout_s
        self._refs: dict[str, TaskId] = {}
        self._response = web.StreamResponse(headers={**service.answers.common, "Content-Type": NDJSON})
        self._number = 0
        self._index = 0

    async def run(self) -> web.StreamResponse:
        try:
            async for texts in self._arrived():
                lines = [self._parsed(text) for text in texts]
                await self._submit(lines)
                await self._write(b"".join(map(self._told, lines)))
        except Problem as problem:
            # After the first answer there is no other place to say it: the stream ends with this line.
            if not self._response.prepared:
                raise
            self._response.force_close()
            await self._write(self._told(_Line(self._number + 1, problem=problem)))
        if not self._response.prepared:
            raise Problem(400, "bad-request", "the body is empty; expected one task object per line")
        await self._response.write_eof()
        return self._response

    async def _write(self, answer: bytes) -> None:
        if not self._response.prepared:
            await self._start()
        await self._response.write(answer)

    async def _start(self) -> None:
        """A first line has come: this is a client at work."""
        self._call.served()
        if self._index:
            self._response.headers["Quorate-Index"] = str(self._index)
        await self._response.prepare(self._call.request)
        transport = self._call.request.transport
        if transport is not None:
            transport.set_write_buffer_limits(high=ANSWER_BUFFER_BYTES)

    # --- lines ------------------------------------------------------------------------------------

    async def _arrived(self) -> AsyncIterator[list[bytes]]:
        """Complete lines, as many as have come meanwhile, at most a batch at a time."""
        rest = b""
        while chunk := await self._call.next_chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for start in range(0, len(lines), BATCH_LINES):
                batch = [line for line in lines[start : start + BATCH_LINES] if line.strip()]
                if batch:
                    yield batch
            if len(rest) > LINE_BYTES:
                raise too_large("", f"a line is longer than {LINE_BYTES:,} bytes")
        if rest.strip():
            yield [rest]

    def _parsed(self, text: bytes) -> _Line:
        self._number += 1
        line = _Line(self._number)
        limit = self._service.settings.limits.ndjson_lines
        if line.number > limit:
            raise too_large("", f"a stream has at most {limit:,} lines; send the rest in another")
        try:
            line.asked = decode(text, TaskAsked)
            key = f"{self._key}/{line.number}" if self._key else ""
            line.task = one(line.asked, key, self._by, self._refs, self._service.peer.new_id)
            self._name(line.asked, line.task.id)
        except Problem as problem:
            line.task, line.problem = None, problem
        return line

    def _name(self, asked: TaskAsked, task: TaskId) -> None:
        if asked.ref is None:
            return
        if asked.ref in self._refs:
            raise bad("ref", f"the ref {asked.ref!r} was used in an earlier line; give every task its own")
        if len(self._refs) >= MAX_REFS:
            raise too_large("ref", f"a stream has at most {MAX_REFS:,} refs; name earlier tasks by their ids")
        self._refs[asked.ref] = task

    # --- submission -------------------------------------------------------------------------------

    async def _submit(self, lines: Sequence[_Line]) -> None:
        await self._refuse_unknown_handlers(lines)
        open_lines = [line for line in lines if line.task is not None]
        if not open_lines:
            return
        outcome, index = await self._outcome(open_lines)
        if isinstance(outcome, Refused) and outcome.reason not in SAME_FOR_ALL and len(open_lines) > 1:
            for line in open_lines:
                self._settle([line], *await self._outcome([line]))
        else:
            self._settle(open_lines, outcome, index)

    async def _outcome(self, lines: Sequence[_Line]) -> tuple[Outcome, int]:
        tasks = [line.task for line in lines if line.task is not None]
        return await self._service.asking.outcome_of_submit(tasks, self._timeout_s)

    def _settle(self, lines: Sequence[_Line], outcome: Outcome, index: int) -> None:
        self._index = max(self._index, index)
        if not isinstance(outcome, Done):
            for line in lines:
                line.problem = from_outcome(outcome)
            return
        for line, stored in zip(lines, outcome.value, strict=True):
            line.stored = TaskId(stored)
            if line.asked is not None and line.asked.ref is not None:
                self._refs[line.asked.ref] = line.stored

    async def _refuse_unknown_handlers(self, lines: Sequence[_Line]) -> None:
        asked = [line for line in lines if line.task is not None and line.asked is not None]
        if not unknown_handlers(self._service, [line.asked for line in asked if line.asked]):
            return
        try:
            await self._service.asking.read(self._timeout_s)
        except Problem:
            for line in asked:
                line.task, line.problem = None, no_quorum()
            return
        for n in unknown_handlers(self._service, [line.asked for line in asked if line.asked]):
            line = asked[n]
            assert line.asked is not None
            line.task, line.problem = None, bad("handler", unknown_words(line.asked))

    def _told(self, line: _Line) -> bytes:
        if line.problem is not None:
            told = line.problem.told()
            return (
                encode(
                    LineRefused(line.number, told.status, told.kind, told.title, told.detail, told.outcome, told.field)
                )
                + b"\n"
            )
        assert line.stored is not None
        found = self._service.peer.find(line.stored)
        replayed = line.task is not None and line.task.id != line.stored
        return encode(LineDone(line.number, 201, line.stored, found.state if found else None, replayed)) + b"\n"
