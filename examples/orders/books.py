"""Are the books right? Pure functions over records: nothing here asks the cluster, reads a file or looks at a clock.

Law: the expectation comes from the orders alone, the evidence from those who would have been wronged (gateway,
warehouse, parcels), and only then from the cluster's own answer. A check that found no evidence at all has failed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import msgspec

from examples.orders.attempts import Begun
from examples.orders.inventory import Movement
from examples.orders.ledger import Deed, LedgerLine, Motion
from examples.orders.order import Kind, Order, Step, steps_of, stock_change
from examples.orders.shipping import Parcel

VIP_WAIT_AT_MOST = 0.25
EXAMPLES_SHOWN = 3


class TaskAnswer(msgspec.Struct, frozen=True):
    """What a peer says of one task in the end. Times are milliseconds of the cluster's hybrid clock."""

    id: str
    step: Step
    number: str
    state: str
    submitted_ms: int
    ended_ms: int
    attempt: int
    fence: int
    """Of the attempt whose result was committed."""
    told: str
    """What that attempt's handler returned; "" where it returned nothing of the kind."""


class Books(msgspec.Struct, frozen=True):
    """Everything that the check looks at."""

    orders: tuple[Order, ...]
    """Different ones, each once."""
    acknowledged: tuple[tuple[Step, str, str], ...]
    """(step, order number, task id) of every accepted line of every submission, repeats included."""
    ledger: tuple[LedgerLine, ...]
    opening_stock: Mapping[str, int]
    closing_stock: Mapping[str, int]
    movements: tuple[Movement, ...]
    parcels: tuple[Parcel, ...]
    answers: Mapping[str, tuple[TaskAnswer, ...]]
    """What each peer tells of all tasks, asked separately."""
    begun: tuple[Begun, ...]

    @property
    def tasks(self) -> tuple[TaskAnswer, ...]:
        """One peer's answer; `peers_agree` says whether it matters whose."""
        return next(iter(self.answers.values()), ())


class Finding(NamedTuple):
    name: str
    ok: bool
    says: str


def check(books: Books) -> list[Finding]:
    """All findings, in the order of a report."""
    checks: tuple[Callable[[Books], Finding], ...] = (
        accepted_once,
        nothing_missing,
        peers_agree,
        money_moved_once,
        goods_moved_once,
        shelves_add_up,
        parcels_sent_once,
        steps_in_order,
        fences_rise,
        results_are_evidence,
        vips_ahead,
    )
    return [one(books) for one in checks]


def accepted_once(books: Books) -> Finding:
    """Every step of every order was accepted, and a repeat was told the id of the first."""
    ids: dict[tuple[Step, str], set[str]] = defaultdict(set)
    for step, number, task in books.acknowledged:
        ids[step, number].add(task)
    expected = _expected(books.orders)
    wrong = [f"{number}/{step} never accepted" for step, number in sorted(expected - ids.keys())]
    wrong += [f"{number}/{step} has {len(found)} tasks" for (step, number), found in ids.items() if len(found) > 1]
    wrong += [f"{number}/{step} accepted but never ordered" for step, number in sorted(ids.keys() - expected)]
    repeats = len(books.acknowledged) - len(ids)
    return _finding(
        "accepted once",
        wrong,
        f"{len(ids):,} tasks of {len(books.orders):,} orders; {repeats:,} repeated lines told the first id",
    )


def nothing_missing(books: Books) -> Finding:
    """Every accepted task is there in every peer's answer, and succeeded; no other is."""
    wrong = [] if books.answers else ["no peer was asked"]
    for peer, tasks in books.answers.items():
        wrong += [f"{words}, says {peer}" for words in _missing(books, tasks)]
    return _finding(
        "nothing missing", wrong, f"{len(books.tasks):,} tasks succeeded, say {_listed(sorted(books.answers))}"
    )


def _missing(books: Books, tasks: Iterable[TaskAnswer]) -> Iterator[str]:
    states: dict[tuple[Step, str], list[str]] = defaultdict(list)
    for task in tasks:
        states[task.step, task.number].append(task.state)
    expected = _expected(books.orders)
    for step, number in sorted(expected - states.keys()):
        yield f"{number}/{step} is missing"
    for (step, number), found in states.items():
        if (step, number) not in expected:
            yield f"{number}/{step} was never ordered"
        elif found != ["succeeded"]:
            yield f"{number}/{step} is {', '.join(found)}"
    known = {task.id for task in tasks}
    for step, number, task_id in books.acknowledged:
        if task_id not in known:
            yield f"{number}/{step}: task {task_id} was acknowledged and is lost"


def peers_agree(books: Books) -> Finding:
    """Every peer tells the same of every task: state, attempt, fence, result, times."""
    by_peer = {peer: {task.id: task for task in tasks} for peer, tasks in books.answers.items()}
    wrong = [] if len(by_peer) > 1 else [f"{len(by_peer)} peers were asked, nothing to compare"]
    for (one, first), (two, second) in pairwise(by_peer.items()):
        for task_id in sorted(first.keys() | second.keys()):
            mine, other = first.get(task_id), second.get(task_id)
            if mine != other:
                wrong.append(f"task {task_id}: {one} says {_in_words(mine)}, {two} says {_in_words(other)}")
    return _finding("peers agree", wrong, f"{_listed(sorted(by_peer))} tell the same, field by field")


