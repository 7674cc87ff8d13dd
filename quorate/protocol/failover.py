"""Whom to ask, when again, and when to give up.

Law: a request that was not surely refused for good is asked again, of the next peer, until its deadline. A peer that
named a time (`Retry-After`) is not asked before it. What may have been done and was never answered ends as `Unknown`,
whatever later attempts said.
"""

import random
from typing import NamedTuple

from quorate.errors import CannotConnect, QuorateError, Unknown
from quorate.protocol.call import Answer, Call, Effect

ATTEMPT_S = 5.0
"""A peer that says nothing for this long, beyond what it was asked to wait, is taken for frozen."""
SHORTEST_ATTEMPT_S = 0.1
"""With less time left a repetition would only turn a clear refusal into doubt."""
SLOW_BYTES_S = 1_000_000.0
"""A large body gives the attempt one more second per this many bytes."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
PASSING = frozenset({408, 429, 502, 503})
"""Surely not done, and another peer or a later time may do it."""
UNKNOWN = frozenset({500, 504})


class Route:
    """The peers in the order they are asked in: the one that worked last comes first.

    Shared by all calls of a client.
    """

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self.endpoints = endpoints
        self._first = 0

    def order(self) -> tuple[str, ...]:
        return self.endpoints[self._first :] + self.endpoints[: self._first]

    def worked(self, endpoint: str) -> None:
        self._first = self.endpoints.index(endpoint)

    def failed(self, endpoint: str) -> None:
        if self.endpoints[self._first] == endpoint:
            self._first = (self._first + 1) % len(self.endpoints)


class Attempt(NamedTuple):
    """The next thing to do: after `pause_s`, ask `endpoint` and give it `timeout_s`."""

    endpoint: str
    pause_s: float
    timeout_s: float


class Attempts:
    """The attempts at one call. Times are monotonic seconds, given by the caller.

    deadline: without what the peers were asked to wait. connect_by: the same as long as nobody was reached.
    """

    def __init__(self, call: Call, route: Route, deadline: float, connect_by: float) -> None:
        self._call = call
        self._route = route
        self._deadline = deadline
        self._connect_by = connect_by
        self._asked_at = 0.0
        self._free_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._reached = False
        self._in_doubt = ""
        self._last: QuorateError | None = None

    def next(self, now: float) -> Attempt:
        """Raises the error the call ends with when its time is up."""
        until = self._deadline if self._reached else min(self._deadline, self._connect_by)
        order = self._route.order()
        free_at = self._free_at
        endpoint = next((peer for peer in order if free_at.get(peer, 0.0) <= now), None)
        pause_s = 0.0
        if endpoint is None:
            endpoint = min(order, key=free_at.__getitem__)
            pause_s = free_at[endpoint] - now
        least_s = SHORTEST_ATTEMPT_S if self._asked_at else 0.0
        if now + pause_s + least_s >= until:
            raise self._given_up()
        self._asked_at = now + pause_s
        patience_s = min(ATTEMPT_S + len(self._call.body) / SLOW_BYTES_S, self._deadline - self._asked_at)
        return Attempt(endpoint, pause_s, patience_s + self._call.wait_s)

    def unreachable(self, endpoint: str, why: str, now: float) -> None:
        """No connection: surely nothing was sent."""
        if self._last is None or isinstance(self._last, CannotConnect):
            self._last = CannotConnect(f"cannot connect to {', '.join(self._route.endpoints)} ({endpoint}: {why})")
        self._failed(endpoint, now, 0.0)

    def lost(self, endpoint: str, why: str, now: float) -> None:
        """Sent, and then the connection broke or the time was up."""
        self._reached = True
        self._deadline += max(0.0, min(now - self._asked_at, self._call.wait_s))
        if self._call.effect is Effect.READ:
            self._last = CannotConnect(f"no answer from {endpoint}: {why}")
        else:
            self._in_doubt = f"{endpoint}: {why}"
        self._failed(endpoint, now, 0.0)

    def settled(self, endpoint: str, answer: Answer, now: float) -> bool:
        """Whether this answer is the last word (else ask on). Raises the error that it is."""
        self._reached = True
        if answer.status in PASSING:
            self._last = answer.refused()
            self._failed(endpoint, now, answer.retry_after_s)
            return False
        if answer.status in UNKNOWN:
            self.lost(endpoint, str(answer.problem()["detail"]), now)
            self._free_at[endpoint] = max(self._free_at[endpoint], now + answer.retry_after_s)
            return False
        self._route.worked(endpoint)
        if answer.status < 400:
            return True
        if answer.status == 409 and self._in_doubt and self._call.effect is Effect.ONCE:
            raise Unknown(f"an earlier try may have done it ({self._in_doubt}); now: {answer.refused()}")
        raise answer.refused()

    def _failed(self, endpoint: str, now: float, retry_after_s: float) -> None:
        self._route.failed(endpoint)
        failures = self._failures[endpoint] = self._failures.get(endpoint, 0) + 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 16))
        self._free_at[endpoint] = now + max(retry_after_s, pause_s * random.uniform(0.5, 1.0))

    def _given_up(self) -> QuorateError:
        if self._in_doubt:
            return Unknown(f"no answer within the deadline ({self._in_doubt}); repeating it under the same key is safe")
        return self._last or CannotConnect(f"no time was left to ask {', '.join(self._route.endpoints)}")
