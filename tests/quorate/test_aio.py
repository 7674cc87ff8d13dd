"""The asyncio client has the names of the other, and keeps the same promises."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest

from quorate import CannotConnect, NotFound, State, TaskCancelled, TaskFailed, aio, client, handle
from quorate.aio import AsyncClient
from tests.quorate.fake_cluster import FakeCluster


@pytest.fixture
async def connected(cluster: FakeCluster) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(cluster.endpoints, timeout=5.0, connect_timeout=2.0) as connected:
        yield connected


@pytest.mark.parametrize(
    ("twin", "original"),
    [
        (aio.AsyncClient, client.Client),
        (aio.AsyncSubmitter, client.Submitter),
        (aio.AsyncHandle, handle.Handle),
    ],
)
def test_the_twin_has_the_same_names_and_parameters(twin: type, original: type) -> None:
    def public(of: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(value).parameters) if callable(value) else []
            for name, value in inspect.getmembers(of)
            if not name.startswith("_")
        }

    expected = public(original)
    if original is handle.Handle:
        expected["state"] = ["self"]  # a property cannot be awaited
    assert public(twin) == expected


async def test_a_result_is_awaited_without_blocking(cluster: FakeCluster, connected: AsyncClient) -> None:
    task = await connected.submit("builtin.sleep", seconds=1)
    assert not await task.done()
    waiting = asyncio.ensure_future(task.result(timeout=5))
    await asyncio.to_thread(cluster.finish, task.id, result=42)
    assert await waiting == 42
    assert await task.state() is State.SUCCEEDED


async def test_an_async_wait_that_is_over_leaves_the_task_alone(cluster: FakeCluster, connected: AsyncClient) -> None:
    task = await connected.submit("builtin.sleep")
    patient = asyncio.ensure_future(task.result())
    with pytest.raises(TimeoutError, match=task.id):
        await task.result(timeout=0.05)
    await asyncio.to_thread(cluster.finish, task.id, result="late")
    assert await patient == "late"


async def test_an_async_failure_is_raised_where_it_is_awaited(connected: AsyncClient) -> None:
    failed = await connected.submit("builtin.fail")
    with pytest.raises(TaskFailed, match="it broke"):
        await failed.result(timeout=5)
    cancelled = await connected.submit("builtin.sleep")
    assert await cancelled.cancel()
    assert isinstance(await cancelled.exception(timeout=5), TaskCancelled)
    with pytest.raises(NotFound):
        await connected.task("01ARZ3NDEKTSV4RRFFQ69G5FAV")


async def test_one_async_request_awaits_thousands(cluster: FakeCluster, connected: AsyncClient) -> None:
    tasks = await connected.submit_many([{"handler": "builtin.echo", "args": [n]} for n in range(2_000)])
    assert await aio.gather(tasks, timeout=10) == [[n] for n in range(2_000)]
    assert cluster.peers[0].paths() == ["POST /v1/tasks", "POST /v1/tasks/wait"]


async def test_async_handles_come_back_as_their_tasks_end(cluster: FakeCluster, connected: AsyncClient) -> None:
    slow = await connected.submit("builtin.sleep")
    quick = await connected.submit("builtin.noop")
    order = aio.as_completed([slow, quick], timeout=5)
    assert await anext(order) is quick
    await asyncio.to_thread(cluster.finish, slow.id)
    assert [task async for task in order] == [slow]


async def test_async_map_and_run_give_results(connected: AsyncClient) -> None:
    assert [result async for result in connected.map("builtin.echo", range(5))] == [[n] for n in range(5)]
    assert await connected.options(priority=5).run("builtin.echo", n=1) == {"n": 1}
    assert (await anext(connected.tasks())).priority == 5


async def test_the_async_client_goes_to_the_next_peer(cluster: FakeCluster, connected: AsyncClient) -> None:
    cluster.peers[0].script.append("drop-after")
    task = await connected.submit("builtin.noop")
    assert list(cluster.tasks) == [task.id]
    assert (await connected.cluster())["leader"] == "a"


async def test_an_async_client_that_reaches_nobody_says_so() -> None:
    async with AsyncClient(["127.0.0.1:9"], connect_timeout=0.1) as lonely:
        with pytest.raises(CannotConnect):
            await lonely.cluster()


async def test_an_async_token_gives_the_same_handle(connected: AsyncClient) -> None:
    task = await connected.submit("builtin.echo", n=1)
    again = connected.handle(task.token)
    assert (again.id, again.key, await again.result(timeout=5)) == (task.id, task.key, {"n": 1})


async def test_closing_ends_the_waits(cluster: FakeCluster) -> None:
    connected = AsyncClient(cluster.endpoints)
    waiting = (await connected.submit("builtin.sleep")).future()
    await connected.close()
    assert isinstance(waiting.exception(), CannotConnect)
