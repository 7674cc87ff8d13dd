"""Promise 9: bad input gets a 4xx problem that names the field, and never reaches the log."""

import asyncio
import io
import json
from typing import Any, NamedTuple

import pytest

from quorate.node.http import HttpLimits, HttpSettings
from tests.node.http.conftest import Open, Site

JSON = {"Content-Type": "application/json"}


class Bad(NamedTuple):
    why: str
    body: bytes
    field: str
    status: int = 400
    headers: dict[str, str] = JSON
    path: str = "/v1/tasks"


def _task(why: str, field: str, status: int = 400, **fields: Any) -> Bad:
    return Bad(why, json.dumps({"handler": "shop.ship", **fields}).encode(), field, status)


def _tasks(why: str, field: str, *tasks: dict[str, Any], status: int = 400) -> Bad:
    return Bad(why, json.dumps({"tasks": [{"handler": "shop.ship", **task} for task in tasks]}).encode(), field, status)


def _head(why: str, field: str, status: int = 400, **headers: str) -> Bad:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Bad(why, b'{"handler":"shop.ship"}', field, status, JSON | told)


def _raw(why: str, args: bytes, field: str = "", status: int = 400) -> Bad:
    return Bad(why, b'{"handler":"shop.ship","args":' + args + b"}", field, status)


SOME_ID = "01J00000000000000000000000"

