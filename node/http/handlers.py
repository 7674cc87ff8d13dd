"""Does anybody have the handler a task names?

Law: a name that no peer ever registered is refused, unless the task says otherwise; a name whose peers are all gone
is accepted, and the task says why it waits.
"""

from collections.abc import Sequence
from typing import Final

from quorate.node.http.model import TaskAsked
from quorate.node.http.problems import bad
from quorate.node.http.service import Service

ALWAYS_THERE: Final = frozenset({"builtin.echo", "builtin.sleep", "builtin.fail", "builtin.noop", "builtin.http"})
"""Handlers of the contract that every peer has. (`builtin.shell` is off unless enabled.)"""
BUILTIN_SHELL: Final = "builtin.shell"


async def check_handlers(
    service: Service, asked: Sequence[TaskAsked], prefixes: Sequence[str], timeout_s: float
) -> None:
    """Raises Problem for a handler nobody ever registered, after making sure that this replica is not just behind."""
    if not unknown_handlers(service, asked):
        return
    await service.asking.read(timeout_s)
    unknown = unknown_handlers(service, asked)
    if unknown:
        n = unknown[0]
        raise bad(f"{prefixes[n]}handler", unknown_words(asked[n]))


def unknown_handlers(service: Service, asked: Sequence[TaskAsked]) -> list[int]:
    known = service.peer.machine.handlers
    ours = service.settings.handlers
    return [
        n
        for n, task in enumerate(asked)
        if not (task.handler in known or task.handler in ours or task.handler in ALWAYS_THERE)
        and not task.allow_unknown_handler
    ]


def unknown_words(asked: TaskAsked) -> str:
    if asked.handler == BUILTIN_SHELL:
        return f"{BUILTIN_SHELL!r} is off in this cluster; `builtin_shell: true` in the cluster file turns it on"
    return (
        f"no peer has ever registered the handler {asked.handler!r}; name one that is in a module of the cluster file, "
        "or send `allow_unknown_handler: true` and the task waits for it"
    )
