"""Refusals and failures as RFC 9457 problems.

Law: a problem says whose fault it is and whether asking again helps. `outcome: refused`: surely nothing was done.
`outcome: unknown`: it may
have been done, and asking again under the same key is safe. There is no third kind.
"""

from typing import Final

import msgspec

from quorate.consensus.commands import Refused, Unknown

TYPE_PREFIX: Final = "urn:quorate:problem:"


class ProblemTold(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """The body of a problem (RFC 9457), with what we add to it."""

    kind: str
    title: str
    status: int
    detail: str
    outcome: str
    field: str = ""
    """Where in the request: `tasks[3].args`, a header or query parameter by its name."""


class Problem(Exception):
    """Ends a request with this answer. `retry_after_s`: > 0 where the same request may soon succeed."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        field: str = "",
        retry_after_s: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s
        self.headers = headers

    def told(self) -> ProblemTold:
        return ProblemTold(
            kind=TYPE_PREFIX + self.kind,
            title=TITLES.get(self.kind, self.kind.replace("-", " ").replace("_", " ").capitalize()),
            status=self.status,
            detail=self.detail,
            outcome="unknown" if self.status in (500, 504) else "refused",
            field=self.field,
        )

    def under(self, prefix: str) -> "Problem":
        """The same, said of a part of a larger request."""
        field = f"{prefix}.{self.field}" if self.field and not self.field.startswith("[") else prefix + self.field
        return Problem(self.status, self.kind, self.detail, field=field, retry_after_s=self.retry_after_s)


TITLES: Final = {
    "bad-request": "The request is malformed",
    "bad-field": "A field is not acceptable",
    "not-built": "Not built yet",
    "too-large": "Too large",
    "too-many": "Too many",
    "not-found": "Not found",
    "unknown": "The outcome is unknown",
    "no_quorum": "No quorum",
    "internal": "A fault of ours",
}


def bad(field: str, detail: str) -> Problem:
    return Problem(400, "bad-field", detail, field=field)


def too_large(field: str, detail: str) -> Problem:
    return Problem(413, "too-large", detail, field=field)


def not_built(what: str, field: str = "") -> Problem:
    """A field of the contract that stands there for later."""
    return Problem(400, "not-built", f"{what} is not built yet; leave it out", field=field)


def no_such_task(task: str) -> Problem:
    detail = f"no task {task[:64]!r}: it never existed, or history no longer keeps it; look at the id"
    return Problem(404, "not-found", detail, field="id")


def no_quorum() -> Problem:
    detail = (
        "this peer reached no majority of the cluster within the deadline; ask again, or read with ?consistency=stale"
    )
    return Problem(503, "no_quorum", detail, retry_after_s=1)


# reason of a refusal -> (status, seconds after which asking again may help; 0: the same request will be refused again)
_REFUSALS: Final[dict[str, tuple[int, int]]] = {
    "malformed": (400, 0),
    "unknown_handler": (400, 0),
    "unknown_dependency": (400, 0),
    "cycle": (400, 0),
    "not_found": (404, 0),
    "already_ended": (409, 0),
    "too_large": (413, 0),
    "key_reused": (422, 0),
    "too_many_tasks": (429, 5),
    "too_many_bytes": (429, 5),
    "overloaded": (429, 1),
    "window": (429, 1),
    "no_quorum": (503, 1),
    "quarantined": (503, 5),
    "stopping": (503, 1),
    "superseded": (503, 1),
    "stale_lookup": (503, 1),
    "history_incomplete": (503, 1),
    "too_many_clients": (503, 1),
    "disk_full": (503, 30),
}
_OTHER_REFUSAL: Final = (409, 0)
"""A refusal by the state of things that has no status of its own."""


def from_outcome(outcome: Refused | Unknown) -> Problem:
    if isinstance(outcome, Unknown):
        detail = outcome.detail or "no answer from the cluster within the deadline"
        return Problem(504, "unknown", f"{detail}; asking again with the same Idempotency-Key is safe", retry_after_s=1)
    status, retry_after_s = _REFUSALS.get(outcome.reason, _OTHER_REFUSAL)
    detail = outcome.detail or outcome.reason.replace("_", " ")
    return Problem(status, outcome.reason, detail, field=outcome.field, retry_after_s=retry_after_s)
