"""The completion token: a text that stands for a submitted task and survives the process that submitted it.

Law: a token grants nothing. Whoever reads it still needs the right to ask the cluster; it names the task and the key it
was submitted under.
"""

import base64
import binascii
import re

PREFIX = "qt1"
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def write(task: str, key: str) -> str:
    return f"{PREFIX}.{task}.{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}"


def read(token: str) -> tuple[str, str]:
    """Id and key. Raises ValueError if it is no token."""
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != PREFIX or not _ID.fullmatch(parts[1]):
        raise ValueError(f"got {token[:80]!r}, expected the token of a handle ({PREFIX}.<id>.<key>)")
    padded = parts[2] + "=" * (-len(parts[2]) % 4)
    try:
        return parts[1], base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"the key in the token of task {parts[1]} is damaged: {error}") from error
