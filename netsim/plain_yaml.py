"""YAML as plain data, with the line of every value, and plain data as YAML.

Law: what is read is plain data by the rules of the YAML 1.2 core schema (`on` is a word, not a boolean). A key stands
once. Tags, anchors and aliases are refused: the first build objects, the others let a small file become a large one.
"""

import re

import yaml

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""A scenario of 200,000 operations fits."""
MAX_DEPTH = 60

Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (
    ("null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""]),
    ("bool", re.compile(r"^(?:true|false)$"), ["t", "f"]),
    ("int", re.compile(r"^[-+]?[0-9]{1,18}$"), list("-+0123456789")),
    (
        "float",
        re.compile(r"^[-+]?(?=[0-9.]{1,40}(?:[eE]|$))[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,3})?$"),
        list("-+.0123456789"),
    ),
)


class NotPlain(ValueError):
    """`line`: from 1; 0: the text as a whole. `to_do`: what mends it."""

    def __init__(self, line: int, message: str, to_do: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.to_do = to_do


class _Loader(yaml.SafeLoader):
    """Only composes nodes; what a plain scalar means is decided by the few resolvers above."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the class attribute PyYAML asks for, filled below

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML has no types there
        if getattr(event, "anchor", None) is not None:
            name = f"{'*' if self.check_event(yaml.AliasEvent) else '&'}{event.anchor}"
            raise NotPlain(event.start_mark.line + 1, f"got {name}, an anchor or alias", "write the value out")
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Quotes exactly what the loader above would not read as text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as above

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # as PyYAML calls it
        return True


for _kind, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _kind, _pattern, _first)
    _Dumper.add_implicit_resolver(_TAG + _kind, _pattern, _first)


def parse(text: str) -> tuple[dict[str, Plain], dict[str, int]]:
    """The top mapping, and key (`faults[1].at`) -> line, from 1; raises NotPlain."""
    try:
        top = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as bad:
        line = bad.problem_mark.line + 1 if bad.problem_mark else 0
        to_do = "mend the line; indentation is by spaces, and a value with `: ` or ` #` in it is quoted"
        raise NotPlain(line, f"this is not YAML: {bad.problem or bad.context}", to_do) from bad
    except yaml.YAMLError as bad:
        raise NotPlain(0, f"this is not YAML: {bad}", "save it as plain UTF-8 text") from bad
    except RecursionError as deep:
        raise NotPlain(0, "nested too deeply", f"nest less than {MAX_DEPTH} deep") from deep
    if not isinstance(top, yaml.MappingNode):
        got = "an empty file" if top is None else "no mapping at the top"
        raise NotPlain(1, f"got {got}, expected `key: value` lines", "start from `seed: 1`")
    walk = _Walk()
    return walk.mapping(top, "", 0), walk.lines


def line_of(lines: dict[str, int], key: str) -> int:
    """Of `key`, or of the nearest key around it."""
    while key:
        if line := lines.get(key):
            return line
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return lines.get("", 0)


def on_one_line(value: object) -> str:
    """E.g. `{at: 2.0, do: kill, on: [a]}`; `value` is plain data."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=1 << 30, allow_unicode=True)
    return str(text).removesuffix("\n").removesuffix("\n...")


class _Walk:
    """One walk over the composed nodes."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}

    def mapping(self, node: yaml.MappingNode, at: str, depth: int) -> dict[str, Plain]:
        self.lines.setdefault(at, _line(node))
        plain: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise NotPlain(_line(key_node), "got a list or mapping as a key, expected a word", "write a plain key")
            key = f"{at}.{key_node.value}" if at else key_node.value
            if key_node.value in plain:
                message = f"`{key}` stands twice; it was already given in line {self.lines[key]}"
                raise NotPlain(_line(key_node), message, "keep one of the two")
            self.lines[key] = _line(key_node)
            plain[key_node.value] = self._value(value_node, key, depth + 1)
        return plain

    def _value(self, node: yaml.Node, at: str, depth: int) -> Plain:
        if depth > MAX_DEPTH:
            raise NotPlain(_line(node), "nested too deeply", f"nest less than {MAX_DEPTH} deep")
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, at, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return self._sequence(node, at, depth)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        raise NotPlain(_line(node), f"got the tag {node.tag}, expected plain data", "remove the tag")

    def _sequence(self, node: yaml.SequenceNode, at: str, depth: int) -> list[Plain]:
        plain: list[Plain] = []
        for number, item in enumerate(node.value):
            key = f"{at}[{number}]"
            self.lines[key] = _line(item)
            plain.append(self._value(item, key, depth + 1))
        return plain


def _scalar(node: yaml.ScalarNode) -> Plain:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "str":
            return text
        case "null" if text in ("", "~", "null"):
            return None
        case "bool" if text in ("true", "false"):
            return text == "true"
        case "int" | "float" as kind:
            try:
                return int(text) if kind == "int" else float(text)
            except ValueError:
                raise NotPlain(_line(node), f"got {text!r}, expected a number", "write a number") from None
    raise NotPlain(_line(node), f"got the tag {node.tag}, expected plain data", "remove the tag")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
