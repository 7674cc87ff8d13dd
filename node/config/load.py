"""From the file's plain data to typed configuration.

Law: one walk over model and data together collects every problem; nothing is guessed, nothing is dropped. Only a file
without problems becomes a `ClusterConfig`.
"""

import difflib
import os
import re
import typing
from pathlib import Path
from types import NoneType

import msgspec
from msgspec import structs

from quorate.node.config import check, files
from quorate.node.config.model import Address, ClusterConfig
from quorate.node.config.problem import ConfigError, Problem
from quorate.node.config.source import Plain, Source, read

NOT_KEYS = frozenset({"source", "warnings"})
"""Fields of `ClusterConfig` that say where it came from and do not stand in the file."""

_WRONG = object()
"""What a value becomes when a problem was noted for it."""


def load(path: Path | str, peer_id: str | None = None) -> ClusterConfig:
    """The cluster of a file, validated as a whole. Raises ConfigError with all problems found.

    With `peer_id`, this process is about to be that peer: it must be in the list, and its certificate, key, tokens
    and data folder are looked at too. Without, only the file itself is read.
    """
    path = Path(path).absolute()
    plain, source = read(path)
    walk = _Walk(source, path.parent)
    config = walk.struct(ClusterConfig, plain, "")
    if walk.problems or not isinstance(config, ClusterConfig):
        raise ConfigError(_by_line([*walk.problems, *_among_the_sound(config, walk, source)]))
    return validated(structs.replace(config, source=source), peer_id)


def validated(config: ClusterConfig, peer_id: str | None = None) -> ClusterConfig:
    """The configuration with its warnings, as `load` gives it; for one built in code. Raises ConfigError."""
    problems, warnings = check.examine(config)
    if peer_id is not None:
        more, further = files.examine(config, peer_id)
        problems, warnings = [*problems, *more], [*warnings, *further]
    if problems:
        raise ConfigError(_by_line(problems))
    return structs.replace(config, warnings=tuple(_by_line(warnings)))


def _among_the_sound(config: object, walk: "_Walk", source: Source) -> list[Problem]:
    """What the rules say of the parts that could be read, so that the user is told everything at once.

    A section with a wrong value stands here with its defaults: what a rule says of it is not the user's doing.
    """
    if not isinstance(config, ClusterConfig):
        return []
    wrong = {_section(problem.key) for problem in walk.problems}
    if "tls" in wrong:
        config = structs.replace(config, insecure=True)  # it was wanted, so its absence is nothing to tell
    problems, _ = check.examine(structs.replace(config, source=_renumbered(source, walk.sound_peers)))
    told = [
        problem for problem in problems if _section(problem.key) not in wrong - {"peers"} and problem.key != "peers"
    ]
    return [structs.replace(problem, key=_numbered_back(problem.key, walk.sound_peers)) for problem in told]


def _renumbered(source: Source, sound: list[int]) -> Source:
    """The lines of `peers[n]`, counting the sound peers only."""
    lines = {key: line for key, line in source.lines.items() if not key.startswith("peers[")}
    for new, old in enumerate(sound):
        prefix = f"peers[{old}]"
        lines |= {
            f"peers[{new}]{key.removeprefix(prefix)}": line
            for key, line in source.lines.items()
            if key.startswith(prefix)
        }
    return Source(source.file, lines)


def _numbered_back(key: str, sound: list[int]) -> str:
    return re.sub(r"^peers\[(\d+)\]", lambda match: f"peers[{sound[int(match[1])]}]", key)


def _section(key: str) -> str:
    return re.split(r"[.\[]", key, maxsplit=1)[0]


def _by_line(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line)


