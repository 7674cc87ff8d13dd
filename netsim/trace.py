"""What happened in a run, in order.

Law: the digest is the run's identity: the same scenario gives the same digest on every machine and Python version.
"""

import hashlib
from typing import NamedTuple

MAX_EVENTS = 1_000_000
"""Kept of one run: some hundred megabytes. What comes later is in the digest only, but for violations."""


class Event(NamedTuple):
    """`at`: virtual seconds. `facts`: what else there is to say, by name."""

    at: float
    kind: str
    peer: str
    facts: dict[str, str | int | float]


class Trace:
    """`keep`: whether events are kept to be told later; the digest is kept always."""

    def __init__(self, *, keep: bool = False, messages: bool = False) -> None:
        self.keep = keep
        self.messages = messages
        self.events: list[Event] = []
        self._digest = hashlib.blake2b(digest_size=16)

    def note(self, at: float, kind: str, peer: str = "", **facts: str | int | float) -> None:
        self.mark(f"{at:.9f} {kind} {peer} {facts}")
        if not self.keep:
            return
        if len(self.events) < MAX_EVENTS or kind == "violation":
            self.events.append(Event(at, kind, peer, facts))
        elif len(self.events) == MAX_EVENTS:
            self.events.append(Event(at, "cut", "", {}))

    def mark(self, line: str) -> None:
        """Into the digest only."""
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return self._digest.hexdigest()
