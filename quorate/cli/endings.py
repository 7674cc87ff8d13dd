"""How the command ends: exit codes, and errors in two sentences.

Law: 0 done, 1 usage or refused, 2 cannot connect, 3 not found, 4 conflict, 5 no quorum, 6 unknown, 7 the awaited task
did not succeed, or a simulation found a broken promise.
"""

from enum import IntEnum
from typing import NamedTuple

import click

from quorate.errors import (
    CannotConnect,
    Conflict,
    NoQuorum,
    NotFound,
    QuorateError,
    Refused,
    TaskCancelled,
    TaskFailed,
    Unknown,
)


class Exit(IntEnum):
    DONE = 0
    REFUSED = 1
    CANNOT_CONNECT = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NO_QUORUM = 5
    UNKNOWN = 6
    DID_NOT_SUCCEED = 7
    INTERRUPTED = 130
    """As shells say of a program that Ctrl-C ended."""


class Ended(click.ClickException):
    """Ends the command: what happened, what to do, and the exit code."""

    def __init__(self, happened: str, to_do: str, code: Exit) -> None:
        super().__init__(happened)
        self.to_do = to_do
        self.code = code


class Words(NamedTuple):
    happened: str
    to_do: str
    code: Exit


def words_of(error: BaseException) -> Words | None:
    """None for what nobody foresaw."""
    match error:
        case Ended():
            return Words(error.message, error.to_do, error.code)
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "quorate"
            return Words(error.format_message(), f"`{path} --help` shows how it is used.", Exit.REFUSED)
        case click.ClickException():
            return Words(error.format_message(), "", Exit.REFUSED)
        case QuorateError():
            return _of_cluster(error)
        case click.Abort() | KeyboardInterrupt():
            return Words("Interrupted.", "", Exit.INTERRUPTED)
    return _of_files(error)


def _of_cluster(error: QuorateError) -> Words:
    happened = str(error)
    match error:
        case TaskFailed():
            return Words(happened, f"`quorate get {error.task}` shows all of it.", Exit.DID_NOT_SUCCEED)
        case TaskCancelled():
            return Words(happened, f"`quorate events {error.task}` shows its timeline.", Exit.DID_NOT_SUCCEED)
        case CannotConnect():
            to_do = (
                "Start the peers with `quorate up FILE`, or name them with --endpoints or QUORATE_ENDPOINTS;"
                " where they want TLS, --cluster FILE finds addresses and certificates."
            )
            return Words(happened, to_do, Exit.CANNOT_CONNECT)
        case Unknown():
            return Words(happened, "Repeat the command with the same --key: it is done at most once.", Exit.UNKNOWN)
        case NotFound():
            to_do = "Look at the id; what has ended is kept for 7 days unless the cluster file says otherwise."
            return Words(happened, to_do, Exit.NOT_FOUND)
        case Conflict():
            return Words(happened, "`quorate get ID` shows how it stands.", Exit.CONFLICT)
        case NoQuorum():
            to_do = "A majority of the peers must be up; `quorate members list` shows how one of them sees it."
            return Words(happened, to_do, Exit.NO_QUORUM)
        case Refused():
            return Words(happened, _TO_DO.get(error.status, "Nothing was done; correct it and repeat."), Exit.REFUSED)
    return Words(happened, "", Exit.REFUSED)


_TO_DO = {
    401: "Show who you are: --token or QUORATE_TOKEN, or a client certificate with --cert and --tls-key.",
    403: "Ask somebody who may, or with another token.",
    413: "Nothing was done; send less at once.",
    422: "Nothing was done; use another --key, or the same contents as before.",
    429: "Nothing was done; repeat it in a moment.",
    501: "Nothing was done; `quorate --help` shows what there is.",
}


def _of_files(error: BaseException) -> Words | None:
    """What comes from the machine this runs on."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return Words(f"{place}{error.strerror or error}", "Mend that and repeat; nothing else was done.", Exit.REFUSED)
    if type(error).__name__ in ("ConfigError", "CertsError", "TokensError") or isinstance(error, ValueError):
        return Words(str(error), "Nothing was done.", Exit.REFUSED)
    return None
