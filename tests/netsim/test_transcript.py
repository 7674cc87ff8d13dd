"""What is told of a run, and what is left out."""

import pytest

from quorate.netsim.faults.rules import KINDS
from quorate.netsim.live.plan import EXPLAINED
from quorate.netsim.trace import Event, Trace
from quorate.netsim.transcript import FEW_REQUESTS, transcript
from quorate.netsim.wording import FAULTS, Teller

STARTS = [Event(0.0, "start", peer, {"recovery": "fresh"}) for peer in "abc"]
LEADS = Event(1.0, "role", "b", {"role": "leader", "term": 3})


def asked(at: float, n: int, peer: str = "c", key: str = "k7") -> Event:
    return Event(at, "invoke", peer, {"n": n, "client": key, "do": "submit", "key": key})


def told(at: float, n: int, outcome: str = "done", detail: str = "T1", key: str = "k7") -> Event:
    return Event(at, "told", "c", {"n": n, "client": key, "outcome": outcome, "detail": detail})


def lines(*events: Event) -> list[str]:
    return [line.strip() for line in transcript([*STARTS, *events]).splitlines()][len(STARTS) :]


def test_a_request_and_its_answer_are_one_line() -> None:
    assert lines(asked(1.0, 1), told(1.012, 1)) == ["1.000  a client asks c to submit k7 → accepted"]
    assert lines(asked(1.0, 1), told(3.5, 1, "refused", "no_quorum")) == [
        "1.000  a client asks c to submit k7 → refused (no_quorum) after 2.500 s"
    ]


def test_a_request_between_which_and_its_answer_something_happened_is_two_lines() -> None:
    killed = Event(1.5, "kill", "c", {})
    assert lines(asked(1.0, 1), killed, told(7.0, 1, "unknown", "")) == [
        "1.000  a client asks c to submit k7",
        "1.500  c is killed (kill -9)",
        "7.000  the client that asked c to submit k7 is told: unknown",
    ]


def test_a_request_without_an_answer_says_so() -> None:
    assert lines(asked(1.0, 1)) == ["1.000  a client asks c to submit k7 → no answer"]


def test_of_many_requests_only_their_number_is_told() -> None:
    many = [event for n in range(FEW_REQUESTS + 1) for event in (asked(n / 10, n), told(n / 10 + 0.01, n))]
    assert lines(*many) == [f"{many[-1].at:.3f}  requests meanwhile: {FEW_REQUESTS + 1} accepted"]


def test_a_task_is_called_by_its_key() -> None:
    attempt = Event(2.0, "attempt", "a", {"task": "T1", "fence": 12, "handler": "h"})
    assert lines(asked(1.0, 1), told(1.1, 1), attempt)[1] == "2.000  a runs k7 (fence 12)"
    other = Event(2.0, "attempt", "a", {"task": "0123456789ABCDEF", "fence": 2, "handler": "h"})
    assert lines(other) == ["2.000  a runs task …89ABCDEF (fence 2)"]


def test_an_attempt_that_died_with_its_peer_has_no_end() -> None:
    begun = Event(2.0, "attempt", "a", {"task": "T1", "fence": 1, "handler": "h"})
    ended = Event(3.0, "attempt_over", "a", {"task": "T1", "fence": 1, "how": "succeeded"})
    assert len(lines(begun, ended)) == 2
    assert lines(begun, Event(2.5, "kill", "a", {}), ended)[-1] == "2.500  a is killed (kill -9)"


def test_only_who_begins_to_lead_is_told_of_roles() -> None:
    follows = Event(1.2, "role", "a", {"role": "follower", "term": 3})
    assert lines(LEADS, follows) == ["1.000  b becomes leader of term 3"]


def test_a_role_in_a_fault_is_told_as_the_peer_it_was() -> None:
    cut = Event(2.0, "fault", "", {"n": 1, "do": "partition", "on": "leader"})
    over = Event(3.0, "fault_over", "", {"n": 1, "do": "partition", "on": "leader"})
    other = Event(2.5, "role", "a", {"role": "leader", "term": 4})
    assert lines(LEADS, cut, other, over) == [
        "1.000  b becomes leader of term 3",
        "2.000  fault: b cut off from a, c, both ways",
        "2.500  a becomes leader of term 4",
        "3.000  over: b cut off from a, c, both ways",
    ]


def test_a_fault_that_is_seen_in_what_it_does_is_told_once() -> None:
    kill = Event(2.0, "fault", "", {"n": 1, "do": "kill", "on": "follower"})
    assert lines(LEADS, kill, Event(2.0, "kill", "a", {}))[1:] == ["2.000  a is killed (kill -9)"]


def test_who_dies_at_a_point_is_told_once_and_the_point_is_explained() -> None:
    at = Event(2.0, "killed_at", "a", {"point": "flush.done"})
    (line,) = lines(at, Event(2.0, "kill", "a", {}))
    assert line.startswith("2.000  a dies at flush.done (")


def test_what_was_broken_is_the_last_word() -> None:
    broken = Event(9.0, "violation", "", {"check": "one_leader", "text": "two of them"})
    assert lines(LEADS, broken)[-1] == "9.000  VIOLATION of one_leader: two of them"


@pytest.mark.parametrize("kind", sorted({*KINDS, *EXPLAINED}))
def test_every_kind_of_fault_has_words(kind: str) -> None:
    assert kind in FAULTS
    fault = Event(2.0, "fault", "", {"n": 1, "do": kind, "on": "a", "to": "b", "amount": 2.0})
    sentence = Teller([*STARTS, fault]).sentence(fault)
    assert kind not in sentence or kind in {"kill", "freeze", "twice", "rolling", "power"}
    assert "{" not in sentence


def test_an_event_nobody_has_words_for_is_told_with_its_facts() -> None:
    strange = Event(2.0, "odd_thing", "a", {"size": 3})
    assert Teller([strange]).sentence(strange) == "a: odd thing (size 3)"


def test_of_a_run_too_long_to_be_kept_the_beginning_and_every_violation_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quorate.netsim.trace.MAX_EVENTS", 3)
    trace = Trace(keep=True)
    for n in range(9):
        trace.note(float(n), "message", "a", n=n)
    trace.note(9.0, "violation", check="one_leader", text="two")
    assert [(event.at, event.kind) for event in trace.events[3:]] == [(3.0, "cut"), (9.0, "violation")]
    assert "from here on only violations are told" in transcript([*STARTS, *trace.events])
