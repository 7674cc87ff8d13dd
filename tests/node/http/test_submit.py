"""`POST /v1/tasks`: one and many."""

import asyncio
from typing import Any

from quorate.consensus.commands import Refused
from quorate.node.http import HttpSettings
from quorate.scheduling.task import State
from tests.node.http.conftest import Open, Site
from tests.polling import eventually_async


async def test_a_task_is_stored_and_told_back(site: Site) -> None:
    async with site.http.post("/v1/tasks", json={"handler": "shop.charge", "args": {"cents": 999}}) as answer:
        told = await answer.json()
        assert answer.status == 201
        assert answer.headers["Location"] == f"/v1/tasks/{told['id']}"
        assert answer.headers["Quorate-Peer"] == "a"
        assert int(answer.headers["Quorate-Index"]) > 0
    assert told["state"] == "ready"
    assert told["args"] == {"cents": 999}
    assert await site.get(f"/v1/tasks/{told['id']}") == (200, told)


FULL: dict[str, Any] = {
    "handler": "shop.ship",
    "args": [1, "zwei", {"drei": [None, True, 1.5, 12345678901234567890123]}],
    "key": "order-1",
    "namespace": "team.a",
    "queue": "vip",
    "priority": -7,
    "deadline": "2036-01-02T03:04:05.678+01:00",
    "not_before": "2035-01-02T03:04:05Z",
    "timeout": 12.5,
    "held": False,
    "after": [],
    "ref": "first",
    "retry": {"max": 3, "schedule": [1, 2.5], "on": ["GatewayDown"]},
    "labels": {"country": "Österreich"},
    "on_dependency_failure": "run",
    "allow_unknown_handler": False,
}