BAD: list[Bad] = [
    Bad("no body", b"", ""),
    Bad("blank body", b"  \n", ""),
    Bad("not JSON", b"handler=shop.ship", ""),
    Bad("cut off", b'{"handler": "shop', ""),
    Bad("more than one value", b'{"handler":"shop.ship"} {"handler":"shop.ship"}', ""),
    Bad("a byte order mark", b'\xef\xbb\xbf{"handler":"shop.ship"}', ""),
    Bad("invalid UTF-8 in a value", b'{"handler":"shop.\xff"}', ""),
    Bad("invalid UTF-8 in a name", b'{"handler":"shop.ship","\xc3\x28":1}', ""),
    Bad("half a surrogate pair", b'{"handler":"shop.ship","key":"\\ud800"}', ""),
    Bad("an array at the top", b"[]", ""),
    Bad("a text at the top", b'"shop.ship"', ""),
    Bad("null at the top", b"null", ""),
    Bad("no handler", b"{}", "handler"),
    _task("an unknown field", "handlr", handlr="x"),
    _task("a handler that is a number", "handler", handler=7),
    _task("an empty handler", "handler", handler=""),
    _task("a handler with a space", "handler", handler="a b"),
    _task("a handler with a final line feed", "handler", handler="shop.ship\n"),
    _task("a handler of 129 characters", "handler", handler="h" * 129),
    _task("a handler nobody has", "handler", handler="shop.nobody"),
    _task("args that are a text", "args", args="x"),
    _task("args that are null", "args", args=None),
    _task("args too large", "args", 413, args={"x": "y" * (256 * 1024)}),
    _raw("args too deep", b"[" * 65 + b"]" * 65, "args"),
    _raw("args far too deep", b"[" * 100_000 + b"]" * 100_000, "args"),
    _raw("deep objects", b'{"a":' * 70 + b"1" + b"}" * 70, "args"),
    _raw("NaN", b"[NaN]"),
    _raw("Infinity", b"[Infinity]"),
    _raw("a number beyond the floats", b"[1e999]", "args[0]"),
    _raw("a number of 5,000 digits", b"[" + b"9" * 5_000 + b"]", "args[0]"),
    _raw("control characters in a text", b'["\x01"]'),
    _raw("a trailing comma", b"[1,]"),
    _task("an empty key", "key", key=""),
    _task("a key of 201 characters", "key", key="k" * 201),
    _task("a key with a zero byte", "key", key="a\0b"),
    _task("a key that is a number", "key", key=1),
    _task("a namespace with a slash", "namespace", namespace="a/b"),
    _task("an empty namespace", "namespace", namespace=""),
    _task("a namespace of 64 characters", "namespace", namespace="n" * 64),
    _task("a queue that begins with a point", "queue", queue=".q"),
    _task("a queue that is null", "queue", queue=None),
    _task("priority 101", "priority", priority=101),
    _task("priority -101", "priority", priority=-101),
    _task("a fractional priority", "priority", priority=1.5),
    _task("a true priority", "priority", priority=True),
    _task("a priority as text", "priority", priority="1"),
    _task("a huge priority", "priority", priority=10**40),
    _task("a time without a zone", "not_before", not_before="2035-01-01T00:00:00"),
    _task("a time that is a number", "not_before", not_before=1_700_000_000),
    _task("a day that is none", "deadline", deadline="2035-02-30T00:00:00Z"),
    _task("a time before 1970", "deadline", deadline="1969-12-31T23:59:59Z"),
    _task("a time of the year 1 at +14:00", "deadline", deadline="0001-01-01T00:00:00+14:00"),
    _task("words instead of a time", "deadline", deadline="tomorrow"),
    _task("a negative timeout", "timeout", timeout=-1),
    _task("a timeout below a millisecond", "timeout", timeout=0.0001),
    _task("a timeout of two years", "timeout", timeout=63_072_000),
    _task("a timeout as text", "timeout", timeout="30s"),
    _task("held as a number", "held", held=1),
    _task("after as a text", "after", after=SOME_ID),
    _task("after with a number", "after[0]", after=[7]),
    _task("after with an unknown ref", "after[0]", after=["nobody"]),
    _task("after with an id twice", "after[1]", after=[SOME_ID, SOME_ID]),
    _task("after with a task that does not exist", "after", after=[SOME_ID]),
    _task("after itself", "after", ref="me", after=["me"]),
    _task("an empty ref", "ref", ref=""),
    _task("negative retries", "retry.max", retry={"max": -1}),
    _task("retries as a number", "retry", retry=3),
    _task("a retry field nobody knows", "retry.times", retry={"times": 3}),
    _task("a negative delay", "retry.schedule[0]", retry={"max": 1, "schedule": [-1]}),
    _task("101 delays", "retry.schedule", retry={"max": 1, "schedule": [1] * 101}),
    _task("a delay as text", "retry.schedule[1]", retry={"schedule": [1, "2"]}),
    _task("an error name with a space", "retry.on[0]", retry={"on": ["Gateway Down"]}),
    _task("labels as an array", "labels", labels=["a"]),
    _task("a label that is a number", "labels[...]", labels={"a": 1}),
    _task("a label name with a space", "labels", labels={"a b": "x"}),
    _task("a label of 257 characters", "labels[...]", labels={"a": "x" * 257}),
    _task("65 labels", "labels", labels={f"l{n}": "" for n in range(65)}),
    _task("a dependency rule nobody knows", "on_dependency_failure", on_dependency_failure="ignore"),
    _task("allow_unknown_handler as text", "allow_unknown_handler", allow_unknown_handler="yes"),
    _task("a result of a task not in after", "args.x.$result", args={"x": {"$result": SOME_ID}}),
    _task("a result of a number", "args[0].$result", args=[{"$result": 7}]),
    _task(
        "a result with a further member",
        "args.x.default",
        after=[SOME_ID],
        args={"x": {"$result": SOME_ID, "default": 1}},
    ),
    _task(
        "a result with an empty step", "args.x.path", after=[SOME_ID], args={"x": {"$result": SOME_ID, "path": "a..b"}}
    ),
    _task(
        "a result with a path that is a list",
        "args.x.path",
        after=[SOME_ID],
        args={"x": {"$result": SOME_ID, "path": ["a"]}},
    ),
    _task("on_failure, which is not built", "on_failure", on_failure={"handler": "shop.ship"}),
    _task("compensate, which is not built", "compensate", compensate={"handler": "shop.ship"}),
    _task("requires, which is not built", "requires", requires={"cpu": 1}),
    _task("where, which is not built", "where", where="region=eu"),
    _task("strategy, which is not built", "strategy", strategy="spread"),
    _task("retry.preset, which is not built", "retry.preset", retry={"preset": "gentle"}),
    Bad("tasks that are an object", b'{"tasks":{}}', "tasks"),
    Bad("no tasks at all", b'{"tasks":[]}', "tasks"),
    Bad("tasks and something else", b'{"tasks":[{"handler":"shop.ship"}],"x":1}', "x"),
    Bad("tasks beside a handler", b'{"tasks":[{"handler":"shop.ship"}],"handler":"shop.ship"}', "handler"),
    Bad("a task that is null", b'{"tasks":[{"handler":"shop.ship"},null]}', "tasks[1]"),
    _tasks("a bad second task", "tasks[1].priority", {}, {"priority": 1000}),
    _tasks("an unknown field in the third", "tasks[2].colour", {}, {}, {"colour": "red"}),
    _tasks("args too large in the second", "tasks[1].args", {}, {"args": ["x" * 300_000]}, status=413),
    _tasks("a ref twice", "tasks[1].ref", {"ref": "r"}, {"ref": "r"}),
    _tasks("a key twice", "tasks[1].key", {"key": "k"}, {"key": "k"}),
    _tasks("a cycle of two", "tasks[0].after", {"ref": "x", "after": ["y"]}, {"ref": "y", "after": ["x"]}),
    _tasks("an unknown ref in the second", "tasks[1].after[0]", {}, {"after": ["z"]}),
    _tasks("10,001 tasks", "tasks", *[{}] * 10_001, status=413),
    Bad("5 MiB", b'{"handler":"shop.ship","args":["' + b"x" * (5 << 20) + b'"]}', "", 413),
    Bad("no content type", b'{"handler":"shop.ship"}', "Content-Type", 415, {"Content-Type": ""}),
    Bad("a form", b"handler=shop.ship", "Content-Type", 415, {"Content-Type": "application/x-www-form-urlencoded"}),
    Bad("text/plain", b'{"handler":"shop.ship"}', "Content-Type", 415, {"Content-Type": "text/plain"}),
    Bad(
        "another charset",
        b'{"handler":"shop.ship"}',
        "Content-Type",
        415,
        {"Content-Type": "application/json; charset=latin-1"},
    ),
    _head("compression", "Content-Encoding", 415, Content_Encoding="gzip"),
    _head("a timeout in words", "Quorate-Timeout", Quorate_Timeout="soon"),
    _head("a timeout of nan", "Quorate-Timeout", Quorate_Timeout="nan"),
    _head("a negative deadline", "Quorate-Timeout", Quorate_Timeout="-1"),
    _head("an endless deadline", "Quorate-Timeout", Quorate_Timeout="1e9"),
    _head("an endless wait", "Prefer", Prefer="wait=1e9"),
    _head("a wait in words", "Prefer", Prefer="wait=long"),
    _head("an empty idempotency key", "Idempotency-Key", Idempotency_Key=""),
    _head("a long idempotency key", "Idempotency-Key", Idempotency_Key="k" * 201),
    _head("an idempotency key with umlauts", "Idempotency-Key", Idempotency_Key="schlüssel"),
    Bad("two different keys", b'{"handler":"shop.ship","key":"a"}', "key", 400, JSON | {"Idempotency-Key": "b"}),
    Bad(
        "a key against the derived one",
        b'{"tasks":[{"handler":"shop.ship","key":"a"}]}',
        "tasks[0].key",
        400,
        JSON | {"Idempotency-Key": "b"},
    ),
    _head("a page of another site", "Origin", 403, Origin="https://evil.example"),
    _head("an opaque origin", "Origin", 403, Origin="null"),
    _head("a cross-site request", "Sec-Fetch-Site", 403, Sec_Fetch_Site="cross-site"),
    _head("a rebound name", "Host", 421, Host="evil.example"),
    _head("a host that is none", "Host", 400, Host="a b"),
    _head("an unknown token", "Authorization", 401, Authorization="Bearer x"),
    Bad("an unknown query parameter", b'{"handler":"shop.ship"}', "dry_run", path="/v1/tasks?dry_run=1"),
    Bad("wait: no ids", b'{"ids":[]}', "ids", path="/v1/tasks/wait"),
    Bad("wait: an id that is none", b'{"ids":["x"]}', "ids[0]", path="/v1/tasks/wait"),
    Bad("wait: an id twice", json.dumps({"ids": [SOME_ID] * 2}).encode(), "ids", path="/v1/tasks/wait"),
    Bad("wait: too long", json.dumps({"ids": [SOME_ID], "wait": 1e6}).encode(), "wait", path="/v1/tasks/wait"),
    Bad("cancel: unknown field", b'{"why":"x"}', "why", path=f"/v1/tasks/{SOME_ID}/cancel"),
    Bad("cancel: a reason that is a number", b'{"reason":1}', "reason", path=f"/v1/tasks/{SOME_ID}/cancel"),
    Bad(
        "cancel: a form",
        b"reason=x",
        "Content-Type",
        415,
        {"Content-Type": "application/x-www-form-urlencoded"},
        f"/v1/tasks/{SOME_ID}/cancel",
    ),
    Bad("ready: a time that is none", b'{"not_before":"x"}', "not_before", path=f"/v1/tasks/{SOME_ID}/ready"),
    Bad("retry: with contents", b'{"max":1}', "max", path=f"/v1/tasks/{SOME_ID}/retry"),
    Bad("an id that is none", b"{}", "id", 404, path="/v1/tasks/nothing/cancel"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.why)
async def test_bad_input_is_refused_by_name_and_nothing_is_submitted(site: Site, bad: Bad) -> None:
    await site.http.get("/livez")
    async with site.http.post(
        bad.path, data=io.BytesIO(bad.body), headers=bad.headers, skip_auto_headers=["Content-Type"]
    ) as answer:
        told = await answer.json(content_type="application/problem+json")
        assert answer.status == bad.status, told
        if bad.why != "after with a task that does not exist":  # only the state knows that: it is refused there
            assert not site.peer.submitted
    assert told.get("field", "") == bad.field, told
    assert (told["status"], told["outcome"]) == (bad.status, "refused")
    assert told["type"].startswith("urn:quorate:problem:")
    assert told["title"]
    assert told["detail"]
    assert not site.peer.called
    assert not site.peer.machine.tasks
    assert (await site.get("/v1/cluster"))[0] == 200, "the peer goes on"


QUERIES = [
    ("/v1/tasks?limit=0", "limit"),
    ("/v1/tasks?limit=1001", "limit"),
    ("/v1/tasks?limit=ten", "limit"),
    ("/v1/tasks?state=done", "state"),
    ("/v1/tasks?namespace=a/b", "namespace"),
    ("/v1/tasks?handler=a%20b", "handler"),
    ("/v1/tasks?cursor=!!", "cursor"),
    ("/v1/tasks?cursor=AAAA", "cursor"),
    ("/v1/tasks?colour=red", "colour"),
    ("/v1/tasks?limit=1&limit=2", "limit"),
    ("/v1/tasks?consistency=eventual", "consistency"),
    ("/v1/tasks?namespace=%ff", ""),
    (f"/v1/tasks/{SOME_ID}?wait=-1", "wait"),
    (f"/v1/tasks/{SOME_ID}?wait=forever", "wait"),
    (f"/v1/tasks/{SOME_ID}/why?wait=1", "wait"),
    ("/v1/events?after=12", "after"),
    ("/v1/events?state=gone", "state"),
    ("/readyz?exclude=luck", "exclude"),
    ("/v1/cluster?x=1", "x"),
]


@pytest.mark.parametrize(("path", "field"), QUERIES)
async def test_bad_query_parameters_are_named(site: Site, path: str, field: str) -> None:
    status, told = await site.get(path)
    assert (status, told.get("field", "")) == (400, field)


async def test_a_bad_event_id_is_named(site: Site) -> None:
    status, told = await site.get("/v1/events", Last_Event_ID="last")
    assert (status, told["field"]) == (400, "Last-Event-ID")


async def test_a_cycle_is_named_in_order(site: Site) -> None:
    tasks = [
        {"handler": "shop.ship", "ref": "bake", "after": ["shop"]},
        {"handler": "shop.ship", "ref": "eat", "after": ["bake"]},
        {"handler": "shop.ship", "ref": "shop", "after": ["eat"]},
    ]
    status, told = await site.post("/v1/tasks", {"tasks": tasks})
    assert status == 400
    assert "bake -> shop -> eat -> bake" in told["detail"]


async def test_deep_but_allowed_args_are_accepted(site: Site) -> None:
    args: Any = []
    for _ in range(63):
        args = [args]
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship", "args": args})
    assert (status, told["args"]) == (201, args)


async def test_wide_args_are_not_deep(site: Site) -> None:
    status, _ = await site.post("/v1/tasks", {"handler": "shop.ship", "args": [[] for _ in range(1_000)]})
    assert status == 201


async def test_random_garbage_never_costs_the_peer(site: Site) -> None:
    """Mutations of a good request: each gets an answer that is not ours to be ashamed of."""
    good = json.dumps(
        {"handler": "shop.ship", "args": {"a": [1, {"$result": "x"}]}, "after": ["x"], "labels": {"a": "b"}}
    ).encode()
    for place in range(len(good)):
        for byte in (b"\x00", b'"', b"{", b"\xff", b"9", b""):
            mutated = good[:place] + byte + good[place + 1 :]
            async with site.http.post("/v1/tasks", data=mutated, headers=JSON) as answer:
                assert 400 <= answer.status < 500, mutated
    assert not site.peer.machine.tasks


async def test_what_is_not_built_yet_is_refused_by_name(site: Site) -> None:
    for method, path in (
        ("POST", "/v1/sessions"),
        ("POST", "/v1/sessions/x/renew"),
        ("DELETE", "/v1/sessions/x"),
        ("POST", "/v1/locks/door/acquire"),
        ("GET", "/v1/locks"),
        ("GET", "/v1/locks/door"),
        ("POST", "/v1/barriers/b/arrive"),
        ("POST", "/v1/elections/e/campaign"),
        ("POST", "/v1/cluster/peers"),
        ("DELETE", "/v1/cluster/peers/b"),
        ("POST", "/v1/cluster/leader"),
        ("POST", "/v1/peers/b/drain"),
        ("GET", "/ui"),
    ):
        async with site.http.request(method, path) as answer:
            told = await answer.json(content_type="application/problem+json")
            assert (answer.status, told["outcome"]) == (501, "refused"), path
            assert "not built yet" in told["detail"]


async def test_what_was_never_promised_is_404_and_wrong_methods_are_405(site: Site) -> None:
    assert (await site.get("/v2/tasks"))[0] == 404
    assert (await site.get("/v1/tasks/"))[0] == 404
    async with site.http.delete("/v1/tasks") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, POST"


async def test_smaller_limits_are_kept(open_site: Open) -> None:
    limits = HttpLimits(args_bytes=10, request_bytes=1_000, request_tasks=2)
    site = await open_site(HttpSettings(limits=limits))
    assert (await site.post("/v1/tasks", {"handler": "shop.ship", "args": ["12345678"]}))[0] == 413
    assert (await site.post("/v1/tasks", {"handler": "shop.ship", "args": ["123456"]}))[0] == 201
    assert (await site.post("/v1/tasks", {"tasks": [{"handler": "shop.ship"}] * 3}))[0] == 413
    assert (await site.post("/v1/tasks", {"handler": "shop.ship", "labels": {"a": "x" * 1_000}}))[0] == 413


async def test_a_body_without_a_length_is_cut_at_the_limit(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(request_bytes=100_000)))

    async def endless() -> Any:
        while True:
            yield b"[" * 10_000
            await asyncio.sleep(0)

    async with site.http.post("/v1/tasks", data=endless(), headers=JSON) as answer:
        assert answer.status == 413
    assert not site.peer.submitted
