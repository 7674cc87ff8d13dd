"""A client asks on until its deadline, says which outcome it was, and never makes one submission two tasks."""

import time

import pytest

from quorate import CannotConnect, Conflict, NoQuorum, NotFound, Refused, State, Unknown
from quorate.client import Client
from tests.quorate.fake_cluster import NO_QUORUM, UNKNOWN, FakeCluster, slow_down

NOBODY = "127.0.0.1:9"


def test_a_dead_peer_costs_no_task(cluster: FakeCluster) -> None:
    with Client([NOBODY, *cluster.endpoints], timeout=5.0) as client:
        assert client.run("builtin.echo", order="o-1") == {"order": "o-1"}
    assert len(cluster.tasks) == 1


def test_the_peer_that_answered_last_is_asked_first(cluster: FakeCluster, client: Client) -> None:
    a, b, c = cluster.peers
    a.script.append(NO_QUORUM)
    client.run("builtin.noop")
    client.run("builtin.noop")
    assert [len(peer.asked) for peer in (a, b, c)] == [1, 2, 0]


def test_a_broken_connection_is_repeated_under_the_same_key(cluster: FakeCluster, client: Client) -> None:
    """The first peer stored the task and died before it answered: the second gives the same task."""
    cluster.peers[0].script.append("drop-after")
    handle = client.submit("builtin.echo", n=1)
    assert list(cluster.tasks) == [handle.id]
    assert cluster.peers[1].paths() == ["POST /v1/tasks"]


def test_many_tasks_are_repeated_as_the_same_tasks(cluster: FakeCluster, client: Client) -> None:
    cluster.peers[0].script.append("drop-after")
    handles = client.submit_many([{"handler": "builtin.noop"}] * 50)
    assert list(cluster.tasks) == [handle.id for handle in handles]


def test_a_stream_is_repeated_as_the_same_tasks(cluster: FakeCluster, client: Client) -> None:
    cluster.peers[0].script.append("drop-after")
    assert list(client.map("builtin.echo", range(2_500))) == [[n] for n in range(2_500)]
    assert len(cluster.tasks) == 2_500


def test_lines_that_were_not_settled_are_sent_again(cluster: FakeCluster, client: Client) -> None:
    cluster.line_script.append({"status": 503, "type": "urn:quorate:problem:no_quorum", "detail": "no majority"})
    assert list(client.map("builtin.echo", [1, 2])) == [[1], [2]]
    assert len(cluster.tasks) == 2


def test_a_key_of_the_user_is_kept(cluster: FakeCluster, client: Client) -> None:
    first = client.options(key="order-7").submit("builtin.echo", n=1)
    again = client.options(key="order-7").submit("builtin.echo", n=1)
    assert (first.id, first.key) == (again.id, "order-7")
    with pytest.raises(Refused) as refused:
        client.options(key="order-7").submit("builtin.echo", n=2)
    assert (refused.value.status, refused.value.field, len(cluster.tasks)) == (422, "key", 1)


def test_two_submissions_without_keys_are_two_tasks(cluster: FakeCluster, client: Client) -> None:
    assert client.submit("builtin.noop").id != client.submit("builtin.noop").id
    assert len(cluster.tasks) == 2


def test_no_outcome_within_the_deadline_is_unknown(cluster: FakeCluster) -> None:
    """One peer may have done it; that the others surely did not says nothing about the first."""
    a, b, c = cluster.peers
    a.script.append(UNKNOWN)
    for peer in (b, c, a):
        peer.script.extend([NO_QUORUM] * 500)
    with Client(cluster.endpoints, timeout=0.5) as client, pytest.raises(Unknown, match="no answer in time"):
        client.submit("builtin.noop")


def test_a_cluster_without_a_majority_is_no_quorum(cluster: FakeCluster) -> None:
    for peer in cluster.peers:
        peer.script.extend([NO_QUORUM] * 500)
    with Client(cluster.endpoints, timeout=0.5) as client, pytest.raises(NoQuorum) as refused:
        client.submit("builtin.noop")
    assert (refused.value.status, refused.value.kind) == (503, "no_quorum")
    assert all(peer.asked for peer in cluster.peers)
    assert not cluster.tasks


