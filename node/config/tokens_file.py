"""The file of bearer tokens: `name: sha256 of the token`, one a line.

Law: it never holds a token, and what stands in it by mistake is not repeated in an error.
"""

import re
from pathlib import Path

from quorate.node.config.problem import ConfigError, Problem
from quorate.node.config.source import Plain, Source, read

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_HASH = re.compile(r"[0-9a-f]{64}")


def load(file: Path) -> dict[str, str]:
    """sha256 (hex, lower case) -> name. Raises ConfigError with every problem of the file."""
    plain, source = read(file)
    problems = [problem for name, value in plain.items() if (problem := _problem(name, value, source))]
    tokens = {str(value): name for name, value in plain.items()}
    if not problems and len(tokens) < len(plain):
        fix = "remove one of the two lines"
        problems.append(
            source.problem("", "got the same sha256 under two names, expected one name for each token", fix)
        )
    if problems:
        raise ConfigError(problems)
    return tokens


def _problem(name: str, value: Plain, source: Source) -> Problem | None:
    if not NAME.fullmatch(name):
        fix = "choose another name"
        return source.problem(name, f"got the name {name!r}, expected 1 to 31 of a-z, 0-9 and `-`", fix)
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        # What stands there may be a token somebody wrote into the file: it is not repeated.
        message = "got something else than the sha256 of a token (64 of 0-9 and a-f)"
        fix = "make the token with `quorate tokens create FILE NAME`; quote a hash of digits only"
        return source.problem(name, message, fix)
    return None