def _in_words(task: TaskAnswer | None) -> str:
    if task is None:
        return "nothing"
    return f"{task.state} with fence {task.fence}, result {task.told!r}, ended at {task.ended_ms}"


def money_moved_once(books: Books) -> Finding:
    """By the gateway's own ledger: each order that owes moved its money once, the right sum the right way, and no
    other did.
    """
    owed = {
        (Motion.CHARGE if Step.PAY in steps_of(order) else Motion.REFUND, order.number): order.amount_cents
        for order in books.orders
        if {Step.PAY, Step.REFUND} & set(steps_of(order))
    }
    moved: dict[tuple[Motion, str], list[int]] = defaultdict(list)
    for line in books.ledger:
        if line.deed is Deed.MOVED:
            moved[line.motion, line.order].append(line.cents)
    wrong = [f"{number}: no {motion}" for motion, number in sorted(owed.keys() - moved.keys())]
    for (motion, number), sums in moved.items():
        due = owed.get((motion, number))
        if due is None:
            wrong.append(f"{number}: {motion} of {sums[0]} cents that nobody owed")
        elif len(sums) > 1:
            wrong.append(f"{number}: {len(sums)} times {motion}")
        elif sums[0] != due:
            wrong.append(f"{number}: {motion} of {sums[0]} cents, owed {due}")
    deeds = Counter(line.deed for line in books.ledger)
    return _finding(
        "money moved once",
        wrong,
        f"{len(books.ledger):,} requests: {deeds[Deed.MOVED]:,} moved money, "
        f"{deeds[Deed.REPEATED]:,} repeats, {deeds[Deed.REFUSED]:,} failed",
    )


def goods_moved_once(books: Books) -> Finding:
    """By the warehouse's own records: each order moved its goods once."""
    expected = {(order.number, order.country): stock_change(order) for order in books.orders}
    moved = ((movement.number, movement.warehouse, movement.change) for movement in books.movements)
    wrong = _once([(number, warehouse, change) for (number, warehouse), change in expected.items()], moved, "movement")
    return _finding("goods moved once", wrong, f"{len(books.movements):,} movements")


def shelves_add_up(books: Books) -> Finding:
    """What lies on each shelf is what lay there, changed by every order once."""
    due = Counter(books.opening_stock)
    for order in books.orders:
        due[order.country] += stock_change(order)
    wrong = [
        f"{warehouse}: {books.closing_stock.get(warehouse, 0):,} on the shelf, expected {due[warehouse]:,}"
        for warehouse in sorted(due.keys() | books.closing_stock.keys())
        if books.closing_stock.get(warehouse, 0) != due[warehouse]
    ]
    return _finding("shelves add up", wrong, f"{len(due):,} warehouses")


def parcels_sent_once(books: Books) -> Finding:
    """Each sale has one parcel out, each cancellation one back, to and from the right country."""
    ways = {Kind.SALE: Step.SHIP, Kind.CANCELLATION: Step.COLLECT}
    expected = [(order.number, order.country, ways[order.kind]) for order in books.orders if order.kind in ways]
    wrong = _once(expected, ((parcel.number, parcel.country, parcel.step) for parcel in books.parcels), "parcel")
    return _finding("parcels sent once", wrong, f"{len(books.parcels):,} parcels")


def steps_in_order(books: Books) -> Finding:
    """The evidence of each step is later than that of the step before, and names it."""
    evidence = _evidence(books)
    wrong = []
    followed = 0
    for order in books.orders:
        steps = steps_of(order)
        for before, after in pairwise(steps):
            first, then = evidence.get((before, order.number)), evidence.get((after, order.number))
            if first is None or then is None:
                wrong.append(f"{order.number}: no evidence of {before if first is None else after}")
                continue
            followed += 1
            if then.at_ns < first.at_ns:
                wrong.append(f"{order.number}: {after} came {(first.at_ns - then.at_ns) / 1e6:.1f} ms before {before}")
            elif then.because != first.told:
                wrong.append(
                    f"{order.number}: {after} was told {then.because!r} by {before}, which had told {first.told!r}"
                )
    if followed == 0:
        wrong.append("no order with two steps to compare")
    return _finding("steps in order", wrong, f"{followed:,} pairs of steps")


def fences_rise(books: Books) -> Finding:
    """Of two attempts of one task the later one has the higher fence, and no two share one."""
    attempts: dict[tuple[Step, str], list[Begun]] = defaultdict(list)
    for begun in books.begun:
        attempts[begun.step, begun.number].append(begun)
    wrong = [] if attempts else ["no attempt was logged"]
    again = 0
    for (step, number), of_task in attempts.items():
        by_attempt = sorted(of_task, key=lambda one: one.attempt)
        again += len(by_attempt) - 1
        for one, two in pairwise(by_attempt):
            if two.attempt == one.attempt or two.fence <= one.fence:
                wrong.append(
                    f"{number}/{step}: attempt {one.attempt} had fence {one.fence}, "
                    f"attempt {two.attempt} has {two.fence}"
                )
    return _finding(
        "fences rise", wrong, f"{len(books.begun):,} attempts, {again:,} of them not the first of their step"
    )


