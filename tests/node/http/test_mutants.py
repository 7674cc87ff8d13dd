"""Promises 5, 6, 7 and 9 broken on purpose where a user meets them, and the named test that then fails.

Law: as in `tests/netsim/test_broken_promises.py`: a check that stays green while its promise is broken checks nothing.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from quorate.consensus.commands import Done, Outcome, Refused, Unknown
from quorate.node.http import decode, problems, reading, submission
from quorate.node.http.asking import Asking
from quorate.node.http.call import Call
from quorate.node.http.service import STALE
from tests.node.http import test_bad_requests, test_reads, test_submit
from tests.node.http.conftest import Site

Patch = pytest.MonkeyPatch


def drop_unknown_fields(patch: Patch) -> None:
    """What is not understood is accepted and ignored."""
    decoders = decode._DECODERS

    class Lenient:
        def __init__(self, kind: type[msgspec.Struct]) -> None:
            self._kind = kind

        def decode(self, body: bytes) -> Any:
            asked = json.loads(body)
            known = {name: value for name, value in asked.items() if name in self._kind.__struct_fields__}
            return decoders[self._kind].decode(json.dumps(known))

    patch.setattr(decode, "_DECODERS", {kind: Lenient(kind) for kind in decoders})


def name_no_field(patch: Patch) -> None:
    told = problems.Problem.told

    def vague(self: problems.Problem) -> problems.ProblemTold:
        return msgspec.structs.replace(told(self), field="")

    patch.setattr(problems.Problem, "told", vague)


def accept_any_depth(patch: Patch) -> None:
    patch.setattr("quorate.node.http.submission.check_depth", lambda *_: None)


def answer_500_for_bad_input(patch: Patch) -> None:
    wrong_value = decode._wrong_value

    def blunt(message: str) -> problems.Problem:
        problem = wrong_value(message)
        return problems.Problem(500, problem.kind, str(problem), field=problem.field)

    patch.setattr(decode, "_wrong_value", blunt)


def ignore_the_header_key(patch: Patch) -> None:
    patch.setattr(Call, "idempotency_key", lambda _: "")


def digest_nothing(patch: Patch) -> None:
    """All contents are alike, so a key may be used again with others."""
    patch.setattr(submission, "_digest", lambda *_: b"." * 16)


def digest_the_spelling(patch: Patch) -> None:
    """The same request, written differently, counts as another."""
    patch.setattr(submission, "_canonical", lambda value: json.dumps(value).encode())


def tell_unknown_as_refused(patch: Patch) -> None:
    def optimistic(outcome: Refused | Unknown) -> problems.Problem:
        return problems.from_outcome(Refused("no_quorum", "") if isinstance(outcome, Unknown) else outcome)

    patch.setattr("quorate.node.http.asking.from_outcome", optimistic)


def tell_refused_as_unknown(patch: Patch) -> None:
    patch.setattr("quorate.node.http.asking.from_outcome", lambda _: problems.from_outcome(Unknown("")))


def tell_refused_as_done(patch: Patch) -> None:
    outcome_of_submit = Asking.outcome_of_submit

    async def done(self: Asking, tasks: Any, timeout_s: float) -> tuple[Outcome, int]:
        outcome, index = await outcome_of_submit(self, tasks, timeout_s)
        return Done([task.id for task in tasks]) if isinstance(outcome, Refused) else outcome, index

    patch.setattr(Asking, "outcome_of_submit", done)


def read_stale_by_default(patch: Patch) -> None:
    read_point = reading.read_point

    async def stale(service: Any, call: Call, consistency: str | None) -> Any:
        return await read_point(service, call, consistency or STALE)

    patch.setattr(reading, "read_point", stale)


def keep_the_age_to_itself(patch: Patch) -> None:
    read_point = reading.read_point

    async def silent(service: Any, call: Call, consistency: str | None) -> Any:
        index, _ = await read_point(service, call, consistency)
        return index, {}

    patch.setattr(reading, "read_point", silent)


Check = Callable[[Site], Awaitable[None]]


def bad(why: str) -> Check:
    """One case of `test_bad_input_is_refused_by_name_and_nothing_is_submitted`."""
    (case,) = [case for case in test_bad_requests.BAD if case.why == why]

    async def check(site: Site) -> None:
        await test_bad_requests.test_bad_input_is_refused_by_name_and_nothing_is_submitted(site, case)

    return check


FAILED = (AssertionError, KeyError, aiohttp.ContentTypeError)
"""An answer that lacks what the check reads from it fails the check before its assertion does."""


class Mutant(NamedTuple):
    promise: str
    broken: Callable[[Patch], None]
    check: Check


KEYS = test_submit.test_the_same_key_gives_the_first_answer_and_other_contents_are_refused

MUTANTS = [
    Mutant("5", read_stale_by_default, test_reads.test_reads_are_linearizable_unless_asked_otherwise),
    Mutant("5", keep_the_age_to_itself, test_reads.test_reads_are_linearizable_unless_asked_otherwise),
    Mutant("6", ignore_the_header_key, KEYS),
    Mutant("6", digest_nothing, KEYS),
    Mutant("6", digest_the_spelling, KEYS),
    Mutant("7", tell_unknown_as_refused, test_submit.test_no_answer_after_it_left_is_504_unknown),
    Mutant("7", tell_refused_as_unknown, test_submit.test_refusals_of_the_peer_keep_their_meaning),
    Mutant("7", tell_refused_as_done, test_submit.test_refusals_of_the_peer_keep_their_meaning),
    Mutant("9", drop_unknown_fields, bad("an unknown field")),
    Mutant("9", name_no_field, bad("an unknown field")),
    Mutant("9", accept_any_depth, bad("args too deep")),
    Mutant("9", answer_500_for_bad_input, bad("a true priority")),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.promise}-{m.broken.__name__}")
async def test_the_check_fails_when_its_promise_is_broken(mutant: Mutant, site: Site, monkeypatch: Patch) -> None:
    """Otherwise nobody would notice if it were."""
    mutant.broken(monkeypatch)
    with pytest.raises(FAILED):
        await mutant.check(site)
