"""The replicated state and the one way it changes: `Machine.apply`.

Law: in place, total, deterministic. Stored tables (`tables.py`, `records.py`) are hashed, walked and restored;
derived ones (`store.py`, `order.py`, `timers.py`) are rebuilt. One file per rule: taking in (`submit.py`), attempts,
sessions, deaths, dependants, stubs, deduplication, derived work.
"""

from quorate.consensus.machine.machine import Change, Machine, Restore
from quorate.consensus.machine.reads import Filter, Selection
from quorate.consensus.machine.records import Ended, Session
from quorate.consensus.machine.walk import DamagedSnapshot, Walk

__all__ = ["Change", "DamagedSnapshot", "Ended", "Filter", "Machine", "Restore", "Selection", "Session", "Walk"]
