"""Reads of tasks: one, its timeline, why, lists."""

import asyncio
from typing import Any

import pytest

from quorate.consensus.commands import Cancel
from quorate.node.http import HttpLimits, HttpSettings
from tests.node.http.conftest import Open, Site
from tests.polling import eventually_async


async def test_reads_are_linearizable_unless_asked_otherwise(site: Site) -> None:
    task = site.peer.put()
    async with site.http.get(f"/v1/tasks/{task}") as answer:
        assert answer.status == 200
        assert "Quorate-Stale-Seconds" not in answer.headers
    assert site.peer.reads == 1
    async with site.http.get(f"/v1/tasks/{task}?consistency=stale") as answer:
        assert answer.status == 200
        assert float(answer.headers["Quorate-Stale-Seconds"]) >= 0
    assert site.peer.reads == 1


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/{}", "/v1/tasks/{}/events", "/v1/tasks/{}/why"])
async def test_without_a_quorum_only_stale_reads_are_answered(site: Site, path: str) -> None:
    path = path.format(site.peer.put())
    site.peer.quorum = False
    status, told = await site.get(path, Quorate_Timeout="0.05")
    assert (status, told["outcome"]) == (503, "refused")
    async with site.http.get(path, params={"consistency": "stale"}) as answer:
        assert answer.status == 200
        assert answer.headers["Quorate-Stale-Seconds"] == "9.000"


async def test_what_does_not_exist_is_404(site: Site) -> None:
    for task in ("01J00000000000000000000000", "nothing", "%252e"):
        for path in (f"/v1/tasks/{task}", f"/v1/tasks/{task}/events", f"/v1/tasks/{task}/why"):
            async with site.http.get(path) as answer:
                assert answer.status == 404, path
    async with site.http.head("/v1/tasks/01J00000000000000000000000") as answer:
        assert answer.status == 404
        assert await answer.read() == b""


async def test_head_tells_that_a_task_exists(site: Site) -> None:
    async with site.http.head(f"/v1/tasks/{site.peer.put()}") as answer:
        assert answer.status == 200
        assert await answer.read() == b""


async def test_a_wait_ends_with_the_task(site: Site) -> None:
    task = site.peer.put()
    asking = asyncio.create_task(site.get(f"/v1/tasks/{task}?wait=5"))
    await eventually_async(lambda: _is(bool(site.peer.reactor.waiting)), 2.0)
    site.peer.succeed(task, b"42")
    status, told = await asking
    assert (status, told["state"], told["result"]) == (200, "succeeded", 42)


async def test_a_wait_for_what_has_ended_is_over_at_once(site: Site) -> None:
    task = site.peer.put()
    site.peer.succeed(task)
    assert (await asyncio.wait_for(site.get(f"/v1/tasks/{task}?wait=60"), 2.0))[1]["state"] == "succeeded"


async def test_a_wait_is_cut_at_the_requests_own_deadline(site: Site) -> None:
    status, told = await asyncio.wait_for(site.get(f"/v1/tasks/{site.peer.put()}?wait=60", Quorate_Timeout="0.1"), 2.0)
    assert (status, told["state"]) == (200, "ready")


async def test_whoever_goes_away_waits_no_longer(site: Site) -> None:
    task = site.peer.put()
    asking = asyncio.create_task(site.get(f"/v1/tasks/{task}?wait=60"))
    await eventually_async(lambda: _is(bool(site.peer.reactor.waiting)), 2.0)
    asking.cancel()
    await eventually_async(lambda: _is(not site.peer.reactor.waiting), 2.0)
    assert site.server._service.ends.waiting == 0


async def test_too_many_waiters_are_429(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(waiters=1)))
    task = site.peer.put()
    asking = asyncio.create_task(site.get(f"/v1/tasks/{task}?wait=60"))
    await eventually_async(lambda: _is(bool(site.peer.reactor.waiting)), 2.0)
    status, told = await site.get(f"/v1/tasks/{task}?wait=60")
    assert (status, told["outcome"]) == (429, "refused")
    site.peer.succeed(task)
    assert (await asking)[0] == 200