async def test_every_field_reaches_the_log_and_comes_back(site: Site) -> None:
    status, told = await site.post("/v1/tasks", FULL, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    assert status == 201
    (stored,) = site.peer.submitted[0]
    assert stored.trace.startswith("00-aaaa")
    assert stored.principal == "anonymous"
    assert stored.digest
    assert told["state"] == "scheduled"
    assert told["args"] == FULL["args"]
    assert told["deadline"] == "2036-01-02T02:04:05.678Z"
    assert told["not_before"] == "2035-01-02T03:04:05.000Z"
    for name in ("key", "namespace", "queue", "priority", "timeout", "retry", "labels", "on_dependency_failure"):
        assert told[name] == FULL[name], name


async def test_defaults_are_those_of_the_contract(site: Site) -> None:
    _, told = await site.post("/v1/tasks", {"handler": "shop.ship"})
    wanted = {
        "args": {},
        "namespace": "default",
        "queue": "default",
        "priority": 0,
        "timeout": 300.0,
        "key": None,
        "after": [],
    }
    assert {name: told[name] for name in wanted} == wanted
    assert (told["result"], told["error"], told["started_at"], told["ended_at"]) == (None, None, None, None)


async def test_many_tasks_are_one_submission_and_refs_become_ids(site: Site) -> None:
    tasks = [
        {
            "handler": "shop.ship",
            "ref": "ship",
            "after": ["charge"],
            "args": {"receipt": {"$result": "charge", "path": "a.b"}},
        },
        {"handler": "shop.charge", "ref": "charge"},
    ]
    status, told = await site.post("/v1/tasks", {"tasks": tasks}, Idempotency_Key="k")
    assert status == 201
    ship, charge = told["tasks"]
    assert len(site.peer.submitted) == 1
    assert ship["after"] == [charge["id"]]
    assert ship["args"] == {"receipt": {"$result": charge["id"], "path": "a.b"}}
    assert (ship["state"], charge["state"]) == ("blocked", "ready")
    assert [task.key for task in site.peer.submitted[0]] == ["k/1", "k/2"]


async def test_the_same_key_gives_the_first_answer_and_other_contents_are_refused(site: Site) -> None:
    first = await site.post("/v1/tasks", {"handler": "shop.ship", "args": {"b": 1, "a": 2}}, Idempotency_Key="k-1")
    for again in (
        {"handler": "shop.ship", "args": {"a": 2, "b": 1}},
        {"args": {"b": 1, "a": 2}, "priority": 0, "handler": "shop.ship"},
    ):
        async with site.http.post("/v1/tasks", json=again, headers={"Idempotency-Key": '"k-1"'}) as answer:
            assert (answer.status, await answer.json()) == first
            assert answer.headers["Idempotent-Replayed"] == "true"
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship", "args": {"a": 3}, "key": "k-1"})
    assert (status, told["outcome"], told["field"]) == (422, "refused", "key")
    assert len(site.peer.machine.tasks) == 1


async def test_a_whole_batch_asked_again_is_answered_with_the_first_ids(site: Site) -> None:
    tasks = {"tasks": [{"handler": "shop.charge", "ref": "c"}, {"handler": "shop.ship", "after": ["c"]}]}
    first = await site.post("/v1/tasks", tasks, Idempotency_Key="k")
    assert await site.post("/v1/tasks", tasks, Idempotency_Key="k") == first
    assert len(site.peer.machine.tasks) == 2


async def test_prefer_wait_answers_with_the_end(site: Site) -> None:
    async def ask() -> dict[str, Any]:
        async with site.http.post(
            "/v1/tasks", json={"handler": "shop.ship"}, headers={"Prefer": "respond-async, wait=5"}
        ) as answer:
            assert answer.status == 201
            assert answer.headers["Preference-Applied"] == "wait=5"
            told: dict[str, Any] = await answer.json()
            return told

    asking = asyncio.create_task(ask())
    await eventually_async(lambda: _is(bool(site.peer.reactor.waiting)), 2.0)
    site.peer.succeed(next(iter(site.peer.machine.tasks)), b'{"ok":1}')
    told = await asking
    assert (told["state"], told["result"], told["attempt"]) == ("succeeded", {"ok": 1}, 1)
    assert site.server._service.ends.waiting == 0


async def test_an_expired_wait_answers_with_the_task_as_it_is(site: Site) -> None:
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship"}, Prefer="wait=0.05")
    assert (status, told["state"]) == (201, "ready")
    assert site.peer.reactor.waiting == 0


async def test_many_are_awaited_together(site: Site) -> None:
    asking = asyncio.create_task(
        site.post("/v1/tasks", {"tasks": [{"handler": "shop.ship"}, {"handler": "shop.ship"}]}, Prefer="wait=5")
    )
    await eventually_async(lambda: _is(site.peer.reactor.waiting == 2), 2.0)
    one, other = list(site.peer.machine.tasks)
    site.peer.succeed(one)
    site.peer.fail(other)
    _, told = await asking
    assert [task["state"] for task in told["tasks"]] == ["succeeded", "failed"]
    assert told["tasks"][1]["error"] == {
        "type": "GatewayDown",
        "message": "no answer",
        "code": "503",
        "traceback": "line 1",
    }


async def test_an_unknown_handler_is_refused_unless_asked_otherwise(site: Site) -> None:
    status, told = await site.post("/v1/tasks", {"tasks": [{"handler": "shop.ship"}, {"handler": "shop.shpi"}]})
    assert (status, told["field"]) == (400, "tasks[1].handler")
    assert not site.peer.submitted
    assert site.peer.reads == 1, "a replica that is behind must not refuse"
    status, told = await site.post("/v1/tasks", {"handler": "shop.shpi", "allow_unknown_handler": True})
    assert (status, told["state"], told["reason"]) == (201, "ready", "no_suitable_peer")


async def test_the_shell_that_is_off_is_refused_with_what_turns_it_on(site: Site) -> None:
    status, told = await site.post("/v1/tasks", {"handler": "builtin.shell", "args": {"command": "ls"}})
    assert (status, told["field"]) == (400, "handler")
    assert "`builtin_shell: true`" in told["detail"]
    assert not site.peer.submitted


async def test_a_handler_of_the_peer_itself_is_known_before_its_session_is(open_site: Open) -> None:
    """A program that embeds a peer submits to it at once."""
    site = await open_site(HttpSettings(handlers=frozenset({"mine.first"})))
    status, told = await site.post("/v1/tasks", {"handler": "mine.first"})
    assert (status, told["state"]) == (201, "ready")
    assert (await site.post("/v1/tasks", {"handler": "mine.other"}))[0] == 400


async def test_without_a_quorum_it_is_503_within_the_deadline(site: Site) -> None:
    site.peer.quorum = False
    started = asyncio.get_running_loop().time()
    async with site.http.post("/v1/tasks", json={"handler": "shop.ship"}, headers={"Quorate-Timeout": "0.2"}) as answer:
        told = await answer.json()
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
    assert told["outcome"] == "refused"
    assert asyncio.get_running_loop().time() - started < 1.0


async def test_no_answer_after_it_left_is_504_unknown(site: Site) -> None:
    site.peer.lossy = True
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship"}, Quorate_Timeout="0.1")
    assert (status, told["outcome"]) == (504, "unknown")


async def test_a_peer_that_never_replies_does_not_hang_its_caller(site: Site) -> None:
    site.peer.silent = True
    status, told = await site.post("/v1/tasks", {"handler": "shop.ship"}, Quorate_Timeout="0.05")
    assert (status, told["outcome"]) == (504, "unknown")
    status, told = await site.get("/v1/tasks", Quorate_Timeout="0.05")
    assert (status, told["outcome"]) == (503, "refused")


async def test_refusals_of_the_peer_keep_their_meaning(site: Site) -> None:
    for reason, status in (
        ("overloaded", 429),
        ("too_many_tasks", 429),
        ("stopping", 503),
        ("disk_full", 503),
        ("unknown_dependency", 400),
    ):
        site.peer.refusal = Refused(reason, "because")
        async with site.http.post("/v1/tasks", json={"handler": "shop.ship"}) as answer:
            told = await answer.json()
            assert (answer.status, told["outcome"], told["detail"]) == (status, "refused", "because"), reason
            assert ("Retry-After" in answer.headers) == (status in (429, 503))
    assert not site.peer.machine.tasks


async def test_times_are_those_of_the_stamps(site: Site) -> None:
    task = site.peer.put()
    site.peer.succeed(task)
    _, told = await site.get(f"/v1/tasks/{task}")
    assert told["submitted_at"] <= told["started_at"] <= told["ended_at"]
    assert told["ended_at"].startswith("2026-05-28T")
    assert told["ended_at"].endswith("Z")
    assert State(told["state"]) is State.SUCCEEDED


async def _is(fact: bool) -> bool:
    return fact
