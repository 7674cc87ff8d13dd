"""What a client asks a cluster about: tasks, pages of them, timelines, and the stream of all that happens."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

import quorate
from quorate import Retry, State
from quorate.client import Client
from tests.quorate.fake_cluster import FakeCluster


@quorate.task("orders.charge", retry=Retry(max=5, on=("GatewayDown",)), timeout=30, queue="payments")
def charge(order: str, cents: int = 100) -> dict[str, Any]:
    raise AssertionError(f"called here, and not in the cluster: {order} {cents}")


def test_a_function_is_submitted_with_what_it_declares(cluster: FakeCluster, client: Client) -> None:
    handle = client.submit(charge, "o-1", cents=999)
    asked = cluster.tasks[handle.id]
    assert asked["handler"] == "orders.charge"
    assert asked["args"] == {"order": "o-1", "cents": 999}
    assert (asked["queue"], asked["timeout"]) == ("payments", 30)
    assert asked["retry"] == {"max": 5, "on": ["GatewayDown"]}


def test_options_win_over_what_is_declared(cluster: FakeCluster, client: Client) -> None:
    first = client.submit("builtin.noop")
    handle = client.options(
        queue="urgent",
        priority=7,
        after=[first, first.id],
        retry=Retry(max=1),
        not_before=datetime(2026, 11, 20, 18, tzinfo=UTC),
        labels={"shop": "de"},
    ).submit(charge, "o-1")
    asked = cluster.tasks[handle.id]
    assert (asked["queue"], asked["priority"], asked["timeout"]) == ("urgent", 7, 30)
    assert asked["after"] == [first.id, first.id]
    assert asked["retry"] == {"max": 1}
    assert asked["not_before"] == "2026-11-20T18:00:00Z"
    assert asked["labels"] == {"shop": "de"}


def test_arguments_that_do_not_fit_never_leave(cluster: FakeCluster, client: Client) -> None:
    with pytest.raises(TypeError, match=r"orders\.charge"):
        client.submit(charge, "o-1", 1, 2)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="positions or keywords"):
        client.submit("orders.charge", "o-1", cents=1)
    with pytest.raises(TypeError, match=r"task 0 .orders\.charge.*JSON"):
        client.submit("orders.charge", order=object())
    with pytest.raises(ValueError, match="expected 1 to 10000"):
        client.submit_many([{"handler": "builtin.noop"}] * 10_001)
    assert not any(peer.asked for peer in cluster.peers)


def test_refs_hold_across_the_batches_of_a_stream(cluster: FakeCluster, client: Client) -> None:
    """A ref means something within one request only; the client says the id in later ones."""
    tasks: list[dict[str, Any]] = [{"handler": "builtin.noop", "ref": "first"}]
    tasks += [{"handler": "builtin.noop"}] * 1_500
    result = {"$result": "first", "path": "a"}
    tasks += [{"handler": "builtin.echo", "after": ["first"], "args": {"deep": [result], "first": "first"}}]
    handles = client.submit_stream(tasks)
    asked = cluster.tasks[handles[-1].id]
    assert asked["after"] == [handles[0].id]
    assert asked["args"] == {"deep": [{"$result": handles[0].id, "path": "a"}], "first": "first"}


def test_tasks_are_listed_page_by_page(client: Client) -> None:
    handles = client.submit_many([{"handler": "builtin.noop"}] * 5)
    client.submit("builtin.fail")
    found = list(client.tasks(state="succeeded"))
    assert [task.id for task in found] == [handle.id for handle in reversed(handles)]


def test_a_held_task_is_let_go_and_a_failed_one_tried_again(client: Client) -> None:
    held = client.options(held=True).submit("builtin.sleep")
    assert client.task(held.id).state is State.HELD
    assert client.ready(held.id).state is State.RUNNING
    failed = client.submit("builtin.fail")
    assert client.retry(failed.id).state is State.RUNNING


def test_timeline_and_reasons_are_told(client: Client) -> None:
    handle = client.submit("builtin.sleep")
    assert [moment["kind"] for moment in client.timeline(handle.id)] == ["submitted"]
    assert client.why(handle.id)["why"] == "it is running"


def test_events_go_on_at_another_peer_where_they_broke_off(cluster: FakeCluster, client: Client) -> None:
    """Each stream breaks after two events; nothing is missing and nothing comes twice."""
    cluster.cut_streams_after = 2
    cluster.events = [(f"{index}.0", {"n": index}) for index in range(1, 8)]
    seen = list(islice(client.events(), 7))
    assert [(event.id, event.kind, event.data["n"]) for event in seen] == [(f"{n}.0", "task", n) for n in range(1, 8)]
    assert {"GET /v1/events"} == {path for peer in cluster.peers for path in peer.paths()}
    resumed = [headers.get("Last-Event-ID") for peer in cluster.peers for _, _, headers in peer.asked]
    assert set(resumed) == {None, "2.0", "4.0", "6.0"}


def test_events_begin_behind_a_known_one(cluster: FakeCluster, client: Client) -> None:
    cluster.events = [(f"{index}.0", {"n": index}) for index in range(1, 4)]
    assert [event.data["n"] for event in islice(client.events(after="2.0"), 1)] == [3]


def test_a_token_goes_with_every_request_and_into_no_text(cluster: FakeCluster) -> None:
    with Client(cluster.endpoints, token="quorate_secret") as client:
        client.cluster()
        shown = repr(client) + repr(client._access)
    _, _, headers = cluster.peers[0].asked[0]
    assert headers["Authorization"] == "Bearer quorate_secret"
    assert "secret" not in shown