async def test_the_timeline_is_told_oldest_first(site: Site) -> None:
    task = site.peer.put()
    site.peer.fail(task)
    _, told = await site.get(f"/v1/tasks/{task}/events")
    kinds = [event["kind"] for event in told["events"]]
    assert kinds[0] == "submitted"
    assert kinds[-1] == "failed"
    assert told["dropped"] == 0
    assert [event["at"] for event in told["events"]] == sorted(event["at"] for event in told["events"])


async def test_why_says_what_a_task_waits_for(site: Site) -> None:
    first = site.peer.put()
    second = site.peer.put(after=(first,))
    held = site.peer.put(held=True)
    later = site.peer.put(not_before_ms=2_000_000_000_000)
    lost = site.peer.put(handler="shop.gone")
    _, told = await site.get(f"/v1/tasks/{second}/why")
    assert (told["state"], told["waits_for"]) == ("blocked", [{"id": first, "state": "ready"}])
    assert "/ready" in (await site.get(f"/v1/tasks/{held}/why"))[1]["why"]
    assert (await site.get(f"/v1/tasks/{later}/why"))[1]["until"] == "2033-05-18T03:33:20.000Z"
    _, told = await site.get(f"/v1/tasks/{lost}/why")
    assert (told["reason"], "shop.gone" in told["why"]) == ("no_suitable_peer", True)
    site.peer.start(first)
    assert "runs on peer a" in (await site.get(f"/v1/tasks/{first}/why"))[1]["why"]


async def test_lists_show_live_and_ended_newest_first_in_stable_pages(site: Site) -> None:
    tasks = [site.peer.put() for _ in range(25)]
    for task in tasks[::2]:
        site.peer.succeed(task)
    site.peer.forget_stubs()
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        _, page = await site.get(f"/v1/tasks?limit=4{cursor}")
        assert len(page["tasks"]) <= 4
        seen += [task["id"] for task in page["tasks"]]
        site.peer.put()  # what comes later never moves a page
        for live in list(site.peer.machine.tasks)[:1]:
            site.peer.succeed(live)
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == tasks[::-1]


async def test_a_page_is_bounded_in_bytes_too(open_site: Open) -> None:
    site = await open_site(HttpSettings(limits=HttpLimits(page_bytes=1_000)))
    tasks = [site.peer.put() for _ in range(5)]
    for task in tasks:
        site.peer.succeed(task, b'"' + b"x" * 400 + b'"')
    seen: list[str] = []
    page: dict[str, Any] = {}
    path = "/v1/tasks?limit=10"
    for size in (2, 2, 1):
        _, page = await site.get(path)
        assert len(page["tasks"]) == size
        seen += [task["id"] for task in page["tasks"]]
        path = f"/v1/tasks?limit=10&cursor={page['cursor']}"
    assert (seen, page["cursor"]) == (tasks[::-1], None)


async def test_lists_are_filtered(site: Site) -> None:
    plain = site.peer.put()
    other = site.peer.put(handler="shop.ship", namespace="team", queue="vip")
    ended = site.peer.put(queue="vip")
    site.peer.succeed(ended)
    held = site.peer.put(held=True)

    async def ids(query: str) -> list[str]:
        _, page = await site.get(f"/v1/tasks?{query}")
        return [task["id"] for task in page["tasks"]]

    assert await ids("") == [held, ended, other, plain]
    assert await ids("queue=vip") == [ended, other]
    assert await ids("namespace=team") == [other]
    assert await ids("handler=shop.ship") == [other]
    assert await ids("state=succeeded") == [ended]
    assert await ids("state=held") == [held]
    assert await ids("state=held&queue=vip") == []


