"""The one transition table."""

from quorate.scheduling.lifecycle import MEANINGS, TRANSITIONS, may_lead, to_mermaid
from quorate.scheduling.task import ENDED, State


def test_the_table_has_every_state_and_only_known_moments() -> None:
    assert set(TRANSITIONS) == {None, *State}
    assert {moment for moments in TRANSITIONS.values() for moment in moments} == set(MEANINGS)


def test_every_state_can_be_reached_and_every_live_one_can_end() -> None:
    reached = {after for moments in TRANSITIONS.values() for states in moments.values() for after in states}
    assert reached == set(State)
    for state in set(State) - ENDED:
        assert may_lead(state, "cancelled", State.CANCELLED)


def test_what_succeeded_or_was_cancelled_stays_so() -> None:
    assert TRANSITIONS[State.SUCCEEDED] == TRANSITIONS[State.CANCELLED] == {}


def test_nothing_runs_unless_it_was_ready() -> None:
    before = [state for state, moments in TRANSITIONS.items() if State.RUNNING in sum(moments.values(), ())]
    assert before == [State.READY]


def test_the_diagram_has_every_arrow() -> None:
    arrows = [line for line in to_mermaid().splitlines() if ": " in line]
    assert len(arrows) == sum(len(states) for moments in TRANSITIONS.values() for states in moments.values())
    assert "    ready --> running: running" in arrows
    assert "    [*] --> ready: submitted" in arrows
