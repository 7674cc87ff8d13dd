"""The gateway misbehaves on a seed, never charges twice for one key, and writes down whatever reached it."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from examples.orders import faults, gateway
from examples.orders.faults import SHARES, Fault, Verdict, verdict
from examples.orders.gateway import Gateway
from examples.orders.ledger import Deed, Ledger, LedgerLine, read_ledger

PAYMENT = {"order": "1001", "cents": 2_500}
Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def scripted(*sightings: Fault) -> Callable[[int, str, int], Verdict]:
    """The first requests of each key suffer these, in turn; later ones nothing."""

    def told(_seed: int, _key: str, sighting: int) -> Verdict:
        return Verdict(sightings[sighting - 1] if sighting <= len(sightings) else Fault.NONE, 0.0)

    return told


@asynccontextmanager
async def asking(path: Path, *, key_check: bool = True) -> AsyncIterator[Ask]:
    ledger = Ledger(path)
    async with TestClient(TestServer(Gateway(ledger, seed=1, key_check=key_check).app())) as client:

        async def ask(body: object = PAYMENT, key: str = "1001", where: str = "/charges") -> tuple[int, dict[str, Any]]:
            async with client.post(where, json=body, headers={"Idempotency-Key": key}) as answer:
                return answer.status, await answer.json()

        yield ask
    ledger.close()


def deeds(lines: list[LedgerLine]) -> list[Deed]:
    return [line.deed for line in lines]


async def test_a_repeat_gets_the_first_receipt_and_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "verdict", scripted())
    async with asking(tmp_path / "ledger") as ask:
        first, again = await ask(), await ask()
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert deeds(read_ledger(tmp_path / "ledger")) == [Deed.MOVED, Deed.REPEATED]


async def test_without_the_key_check_a_repeat_is_charged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "verdict", scripted())
    async with asking(tmp_path / "ledger", key_check=False) as ask:
        first, again = await ask(), await ask()
    assert first[1] != again[1]
    assert deeds(read_ledger(tmp_path / "ledger")) == [Deed.MOVED, Deed.MOVED]


async def test_the_same_key_with_other_contents_is_refused_and_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "verdict", scripted())
    async with asking(tmp_path / "ledger") as ask:
        await ask()
        assert (await ask({"order": "1001", "cents": 1}))[0] == 422
        assert (await ask(where="/refunds"))[0] == 422
    assert deeds(read_ledger(tmp_path / "ledger")) == [Deed.MOVED, Deed.REFUSED, Deed.REFUSED]


@pytest.mark.parametrize(("fault", "status"), [(Fault.ERROR, 500), (Fault.BUSY, 503)])
async def test_a_failure_moves_nothing_and_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, status: int
) -> None:
    monkeypatch.setattr(gateway, "verdict", scripted(fault))
    async with asking(tmp_path / "ledger") as ask:
        assert (await ask())[0] == status
        assert (await ask())[0] == 201
    lines = read_ledger(tmp_path / "ledger")
    assert deeds(lines) == [Deed.REFUSED, Deed.MOVED]
    assert lines[0].fault is fault


async def test_a_lost_answer_has_charged_and_the_repeat_finds_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "verdict", scripted(Fault.LOST_ANSWER))
    async with asking(tmp_path / "ledger") as ask:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await ask()
        status, told = await ask()
    first, again = read_ledger(tmp_path / "ledger")
    assert (first.deed, again.deed, status) == (Deed.MOVED, Deed.REPEATED, 200)
    assert told["receipt"] == first.receipt


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"order": "1", "cents": 0}, "1"),
        ({"order": "1", "cents": -5}, "1"),
        ({"order": "1", "cents": "5"}, "1"),
        ({"order": "1"}, "1"),
        ({"order": "1", "cents": 5, "colour": "red"}, "1"),
        ({"order": "1", "cents": 5}, ""),
        ([], "1"),
    ],
)
async def test_what_is_no_payment_is_refused(tmp_path: Path, body: object, key: str) -> None:
    """It never becomes a line: no money was asked to move."""
    async with asking(tmp_path / "ledger") as ask:
        assert (await ask(body, key))[0] == 400
    assert read_ledger(tmp_path / "ledger") == []


def test_a_ledger_is_never_continued(tmp_path: Path) -> None:
    """Another gateway would not know the keys in it."""
    Ledger(tmp_path / "ledger").close()
    with pytest.raises(FileExistsError):
        Ledger(tmp_path / "ledger")


def test_faults_depend_on_seed_key_and_sighting_alone() -> None:
    one = [verdict(1, f"o-{number}", 1) for number in range(500)]
    assert one == [verdict(1, f"o-{number}", 1) for number in range(500)]
    assert one != [verdict(2, f"o-{number}", 1) for number in range(500)]
    assert one != [verdict(1, f"o-{number}", 2) for number in range(500)]


def test_faults_come_in_their_shares() -> None:
    seen = Counter(verdict(3, f"o-{number}", 1).fault for number in range(20_000))
    for fault, share in SHARES.items():
        assert seen[fault] / 20_000 == pytest.approx(share, rel=0.3)


def test_a_stall_outlasts_every_callers_patience() -> None:
    """Otherwise it would only be slow."""
    from examples.orders.gateway_client import PATIENCE_S

    assert faults.SLOW_S[1] < PATIENCE_S < faults.STALL_S
