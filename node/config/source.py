"""A YAML file with the line of every key kept.

Law: what is read is plain data (mappings, lists, text, whole numbers, fractions, true, false, null) by the rules of the
YAML 1.2 core schema, so that `no` is a word and not a boolean. A key stands once. Tags, anchors and aliases are
refused: the first build objects, the others let a small file become a large one.
"""

import re
from pathlib import Path

import msgspec
import yaml

from quorate.node.config.problem import ConfigError, Problem

MAX_FILE_BYTES = 1024 * 1024
"""Far above any cluster file; below what would hurt to parse."""

Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None

_TAG = "tag:yaml.org,2002:"


class Source(msgspec.Struct, frozen=True):
    """Where a configuration came from. The empty one stands for a configuration built in code."""

    file: str = "configuration"
    lines: dict[str, int] = {}
    """Key (`peers[1].raft`) -> line, from 1. List items too (`peers[1]`)."""

    def problem(self, key: str, message: str, fix: str) -> Problem:
        """With the line of `key`, or of the nearest key around it."""
        return Problem(self.file, self.line_of(key), key, message, fix)

    def line_of(self, key: str) -> int:
        while key:
            if line := self.lines.get(key):
                return line
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get("", 0)


class _Loader(yaml.SafeLoader):
    """Only composes nodes; what a plain scalar means is decided by the few resolvers below."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the class attribute PyYAML asks for, filled below


_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"^[-+]?[0-9][0-9_]{0,17}$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(r"^[-+]?(?=[0-9.]{1,40}(?:[eE]|$))[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,3})?$"),
    list("-+.0123456789"),
)


def read(path: Path) -> tuple[dict[str, Plain], Source]:
    """The top mapping of a YAML file and where each key stands. Raises ConfigError with every problem found."""
    name = str(path)
    text = _text(path)
    try:
        top = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as bad:
        line = bad.problem_mark.line + 1 if bad.problem_mark else 0
        message = f"this is not YAML: {bad.problem or bad.context}"
        fix = "mend the line; indentation is by spaces, and a value with `: ` or ` #` in it is quoted"
        raise ConfigError([Problem(name, line, "", message, fix)]) from bad
    except yaml.YAMLError as bad:
        raise ConfigError([Problem(name, 0, "", f"this is not YAML: {bad}", "save it as plain UTF-8 text")]) from bad
    except RecursionError as deep:
        raise ConfigError([Problem(name, 0, "", "nested too deeply", "compare it with cluster.example.yaml")]) from deep
    if not isinstance(top, yaml.MappingNode):
        got = "an empty file" if top is None else "no mapping at the top"
        raise ConfigError(
            [Problem(name, 1, "", f"got {got}, expected `key: value` lines", "start from cluster.example.yaml")]
        )
    reading = _Reading(name)
    plain = reading.mapping(top, "")
    if reading.problems:
        raise ConfigError(reading.problems)
    return plain, Source(name, reading.lines)


def _text(path: Path) -> str:
    name = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as failure:
        raise ConfigError(
            [Problem(name, 0, "", f"cannot be read: {failure.strerror}", "name a file that exists and is readable")]
        ) from failure
    if len(raw) > MAX_FILE_BYTES:
        message = f"longer than {MAX_FILE_BYTES:,} bytes, which no file of this kind is"
        raise ConfigError([Problem(name, 0, "", message, "check that it is the right file")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = raw.count(b"\n", 0, bad.start) + 1
        message = f"got byte 0x{raw[bad.start]:02x}, expected UTF-8 text"
        raise ConfigError([Problem(name, line, "", message, "save the file as UTF-8")]) from bad


class _Reading:
    """One walk over the composed nodes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def mapping(self, node: yaml.MappingNode, at: str) -> dict[str, Plain]:
        self.lines.setdefault(at, _line(node))
        plain: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, at, "got a list or mapping as a key, expected a word", "write a plain key")
                continue
            key = f"{at}.{key_node.value}" if at else key_node.value
            if key_node.value in plain:
                first = self.lines[key]
                message = f"stands twice; it was already given in line {first}"
                self._refuse(key_node, key, message, "keep one of the two")
                continue
            self.lines[key] = _line(key_node)
            plain[key_node.value] = self._value(value_node, key)
        return plain

    def _value(self, node: yaml.Node, at: str) -> Plain:
        if id(node) in self._seen:
            message = "got an alias (`*name`), which is not used here"
            self.problems.append(Problem(self.file, self.lines[at], at, message, "write the value out"))
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return self._sequence(node, at)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at)
        self._refuse(node, at, f"got the tag {node.tag}, expected plain data", "remove the tag")
        return None

    def _sequence(self, node: yaml.SequenceNode, at: str) -> list[Plain]:
        plain: list[Plain] = []
        for number, item in enumerate(node.value):
            key = f"{at}[{number}]"
            # An alias carries the line of what it stands for; the list is nearer.
            self.lines[key] = _line(node) if id(item) in self._seen else _line(item)
            plain.append(self._value(item, key))
        return plain

    def _scalar(self, node: yaml.ScalarNode, at: str) -> Plain:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            kind = ""
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "str":
            return text
        self._refuse(node, at, f"got the tag {node.tag}, expected plain data", "remove the tag")
        return None

    def _refuse(self, node: yaml.Node, key: str, message: str, fix: str) -> None:
        self.problems.append(Problem(self.file, _line(node), key, message, fix))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
