"""Did the cluster stand the mishaps? Pure functions over what was measured, like `books`."""

import re
from collections.abc import Mapping, Sequence

from examples.orders.attempts import Begun
from examples.orders.books import Finding
from examples.orders.mishaps import WORTH_RUNNING, Mishap

LEADS_AGAIN_WITHIN_S = 2.0
# A peer that is gone is worth a warning to the others. An error is a defect: of the cluster, or of this demo.
_ALARM = re.compile(r"Traceback|\[(error|critical)|\w*Error: ")


_TIME = re.compile(r"[-0-9]{10}[ T][:.,0-9]{8,}Z? *")


def judge(mishaps: Sequence[Mishap], begun: Sequence[Begun]) -> list[Finding]:
    """One finding each: the kill and the freeze hit work, the cluster led again in time, both peers came back and
    worked.
    """
    return [
        _hit(mishaps, "killed", "kill hit running work"),
        _hit(mishaps, "frozen", "freeze hit running work"),
        _led_again(mishaps),
        *(_worked_again(mishaps, begun, kind) for kind in ("killed", "frozen")),
    ]


def logs_clean(logs: Mapping[str, Sequence[str]]) -> Finding:
    """No error and no traceback in any log. A peer always has something to say; an empty log is no evidence."""
    name = "logs clean"
    silent = sorted(process for process, lines in logs.items() if not lines and process != "gateway")
    if silent:
        return Finding(name, ok=False, says=f"nothing was logged by {', '.join(silent)}")
    alarms = [
        f"{process}: {line}" for process, lines in logs.items() for line in lines if _ALARM.match(_without_time(line))
    ]
    if alarms:
        return Finding(name, ok=False, says=f"{alarms[0]} ({len(alarms):,} such lines)")
    return Finding(name, ok=True, says=f"no error in {sum(map(len, logs.values())):,} lines")


def _without_time(line: str) -> str:
    """A log line begins with date and time; a traceback does not."""
    return _TIME.sub("", line)


def _hit(mishaps: Sequence[Mishap], kind: str, name: str) -> Finding:
    hits = [mishap.running for mishap in mishaps if mishap.kind == kind]
    if not hits:
        return Finding(name, ok=False, says=f"no peer was {kind}")
    repeated = f", after {len(hits) - 1} that hit fewer" if len(hits) > 1 else ""
    return Finding(name, ok=max(hits) >= WORTH_RUNNING, says=f"{max(hits)} attempts cut short{repeated}")


def _led_again(mishaps: Sequence[Mishap]) -> Finding:
    name = "led again after the kill"
    times = [mishap.led_again_s for mishap in mishaps if mishap.kind == "killed"]
    if not times:
        return Finding(name, ok=False, says="no peer was killed")
    if None in times:
        return Finding(name, ok=False, says="no write was acknowledged any more")
    worst = max(seconds for seconds in times if seconds is not None)
    return Finding(name, ok=worst <= LEADS_AGAIN_WITHIN_S, says=f"{worst:.2f} s (at most {LEADS_AGAIN_WITHIN_S:g} s)")


def _worked_again(mishaps: Sequence[Mishap], begun: Sequence[Begun], kind: str) -> Finding:
    """Ready again, and it took work again: readiness alone is only a word."""
    name = f"{kind} peer back by itself"
    of_kind = [mishap for mishap in mishaps if mishap.kind == kind]
    if not of_kind:
        return Finding(name, ok=False, says=f"no peer was {kind}")
    last = of_kind[-1]
    if last.back_s is None:
        return Finding(name, ok=False, says=f"{last.peer} never said that it was ready")
    ready_ns = last.returned_ns + int(last.back_s * 1e9)
    attempts = sum(one.peer == last.peer and one.at_ns > ready_ns for one in begun)
    says = f"{last.peer} ready after {last.back_s:.1f} s, then ran {attempts:,} attempts"
    return Finding(name, ok=attempts > 0, says=says)
