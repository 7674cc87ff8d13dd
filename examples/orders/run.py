"""The demo, from an empty folder to checked books.

Law: what is judged at the end are records that processes other than this one wrote; this one only starts them, gives
them orders, and hurts them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from examples.orders.api import DemoFailed, Peers
from examples.orders.attempts import AttemptReader
from examples.orders.books import Books, Finding, TaskAnswer, check
from examples.orders.cluster_file import PeerPlace, choose_places, free_ports, write_cluster_file
from examples.orders.inventory import Inventory
from examples.orders.ledger import read_ledger
from examples.orders.mishaps import Mishap, Mishaps
from examples.orders.order import Order, Step, steps_of, stock_change
from examples.orders.probe import Probe
from examples.orders.processes import Processes, gateway_command, peer_command
from examples.orders.progress import Display
from examples.orders.shipping import Shipping
from examples.orders.shop import ATTEMPTS, FOLDER_VARIABLE, GATEWAY_VARIABLE, INVENTORY, PEER_VARIABLE, SHIPPING
from examples.orders.submission import Acknowledged, Submission
from examples.orders.verdicts import judge, logs_clean

READY_WITHIN_S = 60.0
SETTLED_WITHIN_S = 60.0
# Nothing done for this long, although there is work: the demo says so instead of waiting for ever.
STUCK_AFTER_S = 60.0
LOOK_EVERY_S = 0.1
KILL_AT, FREEZE_AT = 1 / 3, 2 / 3
# Orders that may come in until the first mishap is over, and until the second is: each must hit work, and whoever
# returns must find some.
UNTIL_KILLED, UNTIL_FROZEN = 2 / 3, 0.95
LIVE_STATES = frozenset({"held", "scheduled", "blocked", "ready", "running"})


class Figures(msgspec.Struct, frozen=True):
    """What is told at the end."""

    findings: list[Finding]
    steps: int
    seconds: float
    """From the first order to the last."""


async def run(submissions: list[Order], folder: Path, seed: int, display: Display, *, key_check: bool) -> Figures:
    """Run the whole demo in `folder`, which must be empty.

    Raises:
        DemoFailed: it could not be brought to its end.
    """
    orders = tuple({order.number: order for order in submissions}.values())
    places = choose_places(folder)
    with Processes(folder / "logs") as processes:
        stage = _Stage(folder, places, processes, seed)
        opening = stage.open_shop(orders)
        await stage.start_gateway(key_check=key_check)
        async with Peers(places) as peers:
            await stage.start_peers(peers, display)
            show = _Show(orders, submissions, peers, stage, display)
            began_s = time.monotonic()
            await show.play()
            seconds = time.monotonic() - began_s
            display.say("asking every peer what became of every task")
            answers = {peer: await _settled_tasks(peers, peer, orders) for peer in peers.base}
        # Read while everybody still runs: nothing that comes after the last order may change the books unseen.
        books = stage.books(orders, opening, show.acknowledged, answers, show.attempts)
    findings = [*check(books), *judge(show.mishaps, books.begun), logs_clean(stage.logs())]
    return Figures(findings, steps=len(books.tasks), seconds=seconds)


class _Stage:
    """The shop, the gateway and the peers as they are set up."""

    def __init__(self, folder: Path, places: tuple[PeerPlace, ...], processes: Processes, seed: int) -> None:
        self.folder = folder
        self.processes = processes
        self._places = places
        self._seed = seed
        self._cluster_file = folder / "cluster.yaml"
        self._gateway_port = free_ports(1)[0]
        self._ledger = folder / "ledger.ndjson"

    def open_shop(self, orders: tuple[Order, ...]) -> dict[str, int]:
        """Shelves full enough for every order to be served in whatever order they come; gives the opening stock."""
        opening = Counter({order.country: 0 for order in orders})
        for order in orders:
            opening[order.country] += max(0, -stock_change(order))
        inventory = Inventory(self.folder / INVENTORY)
        inventory.open_with(opening)
        inventory.close()
        Shipping(self.folder / SHIPPING).close()
        (self.folder / ATTEMPTS).mkdir()
        return dict(opening)

    async def start_gateway(self, *, key_check: bool) -> None:
        self.processes.start(
            "gateway", gateway_command(self._gateway_port, self._ledger, self._seed, key_check=key_check), {}
        )
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                try:
                    async with session.get(f"http://127.0.0.1:{self._gateway_port}/livez") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await self.until(answers, "the gateway answers")

    async def start_peers(self, peers: Peers, display: Display) -> None:
        write_cluster_file(self._cluster_file, self._places)
        for place in self._places:
            pid = self.start_peer(place.id)
            display.say(f"peer {place.id} at http://{place.http} (process {pid})")
        for place in self._places:
            await self.until(partial(peers.ready, place.id), f"peer {place.id} is ready")

    def start_peer(self, peer: str) -> int:
        environment = {
            FOLDER_VARIABLE: str(self.folder),
            GATEWAY_VARIABLE: f"127.0.0.1:{self._gateway_port}",
            PEER_VARIABLE: peer,
        }
        return self.processes.start(peer, peer_command(self._cluster_file, peer), environment)

    def expect_alive(self, except_for: AbstractSet[str]) -> None:
        """Raises DemoFailed with the end of its log if a process has ended by itself."""
        for name, code in self.processes.exited().items():
            if name not in except_for:
                raise DemoFailed(f"{name} ended by itself with exit code {code}:\n{_tail(self.processes.log(name))}")

    async def until(self, fact: Callable[[], Coroutine[Any, Any, bool]], what: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not await fact():
            self.expect_alive(except_for=frozenset())
            if time.monotonic() > deadline:
                raise DemoFailed(f"not within {READY_WITHIN_S:g} s: {what}; the logs are in {self.folder / 'logs'}")
            await asyncio.sleep(LOOK_EVERY_S)

    def logs(self) -> dict[str, list[str]]:
        """What each process has written to its log so far."""
        names = ["gateway", *(place.id for place in self._places)]
        return {name: self.processes.log(name).read_text("utf-8", errors="replace").splitlines() for name in names}

    def books(
        self,
        orders: tuple[Order, ...],
        opening: dict[str, int],
        acknowledged: Acknowledged,
        answers: dict[str, tuple[TaskAnswer, ...]],
        attempts: AttemptReader,
    ) -> Books:
        attempts.follow()
        inventory, shipping = Inventory(self.folder / INVENTORY), Shipping(self.folder / SHIPPING)
        try:
            return Books(
                orders=orders,
                acknowledged=tuple(acknowledged),
                ledger=tuple(read_ledger(self._ledger)),
                opening_stock=opening,
                closing_stock=inventory.stock(),
                movements=tuple(inventory.movements()),
                parcels=tuple(shipping.parcels()),
                answers=answers,
                begun=tuple(attempts.begun),
            )
        finally:
            inventory.close()
            shipping.close()


class _Show:
    """From the first order to the last, mishaps included."""

    def __init__(
        self, orders: tuple[Order, ...], submissions: list[Order], peers: Peers, stage: _Stage, display: Display
    ) -> None:
        self._last_steps = [(steps_of(order)[-1], order.number) for order in orders]
        self._orders_done = 0
        self._stage = stage
        self._display = display
        self._probe = Probe(peers)
        self.attempts = AttemptReader(stage.folder / ATTEMPTS)
        self._submission = Submission(peers, submissions, lambda: self._orders_done)
        self._mishaps = Mishaps(peers, stage.processes, self._probe, self.attempts, stage.start_peer, display.say)

    @property
    def acknowledged(self) -> Acknowledged:
        return self._submission.acknowledged

    @property
    def mishaps(self) -> list[Mishap]:
        return self._mishaps.all

    async def play(self) -> None:
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self._probe.run()), group.create_task(self._watch())]
            mishaps = group.create_task(self._bad_day())
            await self._submission.run()
            await self._until_done(1.0)
            # A mishap repeated near the end may outlast the orders.
            await mishaps
            for task in background:
                task.cancel()

    async def _bad_day(self) -> None:
        self._submission.let_in(UNTIL_KILLED)
        await self._until_done(KILL_AT)
        await self._mishaps.kill_leader()
        self._submission.let_in(UNTIL_FROZEN)
        await self._until_done(FREEZE_AT)
        await self._mishaps.freeze_another()
        self._submission.let_in(1.0)

    async def _until_done(self, share: float) -> None:
        while self._orders_done < share * len(self._last_steps):  # noqa: ASYNC110 -- done by other processes
            await asyncio.sleep(LOOK_EVERY_S / 2)

    async def _watch(self) -> None:
        """Counts what is done, shows it, and notices when nothing is done any more."""
        moved_s, steps_before = time.monotonic(), -1
        while True:
            self._stage.expect_alive(except_for=self._mishaps.down)
            self.attempts.follow()
            done = self.attempts.done
            self._orders_done = sum(step in done for step in self._last_steps)
            self._display.show(self._submission.orders_submitted, self._orders_done, len(done))
            now_s = time.monotonic()
            if len(done) != steps_before or self._orders_done == len(self._last_steps):
                moved_s, steps_before = now_s, len(done)
            if now_s - moved_s > STUCK_AFTER_S:
                raise DemoFailed(f"nothing was done for {STUCK_AFTER_S:g} s, with {self._orders_done:,} orders done")
            await asyncio.sleep(LOOK_EVERY_S)


async def _settled_tasks(peers: Peers, peer: str, orders: tuple[Order, ...]) -> tuple[TaskAnswer, ...]:
    """One peer's own answer, once nothing is under way any more."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    steps = sorted({step for order in orders for step in steps_of(order)})
    while True:
        answers = tuple([_answer(step, task) for step in steps async for task in peers.tasks(peer, f"orders.{step}")])
        if not any(answer.state in LIVE_STATES for answer in answers) or time.monotonic() > deadline:
            return answers
        await asyncio.sleep(LOOK_EVERY_S)


def _answer(step: Step, task: dict[str, Any]) -> TaskAnswer:
    return TaskAnswer(
        id=task["id"],
        step=step,
        number=task["labels"]["order"],
        state=task["state"],
        submitted_ms=_ms(task.get("submitted_at")),
        ended_ms=_ms(task.get("ended_at")),
        attempt=task["attempt"],
        fence=task["fence"],
        told=_told(task.get("result")),
    )


def _told(result: Any) -> str:
    told = result.get("told") if isinstance(result, dict) else None
    return told if isinstance(told, str) else ""


def _ms(text: str | None) -> int:
    """RFC 3339 as milliseconds; 0 where it has not happened."""
    return round(datetime.fromisoformat(text).timestamp() * 1000) if text else 0


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-20:])
