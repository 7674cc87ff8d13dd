"""Whether what clients were told could have come from one sequential object: a linearizability checker.

Law: `linearizable` and `not linearizable` are proofs; what could not be proved within the budget is `unknown`, and that
is no success.

    history = History(REGISTER)
    history.note(1, "invoke", "write", 5)
    history.note(1, "ok", "write", 5)
    verdict = check(history.operations(), REGISTER, Budget())

Models: `MODELS`, by name; or a `Model` of one's own.
"""

from quorate.netsim.linear.budget import Budget
from quorate.netsim.linear.check import Verdict, check
from quorate.netsim.linear.history import History, Malformed
from quorate.netsim.linear.locks import LOCK
from quorate.netsim.linear.model import IMPOSSIBLE, Forms, Model
from quorate.netsim.linear.operation import NEVER, UNKNOWN, Operation
from quorate.netsim.linear.part import Part
from quorate.netsim.linear.queues import QUEUE
from quorate.netsim.linear.registers import CAS_REGISTER, REGISTER
from quorate.netsim.linear.submissions import SUBMISSIONS

MODELS = {model.name: model for model in (REGISTER, LOCK, CAS_REGISTER, QUEUE, SUBMISSIONS)}

__all__ = [
    "CAS_REGISTER",
    "IMPOSSIBLE",
    "LOCK",
    "MODELS",
    "NEVER",
    "QUEUE",
    "REGISTER",
    "SUBMISSIONS",
    "UNKNOWN",
    "Budget",
    "Forms",
    "History",
    "Malformed",
    "Model",
    "Operation",
    "Part",
    "Verdict",
    "check",
]