def test_the_cluster_coming_back_is_enough(cluster: FakeCluster, client: Client) -> None:
    for peer in cluster.peers:
        peer.script.append(NO_QUORUM)
    assert client.run("builtin.echo", n=1) == {"n": 1}


def test_a_time_to_come_back_is_honoured(cluster: FakeCluster) -> None:
    """429 with Retry-After: the same peer is not asked before."""
    peer = cluster.peers[0]
    peer.script.append(slow_down(0.4))
    with Client([peer.url], timeout=5.0) as client:
        began = time.monotonic()
        client.run("builtin.noop")
    assert time.monotonic() - began >= 0.4
    assert len(peer.asked) == 2


def test_a_time_beyond_the_deadline_is_not_waited_for(cluster: FakeCluster) -> None:
    peer = cluster.peers[0]
    peer.script.append(slow_down(60))
    with Client([peer.url], timeout=5.0) as client, pytest.raises(Refused) as refused:
        client.submit("builtin.noop")
    assert (refused.value.status, refused.value.retry_after_s, len(peer.asked)) == (429, 60.0, 1)


def test_a_frozen_peer_is_left_behind(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.protocol.failover.ATTEMPT_S", 0.2)
    cluster.peers[0].script.append("freeze")
    with Client(cluster.endpoints, timeout=5.0) as client:
        assert client.cluster()["leader"] == "a"
    assert [len(peer.asked) for peer in cluster.peers] == [1, 1, 0]


def test_nobody_there_is_told_before_the_deadline_of_calls(cluster: FakeCluster) -> None:
    with Client([NOBODY], timeout=60.0, connect_timeout=0.3) as client:
        began = time.monotonic()
        with pytest.raises(CannotConnect, match=r"127\.0\.0\.1:9"):
            client.submit("builtin.noop")
    assert time.monotonic() - began < 5.0


def test_a_question_nobody_answers_is_not_unknown(cluster: FakeCluster) -> None:
    """A read changes nothing, so there is no outcome to be in doubt about."""
    for peer in cluster.peers:
        peer.script.extend(["drop"] * 500)
    with Client(cluster.endpoints, timeout=0.5) as client, pytest.raises(CannotConnect):
        client.cluster()


def test_bad_input_is_refused_at_once_with_its_field(cluster: FakeCluster, client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.submit_many([{"handler": "builtin.noop"}, {"handler": "nobody.knows"}])
    assert (refused.value.status, refused.value.field, refused.value.kind) == (400, "tasks[1].handler", "bad-field")
    assert (len(cluster.peers[0].asked), len(cluster.tasks)) == (1, 0)


def test_a_refused_line_names_its_task(cluster: FakeCluster, client: Client) -> None:
    tasks = [{"handler": "builtin.noop"}] * 1_200 + [{"handler": "nobody.knows"}]
    with pytest.raises(Refused) as refused:
        client.submit_stream(tasks)
    assert refused.value.field == "tasks[1200].handler"


def test_what_is_not_there_is_not_found(cluster: FakeCluster, client: Client) -> None:
    with pytest.raises(NotFound):
        client.task("01ARZ3NDEKTSV4RRFFQ69G5FAV")


def test_what_has_ended_cannot_be_cancelled(cluster: FakeCluster, client: Client) -> None:
    handle = client.submit("builtin.noop")
    with pytest.raises(Conflict):
        client.cancel(handle.id)
    assert not handle.cancel()
    assert handle.state is State.SUCCEEDED


def test_a_repeated_ready_that_meets_its_own_effect_is_unknown(cluster: FakeCluster, client: Client) -> None:
    """The first peer let the task go and died; the conflict the second sees may be our own doing."""
    handle = client.options(held=True).submit("builtin.sleep")
    cluster.peers[0].script.append("drop-after")
    with pytest.raises(Unknown):
        client.ready(handle.id)
    assert client.task(handle.id).state is State.RUNNING


def test_a_repeated_cancel_that_meets_its_own_effect_is_done(cluster: FakeCluster, client: Client) -> None:
    handle = client.submit("builtin.sleep")
    cluster.peers[0].script.append("drop-after")
    assert handle.cancel("no longer wanted")
    assert client.task(handle.id).reason == "no longer wanted"


def test_a_closed_client_says_so(cluster: FakeCluster) -> None:
    client = Client(cluster.endpoints)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.cluster()
