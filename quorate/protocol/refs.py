"""Names of tasks across requests: a `ref` holds within one request only, so later requests say the id instead.

Law: what names no earlier task is left as it is; whether it names anything is for the cluster to say.
"""

from collections.abc import Mapping
from typing import Any

RESULT = "$result"


def with_ids(task: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The task object with every ref in `ids` replaced, in `after` and in each `$result` of `args`."""
    changed = dict(task)
    if after := task.get("after"):
        changed["after"] = [ids.get(name, name) if isinstance(name, str) else name for name in after]
    if "args" in task:
        changed["args"] = _replaced(task["args"], ids)
    return changed


def _replaced(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: ids.get(part, part) if name == RESULT and isinstance(part, str) else _replaced(part, ids)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_replaced(part, ids) for part in value]
    return value
