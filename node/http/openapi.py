"""`/openapi.json`: the description of what is accepted, written from the types that accept it."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from quorate.node.http import health, listing, ndjson, stream
from quorate.node.http.model import MAX_WAIT_S
from quorate.node.http.names import HandlerName, Word
from quorate.node.http.problems import ProblemTold
from quorate.node.http.routes import ROUTES, Route
from quorate.scheduling.task import State

VERSION: Final = "3.1.0"
REF: Final = "#/components/schemas/{name}"

_QUERY: Final[dict[str, dict[str, Any]]] = {
    "namespace": msgspec.json.schema(Word),
    "queue": msgspec.json.schema(Word),
    "handler": msgspec.json.schema(HandlerName),
    "state": {"type": "string", "enum": list(State)},
    "limit": {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT},
    "cursor": {"type": "string", "description": "from the page before"},
    "consistency": {"type": "string", "enum": ["linearizable", "stale"], "default": "linearizable"},
    "wait": {"type": "number", "minimum": 0, "maximum": MAX_WAIT_S, "description": "seconds to wait for the end"},
    "after": {"type": "string", "pattern": r"^\d+\.\d+$", "description": "id of the last event seen"},
    "verbose": {"type": "string", "description": "one line per check; needs no value"},
    "exclude": {"type": "string", "description": "name of a check that does not count"},
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {
        "type": "string",
        "maxLength": 200,
        "description": "the same key gives the first answer; task n of many is keyed <key>/n",
    },
    "Prefer": {"type": "string", "description": "wait=30 waits for the end (RFC 7240)"},
    "Quorate-Timeout": {"type": "number", "description": "seconds this request has; default 10, plus what it waits"},
    "traceparent": {"type": "string", "description": "W3C trace context"},
    "Last-Event-ID": {"type": "string", "pattern": r"^\d+\.\d+$", "description": "go on after this event"},
}


@lru_cache(maxsize=4)
def document(cluster: str) -> bytes:
    types = sorted({kind for route in ROUTES for kind in _types(route)} | _FURTHER, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    told = {
        "openapi": VERSION,
        "info": {
            "title": f"Quorate cluster {cluster}",
            "version": "1",
            "description": "Every peer serves all of it. Problems are RFC 9457 and say whether it was surely not done.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }
    return msgspec.json.encode(told)


_FURTHER: Final[set[type[msgspec.Struct]]] = {
    ProblemTold,
    ndjson.LineDone,
    ndjson.LineRefused,
    stream.SessionEventTold,
    stream.GapTold,
    health.MemberTold,
}


def _types(route: Route) -> set[type[msgspec.Struct]]:
    return set(route.asks) | ({route.tells} if route.tells else set())


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": REF.format(name=kind.__name__)}


def _operation(route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [{"name": name, "in": "query", "schema": _QUERY[name]} for name in route.query]
    parameters += [{"name": name, "in": "header", "schema": _HEADERS[name]} for name in route.headers]
    if "{" in route.path:
        name = route.path.partition("{")[2].partition("}")[0]
        parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": _responses(route),
    }
    if route.asks:
        operation["requestBody"] = _request_body(route)
    return operation


def _request_body(route: Route) -> dict[str, Any]:
    schemas = [_ref(kind) for kind in route.asks]
    content = {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}}
    if route.streams_in:
        content["application/x-ndjson"] = {"schema": schemas[0]}
    return {"required": route.body_required, "content": content}


def _responses(route: Route) -> dict[str, Any]:
    problem = {"description": "a problem", "content": {"application/problem+json": {"schema": _ref(ProblemTold)}}}
    if route.handler is None:
        return {"501": {**problem, "description": "not built yet"}}
    done: dict[str, Any] = {"description": "done"}
    if route.tells is not None:
        done["content"] = {route.kind: {"schema": _ref(route.tells)}}
    elif route.method != "HEAD":
        done["content"] = {route.kind: {"schema": {}}}
    responses: dict[str, Any] = {str(route.status): done, "default": problem}
    if route.streams_in:
        lines = {"oneOf": [_ref(ndjson.LineDone), _ref(ndjson.LineRefused)]}
        responses["200"] = {
            "description": "one line per task of a stream",
            "content": {"application/x-ndjson": {"schema": lines}},
        }
    return responses
