"""The OpenAPI document is true: every call is in it, and it accepts what is accepted."""

from typing import Any

import msgspec
import pytest

from quorate.node.http.model import TaskAsked
from quorate.node.http.routes import ROUTES
from tests.node.http.conftest import Site
from tests.node.http.test_bad_requests import SOME_ID
from tests.node.http.test_submit import FULL


async def test_every_call_is_described_and_nothing_else(site: Site) -> None:
    status, document = await site.get("/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


async def test_every_reference_has_its_schema(site: Site) -> None:
    _, document = await site.get("/openapi.json")
    schemas = document["components"]["schemas"]
    references = set(_references(document))
    assert references
    assert {name.removeprefix("#/components/schemas/") for name in references} <= set(schemas)


async def test_every_described_call_answers_what_is_described(site: Site) -> None:
    """Asked as described, each call answers with a described status; a call described as not built says so."""
    _, document = await site.get("/openapi.json")
    task = site.peer.put(held=True)
    bodies: dict[str, Any] = {"submit": {"handler": "shop.ship"}, "wait": {"ids": [task], "wait": 0}}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            body = bodies.get(operation["operationId"])
            place = path.replace("{id}", task).replace("{name}", "x")
            async with site.http.request(method, place, json=body) as answer:
                allowed = set(operation["responses"]) - {"default"}
                if operation["operationId"] == "retry":
                    assert answer.status == 409, "it has not failed"
                else:
                    assert str(answer.status) in allowed, (method, path, answer.status)
                content = operation["responses"].get(str(answer.status), {}).get("content", {})
                if content:
                    assert answer.content_type in content


async def test_the_described_task_is_the_accepted_task(site: Site) -> None:
    """Property by property, from the document alone: what the schema allows is accepted, what it forbids refused."""
    _, document = await site.get("/openapi.json")
    schema = document["components"]["schemas"]["TaskAsked"]
    assert set(schema["properties"]) == {field.name for field in msgspec.structs.fields(TaskAsked)} == set(FULL)
    assert schema["required"] == ["handler"]
    assert schema["additionalProperties"] is False
    wrong: dict[str, Any] = {"string": 7, "integer": "x", "number": "x", "boolean": "x", "array": 7, "object": 7}
    for name, described in schema["properties"].items():
        choices = described.get("anyOf", [described])
        kinds = {choice.get("type", "object") for choice in choices} | ({"string"} if "enum" in described else set())
        bad = next(value for kind, value in wrong.items() if kind in kinds)
        status, told = await site.post("/v1/tasks", {"handler": "shop.ship", name: bad})
        assert (status, told["field"]) == (400, name)
        if "default" in described:
            status, told = await site.post("/v1/tasks", {"handler": "shop.ship", name: described["default"]})
            assert status == 201, (name, told)


@pytest.mark.parametrize("kind", ["TaskTold", "PageTold", "TimelineTold", "WhyTold", "ClusterTold"])
async def test_answers_have_the_described_members(site: Site, kind: str) -> None:
    _, document = await site.get("/openapi.json")
    task = site.peer.put()
    path = {
        "TaskTold": f"/v1/tasks/{task}",
        "PageTold": "/v1/tasks",
        "TimelineTold": f"/v1/tasks/{task}/events",
        "WhyTold": f"/v1/tasks/{task}/why",
        "ClusterTold": "/v1/cluster",
    }[kind]
    _, told = await site.get(path)
    assert set(told) == set(document["components"]["schemas"][kind]["properties"])


async def test_problems_have_the_described_members(site: Site) -> None:
    _, document = await site.get("/openapi.json")
    _, told = await site.get(f"/v1/tasks/{SOME_ID}")
    assert set(told) <= set(document["components"]["schemas"]["ProblemTold"]["properties"])


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for inner in value.values() for found in _references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _references(inner)]
    return []
