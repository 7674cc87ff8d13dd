"""Counting and logging of connections that were turned away.

Law: everything is counted; each address is logged once per reason and quarter of an hour, so that nobody outside can
fill a log.
"""

from collections import Counter, OrderedDict

import structlog

LOGGED_AGAIN_AFTER_S = 900.0
MAX_REMEMBERED = 1024

log = structlog.get_logger(__name__)


class Refusals:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """By reason."""
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, now: float, address: str, code: str, words: str) -> None:
        """`now`: monotonic seconds."""
        self.counts[code] += 1
        key = (address, code)
        last = self._logged.get(key)
        if last is not None and now - last < LOGGED_AGAIN_AFTER_S:
            return
        self._logged.pop(key, None)
        self._logged[key] = now
        if len(self._logged) > MAX_REMEMBERED:
            self._logged.popitem(last=False)
        log.warning("transport.refused", address=address, why=code, detail=words)
