"""Scenario files: YAML that says what the world is like, what goes wrong and when, and what clients ask.

Law: reading is strict; what is refused is refused with file, line and field, what was got and what was expected. What
is written is read again as the very same scenario.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from quorate.netsim import plain_yaml
from quorate.netsim.faults.rules import KINDS
from quorate.netsim.scenario import (
    MAX_FAULTS,
    MAX_OPERATIONS,
    MAX_PEERS,
    MAX_SECONDS,
    Conditions,
    Fault,
    Flow,
    Leaf,
    Load,
    Operation,
    Scenario,
    peer_names,
)

MAX_RATE = 10_000.0
MAX_DELAY_S = 600.0
MAX_NOTE_LENGTH = 2_000
OPERATIONS = ("submit", "cancel", "retry", "read", "look", "list")
ROLES = ("leader", "follower", "all", "others")
ANYBODY = "any"
FLOWS = ("task", "in_turn", "together")
WRITE = {
    "array": "write a list, as in [leader]",
    "float": "write a number",
    "int": "write a whole number",
    "object": "write fields, as in {rate: 20}",
    "str": "write a word, in quotes if it looks like a number",
}
"""What to do about a value of the wrong type, by the one that was expected."""
_SHAPES: dict[str, type[msgspec.Struct]] = {
    "": Scenario,
    "conditions": Conditions,
    "load": Load,
    "faults": Fault,
    "operations": Operation,
}
_PLACE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$\.?([^`]*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"[Ee]xpected `(\w+)")
_UNKNOWN = re.compile(r"^Object contains unknown field `([^`]*)`$")


class ScenarioError(ValueError):
    """`FILE, line N: field: what was got, what was expected. What to do.`"""

    def __init__(self, file: str, line: int, field: str, message: str, to_do: str) -> None:
        where = f"{file}, line {line}" if line else file
        what = f"{field}: {message}" if field else message
        super().__init__(f"{where}: {what}. {to_do[:1].upper()}{to_do[1:]}.")
        self.line = line
        self.field = field


class Wrong(NamedTuple):
    field: str
    message: str
    to_do: str


def read(path: Path) -> Scenario:
    """Raises ScenarioError; OSError if the file cannot be read."""
    with path.open("rb") as stream:
        raw = stream.read(plain_yaml.MAX_TEXT_BYTES + 1)
    name = str(path)
    if len(raw) > plain_yaml.MAX_TEXT_BYTES:
        message = f"longer than {plain_yaml.MAX_TEXT_BYTES:,} bytes, which no scenario is"
        raise ScenarioError(name, 0, "", message, "check that it is the right file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = raw.count(b"\n", 0, bad.start) + 1
        raise ScenarioError(
            name, line, "", f"got byte 0x{raw[bad.start]:02x}, expected UTF-8 text", "save it as UTF-8"
        ) from bad
    return parse(text, name)


def parse(text: str, name: str = "scenario") -> Scenario:
    """`name`: of the file, for errors. Raises ScenarioError."""
    try:
        plain, lines = plain_yaml.parse(text)
    except plain_yaml.NotPlain as bad:
        raise ScenarioError(name, bad.line, "", bad.message, bad.to_do) from bad
    try:
        scenario = msgspec.convert(plain, Scenario)
    except msgspec.ValidationError as bad:
        wrong = _told(str(bad))
    else:
        found = next(problems(scenario), None)
        if found is None:
            return scenario
        wrong = found
    raise ScenarioError(name, plain_yaml.line_of(lines, wrong.field), *wrong)


def _told(error: str) -> Wrong:
    """What msgspec says, with the place it names."""
    matched = _PLACE.match(error)
    assert matched is not None
    message, place = matched[1], matched[2] or ""
    if unknown := _UNKNOWN.match(message):
        key = f"{place}.{unknown[1]}" if place else unknown[1]
        here = _SHAPES.get(re.sub(r"\[.*", "", place), Leaf)
        return Wrong(key, "there is no such field", f"there are {_listed(here.__struct_fields__)}")
    expected = _EXPECTED.search(message)
    to_do = WRITE.get(expected[1], "correct the value") if expected is not None else "correct the value"
    if place.endswith(".type"):
        to_do = f"write one of {_listed(FLOWS)}"
    return Wrong(place, message[:1].lower() + message[1:], to_do)


def problems(scenario: Scenario) -> Iterator[Wrong]:
    """What types do not say: limits, names, times."""
    yield from _bounds("seconds", scenario.seconds, 0.001, MAX_SECONDS)
    yield from _bounds("conditions.peers", scenario.conditions.peers, 1, MAX_PEERS)
    if len(scenario.faults) > MAX_FAULTS:
        yield Wrong("faults", f"got {len(scenario.faults)}, expected at most {MAX_FAULTS}", "leave some out")
    if len(scenario.operations) > MAX_OPERATIONS:
        yield Wrong(
            "operations", f"got {len(scenario.operations)}, expected at most {MAX_OPERATIONS}", "leave some out"
        )
    yield from _conditions(scenario.conditions)
    if scenario.load is not None:
        yield from _load(scenario.load, scenario.seconds)
    peers = peer_names(scenario.conditions.peers)
    for n, fault in enumerate(scenario.faults):
        yield from _moment(f"faults[{n}].at", fault.at, scenario.seconds)
        yield from _fault(f"faults[{n}]", fault, peers)
    for n, operation in enumerate(scenario.operations):
        yield from _moment(f"operations[{n}].at", operation.at, scenario.seconds)
        yield from _operation(f"operations[{n}]", operation, peers)


def _moment(field: str, at: float, seconds: float) -> Iterator[Wrong]:
    """What would come after the end would never come, and nobody would be told."""
    if not 0.0 <= at <= seconds:
        yield Wrong(field, f"got {at}", f"write a number from 0 to {seconds:g}, the `seconds` of this scenario")


def _conditions(conditions: Conditions) -> Iterator[Wrong]:
    for name in ("delay_s", "flush_s", "run_s"):
        least, most = getattr(conditions, name)
        yield from _bounds(f"conditions.{name}", least, 0.0, MAX_DELAY_S)
        yield from _bounds(f"conditions.{name}", most, least, MAX_DELAY_S)
    yield from _bounds("conditions.history_flush_s", conditions.history_flush_s, 0.0, MAX_DELAY_S)
    yield from _bounds("conditions.deadline_s", conditions.deadline_s, 0.001, MAX_DELAY_S)
    yield from _bounds("conditions.turn_s", conditions.turn_s, 0.0, MAX_DELAY_S)
    for name, added in conditions.region_delay_s.items():
        yield from _bounds(f"conditions.region_delay_s.{name}", added, 0.0, MAX_DELAY_S)
    yield from _bounds("conditions.drift", conditions.drift, 0.0, 0.5)
    names = peer_names(conditions.peers)
    for region, peers in conditions.regions.items():
        for peer in peers:
            if peer not in names:
                yield Wrong(f"conditions.regions.{region}", f"got {peer!r}", f"write some of {_listed(names)}")
    for name in ("snapshot_entries", "keep_entries", "pending_ops", "segment_bytes"):
        yield from _bounds(f"conditions.{name}", getattr(conditions, name), 1, 1 << 40)


def _load(load: Load, seconds: float) -> Iterator[Wrong]:
    yield from _bounds("load.rate", load.rate, 0.001, MAX_RATE)
    if load.reads is not None:
        yield from _bounds("load.reads", load.reads, 0.0, 1.0)
    if load.until_s is not None:
        yield from _bounds("load.until_s", load.until_s, 0.0, MAX_SECONDS)
        seconds = min(seconds, load.until_s)
    if load.rate * seconds > MAX_OPERATIONS:
        asked = f"got {load.rate:g} a second for {seconds:g} s"
        yield Wrong("load.rate", f"{asked}, expected at most {MAX_OPERATIONS} operations in all", "ask for less")


def _fault(at: str, fault: Fault, peers: tuple[str, ...]) -> Iterator[Wrong]:
    if fault.do not in KINDS:
        yield Wrong(f"{at}.do", f"got {fault.do!r}", f"write one of {_listed(tuple(KINDS))}")
    elif expected := KINDS[fault.do].expects(fault.amount):
        got = "none" if fault.amount is None else repr(fault.amount)
        yield Wrong(f"{at}.amount", f"got {got}, expected {expected}", "correct the value")
    if fault.for_s is not None:
        yield from _bounds(f"{at}.for_s", fault.for_s, 0.0, MAX_SECONDS)
    for field in ("on", "to"):
        for name in getattr(fault, field):
            if name not in peers and name not in ROLES:
                yield Wrong(
                    f"{at}.{field}", f"got {name!r}", f"write one of {_listed(peers)} or of the roles {_listed(ROLES)}"
                )


def _operation(at: str, operation: Operation, peers: tuple[str, ...]) -> Iterator[Wrong]:
    if operation.do not in OPERATIONS:
        yield Wrong(f"{at}.do", f"got {operation.do!r}", f"write one of {_listed(OPERATIONS)}")
    if operation.via not in peers and operation.via not in (ANYBODY, *ROLES[:2]):
        yield Wrong(f"{at}.via", f"got {operation.via!r}", f"write one of {_listed(peers)}, any, leader or follower")
    if len(operation.key) > MAX_NOTE_LENGTH:
        yield Wrong(f"{at}.key", f"got {len(operation.key)} characters", f"use at most {MAX_NOTE_LENGTH}")
    if operation.flow is not None:
        yield from _flow(f"{at}.flow", operation.flow)


def _flow(at: str, flow: Flow) -> Iterator[Wrong]:
    if isinstance(flow, Leaf):
        yield from _bounds(f"{at}.run_s", flow.run_s, 0.0, MAX_SECONDS)
        yield from _bounds(f"{at}.failures", flow.failures, 0, 1_000)
        return
    if not flow.parts:
        yield Wrong(f"{at}.parts", "got no part", "give it at least one part")
    for n, part in enumerate(flow.parts):
        yield from _flow(f"{at}.parts[{n}]", part)


def _bounds(field: str, value: float, least: float, most: float) -> Iterator[Wrong]:
    if not math.isfinite(value) or not least <= value <= most:
        yield Wrong(field, f"got {value}", f"write a number from {least:g} to {most:g}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def write(scenario: Scenario, notes: tuple[str, ...] = ()) -> str:
    """As a file a person can edit: one line for each fault and operation. `notes`: comments at its top, one a line."""
    plain = {name: value for name, value in msgspec.to_builtins(scenario).items() if value != {}}
    plain = plain or {"seed": scenario.seed}
    out = [f"# {_one_line(note)}" for note in notes]
    for name, value in plain.items():
        if isinstance(value, list | tuple):
            out.append(f"{name}:")
            out += [f"  - {plain_yaml.on_one_line(item)}" for item in value]
        else:
            out.append(f"{name}: {plain_yaml.on_one_line(value)}")
    return "\n".join(out) + "\n"


def _one_line(note: str) -> str:
    return "".join(char if char.isprintable() else " " for char in note)[:MAX_NOTE_LENGTH]
