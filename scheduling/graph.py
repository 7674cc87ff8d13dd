"""What tasks wait for, and the results they are handed.

Law: names are resolved once, at submission: afterwards `after` and every `{"$result": ...}` in the arguments name
ids, and no group of tasks that is accepted waits for itself.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value as JSON has it."""

K = TypeVar("K", bound=Hashable)

MAX_DEPTH = 64
"""Of nested arguments."""


class TooDeep(ValueError):
    """Arguments nested deeper than MAX_DEPTH."""


class MissingResult(LookupError):
    """A `$result` whose task or path is not there; the message names it."""


def find_cycle(after: Mapping[K, Iterable[K]]) -> list[K]:
    """One cycle, as the members in order (each waits for the next, the last for the first), or an empty list.

    `after`: for each member what it waits for; what is not a member itself waits for nothing. Takes time in
    proportion to the edges, and no recursion.
    """
    done: set[K] = set()
    for start in after:
        if start in done:
            continue
        path: dict[K, Iterable[K]] = {start: iter(after[start])}
        while path:
            current = next(reversed(path))
            following = next(iter(path[current]), None)
            if following is None:
                done.add(current)
                del path[current]
            elif following in path:
                members = list(path)
                return members[members.index(following) :]
            elif following in after and following not in done:
                path[following] = iter(after[following])
    return []


def resolve(names: Sequence[str], ids_by_ref: Mapping[str, str]) -> list[str]:
    """Ids for names: a `ref` of the same request stands for its task, anything else for itself. Repeated ids are kept
    once, in order."""
    return list(dict.fromkeys(ids_by_ref.get(name, name) for name in names))


def result_names(args: Json) -> list[str]:
    """Whatever `$result` names in the arguments, in order of appearance, each once. Raises TooDeep."""
    found: dict[str, None] = {}

    def note(name: str, _path: str) -> Json:
        found[name] = None
        return None

    _replace(args, note, MAX_DEPTH)
    return list(found)


def rewrite_results(args: Json, ids_by_ref: Mapping[str, str]) -> Json:
    """The arguments with every `$result` naming an id. Raises TooDeep."""

    def rename(name: str, path: str) -> Json:
        renamed: Json = {"$result": ids_by_ref.get(name, name)}
        return renamed | {"path": path} if path and isinstance(renamed, dict) else renamed

    return _replace(args, rename, MAX_DEPTH)


def fill_results(args: Json, results: Mapping[str, Json]) -> Json:
    """The arguments with the results in place. Raises MissingResult naming the task and the path, or TooDeep."""

    def fill(name: str, path: str) -> Json:
        if name not in results:
            raise MissingResult(
                f"$result: task {name} has no result here; only tasks named in `after` that succeeded have one"
            )
        return _follow(results[name], name, path)

    return _replace(args, fill, MAX_DEPTH)


def _follow(value: Json, name: str, path: str) -> Json:
    """`a.b.0`: the member `b` of the member `a`, its first element."""
    for step in path.split(".") if path else ():
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise MissingResult(f"$result: the result of task {name} has no {path!r}: nothing at {step!r}")
    return value


def _reference(value: dict[str, Json]) -> tuple[str, str] | None:
    """(name, path) if the object is a reference: `$result`, perhaps `path`, both strings, and nothing else."""
    name, path = value.get("$result"), value.get("path", "")
    if isinstance(name, str) and isinstance(path, str) and len(value) == 1 + ("path" in value):
        return name, path
    return None


def _replace(value: Json, by: Callable[[str, str], Json], depth: int) -> Json:
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise TooDeep(f"the arguments are nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_replace(item, by, depth - 1) for item in value]
    reference = _reference(value)
    if reference is not None:
        return by(*reference)
    return {key: _replace(item, by, depth - 1) for key, item in value.items()}
