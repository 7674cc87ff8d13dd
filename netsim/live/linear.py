"""The clients' history, held against what one sequential object for each key would do.

Law: the history is the very one that is written for `quorate netsim check --model submissions`; out of time is
`unknown`, and unknown is no pass.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from quorate.netsim.linear import SUBMISSIONS, Budget, History, check
from quorate.netsim.linear.operation import shown
from quorate.netsim.live.checks import Verdict

BUDGET_S = 60.0
NAME = "client_history_is_linearizable"
PROMISE = "5: what all clients were told fits one order of events for each key"


def judge_history(lines: Iterable[Mapping[str, Any]]) -> Verdict:
    """`lines`: as `evidence.history_lines` gives them."""
    history = History(SUBMISSIONS)
    for line in lines:
        history.note(line["process"], line["type"], line["f"], line["value"], line["key"])
    verdict = check(history.operations(), SUBMISSIONS, Budget(seconds=BUDGET_S))
    if verdict.result == "linearizable":
        return Verdict(NAME, PROMISE, verdict.operations, [])
    if verdict.result == "unknown":
        return Verdict(NAME, PROMISE, verdict.operations, [f"no verdict on key {shown(verdict.key)} in time"])
    told = [str(operation) for operation in verdict.part.operations] if verdict.part is not None else []
    return Verdict(NAME, PROMISE, verdict.operations, [f"key {shown(verdict.key)}: " + "; ".join(told)])
