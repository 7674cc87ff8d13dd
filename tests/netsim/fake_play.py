"""A run that costs nothing: it breaks a promise exactly where somebody is killed while a task is asked for."""

from quorate.netsim.play import Outcome, Report
from quorate.netsim.scenario import Scenario
from quorate.netsim.trace import Trace
from quorate.netsim.violation import Violation


def play(scenario: Scenario, *, trace: Trace | None = None) -> Outcome:
    """As `quorate.netsim.play.play`."""
    told = trace or Trace()
    told.note(0.0, "start", "a")
    for fault in scenario.faults:
        told.note(fault.at, "fault", n=1, do=fault.do, on=", ".join(fault.on))
    violation = None
    killed = any(fault.do == "kill" for fault in scenario.faults)
    if killed and any(operation.do == "submit" for operation in scenario.operations):
        violation = Violation("kept", "somebody was killed", 1.0)
        told.note(1.0, "violation", check="kept", text="somebody was killed")
    report = Report(
        name=scenario.name,
        seed=scenario.seed,
        digest=told.digest,
        virtual_s=20.0,
        operations=1,
        accepted=1,
        attempts=1,
        faults={fault.do: 1 for fault in scenario.faults},
        points={"flush.done": 3},
        checks={"kept": 10},
    )
    return Outcome(report, violation)