async def test_a_held_task_is_let_go_cancelled_and_tried_again(site: Site) -> None:
    task = site.peer.put(held=True)
    status, told = await site.post(f"/v1/tasks/{task}/ready", {"not_before": "2035-01-01T00:00:00Z"})
    assert (status, told["state"]) == (200, "scheduled")
    status, told = await site.post(f"/v1/tasks/{task}/cancel", {"reason": "changed my mind"})
    assert (status, told["state"]) == (200, "cancelled")
    assert site.peer.called[-1] == Cancel(task, "changed my mind")
    async with site.http.post(f"/v1/tasks/{task}/cancel") as answer:
        assert answer.status == 200, "cancelled again is still cancelled"
    async with site.http.post(f"/v1/tasks/{task}/retry") as answer:
        assert answer.status == 409
    failed = site.peer.put()
    site.peer.fail(failed)
    async with site.http.post(f"/v1/tasks/{failed}/cancel") as answer:
        assert (answer.status, (await answer.json())["outcome"]) == (409, "refused")
    async with site.http.post(f"/v1/tasks/{failed}/retry") as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "ready")
    async with site.http.post(f"/v1/tasks/{failed}/ready") as answer:
        assert answer.status == 409
    async with site.http.post("/v1/tasks/01J00000000000000000000000/cancel") as answer:
        assert answer.status == 404


async def test_cancelling_what_ended_long_ago_is_answered_as_when_it_had_just_ended(site: Site) -> None:
    """The replicated state forgets an ended task within seconds; history answers for it."""
    cancelled, failed = site.peer.put(), site.peer.put()
    await site.post(f"/v1/tasks/{cancelled}/cancel", {})
    site.peer.fail(failed)
    site.peer.forget_stubs()
    status, told = await site.post(f"/v1/tasks/{cancelled}/cancel", {})
    assert (status, told["state"]) == (200, "cancelled")
    for path in (f"/v1/tasks/{failed}/cancel", f"/v1/tasks/{failed}/ready", f"/v1/tasks/{cancelled}/ready"):
        status, told = await site.post(path, {})
        assert (status, told["outcome"]) == (409, "refused"), told
        assert "has ended" in told["detail"]
    async with site.http.post("/v1/tasks/01J00000000000000000000000/cancel") as answer:
        assert answer.status == 404


async def test_the_cluster_is_shown_without_a_quorum_too(site: Site) -> None:
    status, told = await site.get("/v1/cluster")
    wanted: dict[str, Any] = {
        "leader": "a",
        "term": 3,
        "cluster": "test",
        "partitions": ["b"],
        "versions": {"a": "1"},
        "skew_ms": 4,
    }
    assert status == 200
    assert {name: told[name] for name in wanted} == wanted
    assert [peer["id"] for peer in told["peers"]] == ["a", "b"]
    site.peer.quorum = False
    status, told = await site.get("/v1/cluster")
    assert (status, told["leader"]) == (200, None)


async def test_health_endpoints_tell_progress_in_kubernetes_form(site: Site) -> None:
    async with site.http.get("/livez?verbose") as answer:
        assert await answer.text() == "[+]loop ok: turning\nok\n"
    async with site.http.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    async with site.http.get("/readyz?verbose") as answer:
        assert "[+]quorum ok: leader a" in await answer.text()
    site.peer.quorum = False
    async with site.http.get("/readyz") as answer:
        assert answer.status == 503
        assert "[-]quorum failed" in await answer.text()
    async with site.http.get("/readyz?exclude=quorum") as answer:
        assert answer.status == 200
    async with site.http.get("/livez") as answer:
        assert answer.status == 200


async def test_metrics_count_requests_by_call_and_tell_of_the_cluster(site: Site) -> None:
    await site.post("/v1/tasks", {"handler": "shop.ship"})
    await site.post("/v1/tasks", {"handler": "no one"})
    await site.get("/v1/tasks/none")
    async with site.http.get("/metrics") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'quorate_http_requests_total{call="submit",status="201"} 1.0' in text
    assert 'quorate_http_requests_total{call="submit",status="400"} 1.0' in text
    assert 'quorate_http_requests_total{call="get",status="404"} 1.0' in text
    assert 'quorate_http_request_seconds_bucket{call="submit",le="+Inf"} 2.0' in text
    assert "quorate_is_leader 1.0" in text
    assert 'quorate_tasks{queue="default",state="ready"} 1.0' in text
    async with site.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        assert (await answer.text()).endswith("# EOF\n")


async def _is(fact: bool) -> bool:
    return fact
