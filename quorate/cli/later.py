"""Commands that have a name and are not built yet.

Law: they refuse, by name and with exit code 1; nothing is accepted and ignored.
"""

import click

from quorate.cli.endings import Ended, Exit

_TAKES_ANYTHING = {"ignore_unknown_options": True, "help_option_names": []}


def not_built(name: str, purpose: str) -> click.Command:
    """name: as typed, e.g. `members add`."""

    listed_as = f"{purpose.removesuffix('.')} (not built yet)."

    @click.command(name.rpartition(" ")[2], context_settings=_TAKES_ANYTHING, short_help=listed_as)
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
    def refuse(rest: tuple[str, ...]) -> None:  # noqa: ARG001  # click passes what follows, whatever it is
        raise Ended(
            f"`quorate {name}` is not built yet.",
            "Nothing was done; `quorate --help` shows what there is.",
            Exit.REFUSED,
        )

    return refuse


COMMANDS = {
    "lock": not_built("lock", "Run a command while holding a lock."),
    "elect": not_built("elect", "Run a command while elected."),
    "standby": not_built("standby", "Run a command while being the group's active member."),
    "top": not_built("top", "Watch the cluster at work."),
    "drain": not_built("drain", "Let a peer finish and take nothing new."),
    "snapshot": not_built("snapshot", "Save, inspect and restore snapshots."),
    "recover": not_built("recover", "Go on after the loss of a majority."),
}
