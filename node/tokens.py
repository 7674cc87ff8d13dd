"""Bearer tokens of HTTP clients: made once, shown once, stored as a hash.

Law: the file holds the name and the sha256 of each token, never a token; a token is 256 bits of chance, so a plain hash
keeps it safe. A changed file takes effect within a second; one that cannot be read or understood is not taken, and the
tokens known before stay in force.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from quorate.node.config.problem import ConfigError
from quorate.node.config.tokens_file import NAME, load

LOOK_EVERY_S = 1.0
PREFIX = "quorate_"
"""So that secret scanners, and people, know a token when they see one."""

log = structlog.get_logger(__name__)


class TokensError(Exception):
    """No token was made. The message says what was found and what to do."""


def create(file: Path, name: str) -> str:
    """A new token for `name`, added to the file (made if it is not there, mode 0600). The token is told this once only.

    Raises TokensError if the name is taken or not 1 to 31 of a-z, 0-9 and `-`; ConfigError if the file is damaged.
    """
    if not NAME.fullmatch(name):
        raise TokensError(f"got the name {name!r}, expected 1 to 31 of a-z, 0-9 and `-`; choose such a name")
    # The file under its next name is also the lock between two that write at once.
    fresh = file.with_name(file.name + ".new")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise TokensError(f"{fresh} exists: somebody else is adding a token; remove it if nobody is") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            names = {known: digest for digest, known in load(file).items()} if file.exists() else {}
            if name in names:
                raise TokensError(f"{file} has a token named {name!r}; remove its line first, or choose another name")
            token = PREFIX + secrets.token_urlsafe(32)
            stream.write("# name: sha256 of the token. Removing a line withdraws the token.\n")
            stream.writelines(f"{known}: {digest}\n" for known, digest in {**names, name: digest_of(token)}.items())
            stream.flush()
            os.fsync(descriptor)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    return token


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class LiveTokens(Mapping[str, str]):
    """sha256 (hex, lower case) -> name, as the file has it now. Used from one thread."""

    def __init__(self, file: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError if the file cannot be read or understood."""
        self._file = file
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._seen = _seen(file)
        self._tokens = load(file)

    def name_of(self, token: str) -> str | None:
        """Whose token it is. Takes equally long wherever, and whether, a token matches."""
        digest = digest_of(token)
        found: str | None = None
        for known, name in self._now().items():
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def __getitem__(self, digest: str) -> str:
        return self._now()[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> dict[str, str]:
        now = self._monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        return self._tokens

    def _look(self) -> None:
        seen = _seen(self._file)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._tokens = load(self._file)
        except ConfigError as bad:
            log.warning("tokens.new_file_refused", file=str(self._file), why=str(bad))
        else:
            log.info("tokens.new_file_taken", file=str(self._file), tokens=len(self._tokens))


def _seen(file: Path) -> tuple[int, int, int]:
    try:
        state = file.stat()
    except OSError:
        return (0, 0, 0)
    return (state.st_ino, state.st_mtime_ns, state.st_size)
