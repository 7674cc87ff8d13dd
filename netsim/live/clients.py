"""Clients: they submit with keys, look and cancel, on every peer, and keep what they were told.

Laws
- What was unknown is repeated with the same key, mostly on another peer; a client that was refused tries again or gives
  up, so that there are keys of which every try was refused.
- A client asks one thing at a time. After an unknown outcome its next request is that of a new process, as the old one
  may still be under way.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from quorate.netsim.live.asking import DONE, REFUSED, UNKNOWN, Answer, Asking
from quorate.netsim.live.evidence import CANCEL, LOOK, SUBMIT, Asked

DEADLINE_S = 3.0
TRIES = 8
PAUSE_S = (0.05, 0.4)
"""Before a try is repeated."""
GIVES_UP_REFUSED = 0.3
SHARES = ((SUBMIT, 0.6), (LOOK, 0.3), (CANCEL, 0.1))

TaskMade = Callable[[random.Random, str], Mapping[str, Any]]
"""(chance, key) -> the task object to submit, without its key."""


class Clients:
    """rate: requests a second, of all `count` clients together. prefix: of every key."""

    def __init__(self, asking: Asking, seed: int, count: int, rate: float, prefix: str, make: TaskMade) -> None:
        self.asked: list[Asked] = []
        self._asking = asking
        self._prefix = prefix
        self._make = make
        self._pause_s = count / rate
        self._chances = [random.Random(f"live client {seed} {number}") for number in range(count)]
        self._processes = itertools.count()
        self._stopped = asyncio.Event()
        self._known: list[tuple[str, str]] = []
        """(key, task) of what was acknowledged to anybody."""

    def stop(self) -> None:
        """What is under way is brought to its end, nothing new is begun."""
        self._stopped.set()

    async def run(self) -> None:
        """Until stopped. Cancelled, what is under way is kept as unknown."""
        async with asyncio.TaskGroup() as group:
            for number, chance in enumerate(self._chances):
                group.create_task(self._client(number, chance))

    async def _client(self, number: int, chance: random.Random) -> None:
        process = next(self._processes)
        for count in itertools.count():
            await self._pause(chance.expovariate(1 / self._pause_s))
            if self._stopped.is_set():
                return
            (do,) = chance.choices([do for do, _ in SHARES], [share for _, share in SHARES])
            if do == SUBMIT or not self._known:
                process = await self._submit(process, chance, f"{self._prefix}{number}-{count}")
            else:
                key, task = self._known[-1 - int(len(self._known) * chance.random() ** 3)]  # mostly a recent one
                request = await self._ask(process, chance, do, key, task, None)
                process = self._next(process, request)

    async def _submit(self, process: int, chance: random.Random, key: str) -> int:
        body = {**self._make(chance, key), "key": key}
        for _ in range(TRIES):
            request = await self._ask(process, chance, SUBMIT, key, "", body)
            process = self._next(process, request)
            if request.outcome == DONE:
                self._known.append((key, request.task))
                return process
            if request.outcome == REFUSED and chance.random() < GIVES_UP_REFUSED:
                return process
            await self._pause(chance.uniform(*PAUSE_S))
            if self._stopped.is_set():
                return process
        return process

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def _next(self, process: int, request: Asked) -> int:
        return next(self._processes) if request.outcome == UNKNOWN else process

    async def _ask(self, process: int, chance: random.Random, do: str, key: str, task: str, body: object) -> Asked:
        via = chance.choice(self._asking.peers)
        invoked_ns = time.monotonic_ns()
        answer = Answer(0, UNKNOWN, "the run ended before an answer came", 0.0)
        try:
            answer = await self._sent(via, do, task, body)
        finally:
            told = answer.body if answer.outcome == DONE and isinstance(answer.body, dict) else {}
            request = Asked(
                process=process,
                via=via,
                do=do,
                key=key,
                invoked_ns=invoked_ns,
                ended_ns=time.monotonic_ns(),
                outcome=answer.outcome,
                status=answer.status,
                task=str(told.get("id", task)),
                state=str(told.get("state", "")),
                fence=int(told.get("fence", 0)),
                words="" if answer.outcome == DONE else answer.words,
            )
            self.asked.append(request)
        return request

    async def _sent(self, via: str, do: str, task: str, body: object) -> Answer:
        if do == SUBMIT:
            return await self._asking.ask(via, "POST", "/v1/tasks", body, within_s=DEADLINE_S)
        if do == CANCEL:
            return await self._asking.ask(via, "POST", f"/v1/tasks/{task}/cancel", within_s=DEADLINE_S)
        return await self._asking.ask(via, "GET", f"/v1/tasks/{task}", within_s=DEADLINE_S)