class _Walk:
    def __init__(self, source: Source, folder: Path) -> None:
        self.problems: list[Problem] = []
        self.sound_peers: list[int] = []
        """Positions in the file of the peers that could be read."""
        self._source = source
        self._folder = folder

    def struct(self, kind: type[msgspec.Struct], plain: Plain, at: str) -> object:
        if not isinstance(plain, dict):
            return self._wrong(at, f"got {_told(plain)}, expected `key: value` lines", f"give {_names(kind)}")
        fields = {field.name: field for field in structs.fields(kind) if field.name not in NOT_KEYS}
        values: dict[str, object] = {}
        for name, value in plain.items():
            key = f"{at}.{name}" if at else name
            field = fields.get(name)
            if field is None:
                self._unknown(key, name, list(fields))
            elif value is None and not field.required:
                continue  # `key:` with nothing after it is the default, as if the line were not there
            else:
                values[name] = self._value(field.type, value, key)
        for name, field in fields.items():
            key = f"{at}.{name}" if at else name
            if field.required and name not in plain:
                values[name] = self._wrong(key, "is missing", f"add `{name}: ...`; cluster.example.yaml shows it")
            elif values.get(name) is _WRONG and not field.required:
                del values[name]
        return _WRONG if _WRONG in values.values() else kind(**values)

    def _value(self, kind: object, plain: Plain, key: str) -> object:
        kind = _without_none(kind)
        if kind is Address:
            return self._address(plain, key)
        if kind is Path:
            return self._path(plain, key)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, plain, key)
        if typing.get_origin(kind) is tuple:
            return self._list(typing.get_args(kind)[0], plain, key)
        try:
            return msgspec.convert(plain, kind)
        except msgspec.ValidationError:
            return self._wrong(key, f"got {_told(plain)}, expected {_described(kind)}", f"write {_described(kind)}")

    def _list(self, kind: object, plain: Plain, key: str) -> object:
        if not isinstance(plain, list):
            return self._wrong(key, f"got {_told(plain)}, expected a list", "write one item a line, each after `- `")
        items = [self._value(kind, item, f"{key}[{number}]") for number, item in enumerate(plain)]
        if key == "peers":
            self.sound_peers = [number for number, item in enumerate(items) if item is not _WRONG]
        return tuple(item for item in items if item is not _WRONG)

    def _address(self, plain: Plain, key: str) -> object:
        match = (
            re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", plain)
            if isinstance(plain, str)
            else None
        )
        if match is None or not 1 <= int(match[2]) <= 65535:
            fix = "write a name or address and a port from 1 to 65535, e.g. 127.0.0.1:7101"
            return self._wrong(key, f"got {_told(plain)}, expected host:port", fix)
        return Address(match[1].strip("[]"), int(match[2]))

    def _path(self, plain: Plain, key: str) -> object:
        try:
            if isinstance(plain, str) and plain and b"\0" not in os.fsencode(plain):
                return self._folder / Path(plain).expanduser()
        except (RuntimeError, UnicodeEncodeError):
            pass  # `~nobody`, or half a character
        fix = "write a path; it counts from this file's folder"
        return self._wrong(key, f"got {_told(plain)}, expected a path", fix)

    def _unknown(self, key: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        fix = (
            f"did you mean `{near[0]}`? Otherwise remove the line"
            if near
            else f"remove it; known here: {', '.join(known)}"
        )
        self._wrong(key, f"got the unknown key `{name}`, expected one of this file's keys", fix)

    def _wrong(self, key: str, message: str, fix: str) -> object:
        self.problems.append(self._source.problem(key, message, fix))
        return _WRONG


def _without_none(kind: object) -> object:
    rest = [part for part in typing.get_args(kind) if part is not NoneType]
    return rest[0] if NoneType in typing.get_args(kind) and len(rest) == 1 else kind


def _described(kind: object) -> str:
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return "true or false" if kind is bool else f"a {getattr(kind, '__name__', kind)}"


def _names(kind: type[msgspec.Struct]) -> str:
    return ", ".join(f"`{field.name}`" for field in structs.fields(kind) if field.name not in NOT_KEYS)


def _told(plain: Plain) -> str:
    """A value as an error shows it: short, and as it would stand in YAML."""
    if plain is None:
        return "nothing"
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, dict):
        return "a mapping"
    if isinstance(plain, list):
        return "a list"
    shown = repr(plain)
    return shown if len(shown) <= 60 else shown[:57] + "..."
