"""`POST /v1/tasks`: one and many."""

from tests.node.http.conftest import Site


async def test_a_task_is_stored_and_told_back(site: Site) -> None:
    async with site.http.post("/v1/tasks", json={"handler": "shop.charge", "args": {"cents": 999}}) as answer:
        told = await answer.json()
        assert answer.status == 201
        assert answer.headers["Location"] == f"/v1/tasks/{told['id']}"
        assert answer.headers["Quorate-Peer"] == "a"
        assert int(answer.headers["Quorate-Index"]) > 0
    assert told["state"] == "ready"
    assert told["args"] == {"cents": 999}
    assert (await site.get(f"/v1/tasks/{told['id']}")) == (200, told)
