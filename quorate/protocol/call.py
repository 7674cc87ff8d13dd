"""One request as a value, and what came back."""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from quorate.errors import Refused, refusal

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Effect(Enum):
    """What repeating a request does."""

    READ = "changes nothing"
    SAFE = "repeated, it changes nothing more"
    ONCE = "repeated, it may be refused because the first time took effect"


class Call(NamedTuple):
    """A request. wait_s: for how long the peer may hold the answer back on purpose."""

    method: str
    path: str
    effect: Effect
    query: Mapping[str, str] = {}
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = {}
    wait_s: float = 0.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float:
        """0 if the peer names none."""
        return seconds(self.headers.get("Retry-After", ""))

    def problem(self) -> dict[str, Any]:
        """The body of a refusal; something to read even if it is none of ours."""
        try:
            told = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            told = None
        if isinstance(told, dict) and ("detail" in told or "title" in told):
            return told
        return {
            "status": self.status,
            "detail": f"status {self.status} without an explanation; is this a Quorate peer?",
        }

    def refused(self) -> Refused:
        return refusal(self.status, self.problem(), self.retry_after_s)


def seconds(text: str) -> float:
    """Of a `Retry-After` in seconds; 0 for what is none."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