def results_are_evidence(books: Books) -> Finding:
    """Of each task one attempt counts: the last that began. Its result names the receipt, movement or parcel that is
    there.
    """
    last: dict[tuple[Step, str], tuple[int, int]] = {}
    for begun in books.begun:
        name = (begun.step, begun.number)
        last[name] = max((begun.attempt, begun.fence), last.get(name, (0, 0)))
    evidence = _evidence(books)
    wrong = [] if books.tasks else ["no task to look at"]
    for task in books.tasks:
        name = (task.step, task.number)
        if name in last and last[name] != (task.attempt, task.fence):
            wrong.append(
                f"{task.number}/{task.step}: attempt {task.attempt} with fence {task.fence} counts, "
                f"the last that began was {last[name][0]} with {last[name][1]}"
            )
        if name in evidence and evidence[name].told != task.told:
            wrong.append(f"{task.number}/{task.step} tells {task.told!r}, the records {evidence[name].told!r}")
    return _finding("results are true", wrong, f"{len(books.tasks):,} results name what is in the records")


def vips_ahead(books: Books) -> Finding:
    """VIPs' median wait from ready to start is at most a quarter of the others'."""
    vip_orders = {order.number for order in books.orders if order.vip}
    waits: dict[bool, list[int]] = {True: [], False: []}
    for number, wait_ms in _waits(books):
        waits[number in vip_orders].append(wait_ms)
    if not waits[True] or not waits[False]:
        return Finding(
            "VIPs ahead",
            ok=False,
            says=f"nothing to compare: {len(waits[True])} steps of VIPs, {len(waits[False])} of others",
        )
    vip_ms, other_ms = median(waits[True]), median(waits[False])
    return Finding(
        "VIPs ahead",
        ok=vip_ms <= VIP_WAIT_AT_MOST * other_ms,
        says=f"median wait {vip_ms:,.0f} ms against {other_ms:,.0f} ms"
        f" ({len(waits[True]):,} and {len(waits[False]):,} steps)",
    )


class _Evidence(NamedTuple):
    at_ns: int
    told: str
    because: str


def _evidence(books: Books) -> dict[tuple[Step, str], _Evidence]:
    """What shows that a step happened: the first record of it, wherever it is kept."""
    evidence: dict[tuple[Step, str], _Evidence] = {}
    steps = {Motion.CHARGE: Step.PAY, Motion.REFUND: Step.REFUND}
    for line in books.ledger:
        if line.deed is Deed.MOVED:
            evidence.setdefault((steps[line.motion], line.order), _Evidence(line.at_ns, line.receipt, line.because))
    records: tuple[Movement | Parcel, ...] = (*books.movements, *books.parcels)
    for record in records:
        evidence.setdefault((record.step, record.number), _Evidence(record.at_ns, record.id, record.because))
    return evidence


def _waits(books: Books) -> Iterator[tuple[str, int]]:
    """(order number, milliseconds) for every step that began: from the end of the step before, or from its submission,
    as the cluster tells, to the moment its handler first ran, as the handler tells.
    """
    first: dict[tuple[Step, str], int] = {}
    for begun in books.begun:
        name = (begun.step, begun.number)
        first[name] = min(begun.wall_ms, first.get(name, begun.wall_ms))
    by_name = {(task.step, task.number): task for task in books.tasks}
    for order in books.orders:
        before_ms = 0
        for step in steps_of(order):
            name = (step, order.number)
            if name in by_name and name in first:
                yield order.number, max(0, first[name] - max(before_ms, by_name[name].submitted_ms))
                before_ms = by_name[name].ended_ms


def _expected(orders: Iterable[Order]) -> set[tuple[Step, str]]:
    return {(step, order.number) for order in orders for step in steps_of(order)}


def _once(
    expected: Iterable[tuple[str, str, object]], found: Iterable[tuple[str, str, object]], what: str
) -> list[str]:
    """Differences between what should be there once and what is there."""
    due, there = Counter(expected), Counter(found)
    wrong = [f"{key[0]}: no {what} {key[1:]}" for key in due - there]
    wrong += [f"{key[0]}: {what} {key[1:]} {'again' if key in due else 'that nobody ordered'}" for key in there - due]
    return wrong


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def _finding(name: str, wrong: list[str], says: str) -> Finding:
    if not wrong:
        return Finding(name, ok=True, says=says)
    more = f" and {len(wrong) - EXAMPLES_SHOWN:,} more" if len(wrong) > EXAMPLES_SHOWN else ""
    return Finding(name, ok=False, says="; ".join(wrong[:EXAMPLES_SHOWN]) + more)
