"""Each error a cluster could make, planted in books that balance, is seen by exactly the checks that should see it."""

from collections.abc import Callable

import msgspec
import pytest

from examples.orders.books import Books, TaskAnswer, check
from examples.orders.ledger import Deed, LedgerLine
from tests.examples.orders.records import CANCELLATION, GIFT, SALE, VIP_SALE, WRITE_OFF, balanced_books


def failed(books: Books) -> set[str]:
    return {finding.name for finding in check(books) if not finding.ok}


def test_books_that_balance_pass_every_check() -> None:
    """Also with a repeated submission, a gift that nobody pays, a cancellation and a write-off."""
    assert failed(balanced_books()) == set()


def charge_of(books: Books, number: str) -> LedgerLine:
    return next(line for line in books.ledger if line.order == number)


def all_say(books: Books, *tasks: TaskAnswer) -> Books:
    return msgspec.structs.replace(books, answers=dict.fromkeys(books.answers, tasks))


def one_says(books: Books, *tasks: TaskAnswer) -> Books:
    return msgspec.structs.replace(books, answers={**books.answers, "b": tasks})


def without_task(books: Books) -> Books:
    return all_say(books, *books.tasks[1:])


def without_task_on_one_peer(books: Books) -> Books:
    return one_says(books, *books.tasks[1:])


def other_fence_on_one_peer(books: Books) -> Books:
    return one_says(books, msgspec.structs.replace(books.tasks[0], fence=99), *books.tasks[1:])


def only_one_peer_asked(books: Books) -> Books:
    return msgspec.structs.replace(books, answers={"a": books.tasks})


def nobody_asked(books: Books) -> Books:
    return msgspec.structs.replace(books, answers={})


def failed_task(books: Books) -> Books:
    return all_say(books, msgspec.structs.replace(books.tasks[0], state="failed"), *books.tasks[1:])


def task_nobody_ordered(books: Books) -> Books:
    return all_say(books, *books.tasks, msgspec.structs.replace(books.tasks[0], id="id-x", number="9999", told="x"))


def task_twice(books: Books) -> Books:
    return all_say(books, *books.tasks, msgspec.structs.replace(books.tasks[0], id="id-x"))


def earlier_attempt_counted(books: Books) -> Books:
    first = books.begun[0]
    again = msgspec.structs.replace(first, attempt=2, fence=first.fence + 100)
    return msgspec.structs.replace(books, begun=(*books.begun, again))


def result_without_record(books: Books) -> Books:
    return all_say(books, msgspec.structs.replace(books.tasks[0], told="receipt-other"), *books.tasks[1:])


def acknowledged_id_lost(books: Books) -> Books:
    other = tuple(
        (step, number, "id-lost" if number == SALE.number else task) for step, number, task in books.acknowledged
    )
    return msgspec.structs.replace(books, acknowledged=other)


def repeat_made_a_second_task(books: Books) -> Books:
    step, number, _ = books.acknowledged[0]
    acknowledged = (*books.acknowledged, (step, number, "id-second"))
    second = msgspec.structs.replace(books.tasks[0], id="id-second")
    return all_say(msgspec.structs.replace(books, acknowledged=acknowledged), *books.tasks, second)


def never_acknowledged(books: Books) -> Books:
    return msgspec.structs.replace(
        books, acknowledged=tuple(told for told in books.acknowledged if told[1] != GIFT.number)
    )


def charged_twice(books: Books) -> Books:
    again = msgspec.structs.replace(charge_of(books, SALE.number), receipt="receipt-again")
    return msgspec.structs.replace(books, ledger=(*books.ledger, again))


def refunded_twice(books: Books) -> Books:
    again = msgspec.structs.replace(charge_of(books, CANCELLATION.number), receipt="receipt-again")
    return msgspec.structs.replace(books, ledger=(*books.ledger, again))


def never_charged(books: Books) -> Books:
    return msgspec.structs.replace(books, ledger=tuple(line for line in books.ledger if line.order != SALE.number))


def only_refused(books: Books) -> Books:
    def refuse(line: LedgerLine) -> LedgerLine:
        return msgspec.structs.replace(line, deed=Deed.REFUSED) if line.order == SALE.number else line

    return msgspec.structs.replace(books, ledger=tuple(refuse(line) for line in books.ledger))


def wrong_sum(books: Books) -> Books:
    def more(line: LedgerLine) -> LedgerLine:
        return msgspec.structs.replace(line, cents=line.cents + 1) if line.order == SALE.number else line

    return msgspec.structs.replace(books, ledger=tuple(more(line) for line in books.ledger))


def charged_for_a_gift(books: Books) -> Books:
    extra = msgspec.structs.replace(charge_of(books, SALE.number), order=GIFT.number, key=GIFT.number)
    return msgspec.structs.replace(books, ledger=(*books.ledger, extra))


def moved_twice(books: Books) -> Books:
    return msgspec.structs.replace(books, movements=(*books.movements, books.movements[0]))


def never_moved(books: Books) -> Books:
    kept = tuple(movement for movement in books.movements if movement.number != WRITE_OFF.number)
    return msgspec.structs.replace(books, movements=kept)


def shelf_short(books: Books) -> Books:
    return msgspec.structs.replace(
        books, closing_stock={**books.closing_stock, "France": books.closing_stock["France"] - 1}
    )


def sent_twice(books: Books) -> Books:
    return msgspec.structs.replace(books, parcels=(*books.parcels, books.parcels[0]))


def never_sent(books: Books) -> Books:
    return msgspec.structs.replace(
        books, parcels=tuple(parcel for parcel in books.parcels if parcel.number != GIFT.number)
    )


def shipped_before_reserved(books: Books) -> Books:
    parcels = tuple(
        msgspec.structs.replace(parcel, at_ns=1) if parcel.number == GIFT.number else parcel for parcel in books.parcels
    )
    return msgspec.structs.replace(books, parcels=parcels)


def shipped_on_another_reservation(books: Books) -> Books:
    parcels = tuple(
        msgspec.structs.replace(parcel, because="movement-other") if parcel.number == GIFT.number else parcel
        for parcel in books.parcels
    )
    return msgspec.structs.replace(books, parcels=parcels)


def fence_fell(books: Books) -> Books:
    first = books.begun[0]
    again = msgspec.structs.replace(first, attempt=2, fence=first.fence - 1)
    return msgspec.structs.replace(books, begun=(*books.begun, again))


def one_attempt_on_two_peers(books: Books) -> Books:
    return msgspec.structs.replace(books, begun=(*books.begun, msgspec.structs.replace(books.begun[0], peer="b")))


def nothing_logged(books: Books) -> Books:
    return msgspec.structs.replace(books, begun=())


def vips_waited(books: Books) -> Books:
    begun = tuple(
        msgspec.structs.replace(one, wall_ms=one.wall_ms + 100) if one.number == VIP_SALE.number else one
        for one in books.begun
    )
    return msgspec.structs.replace(books, begun=begun)


def no_vips(books: Books) -> Books:
    orders = tuple(msgspec.structs.replace(order, vip=False) for order in books.orders)
    return msgspec.structs.replace(books, orders=orders)


@pytest.mark.parametrize(
    ("plant", "seen_by"),
    [
        (without_task, {"nothing missing"}),
        (without_task_on_one_peer, {"nothing missing", "peers agree"}),
        (other_fence_on_one_peer, {"peers agree"}),
        (only_one_peer_asked, {"peers agree"}),
        (nobody_asked, {"nothing missing", "peers agree", "results are true", "VIPs ahead"}),
        (earlier_attempt_counted, {"results are true"}),
        (result_without_record, {"results are true"}),
        (failed_task, {"nothing missing"}),
        (task_nobody_ordered, {"nothing missing"}),
        (task_twice, {"nothing missing"}),
        (acknowledged_id_lost, {"nothing missing"}),
        (repeat_made_a_second_task, {"accepted once", "nothing missing"}),
        (never_acknowledged, {"accepted once"}),
        (charged_twice, {"money moved once"}),
        (refunded_twice, {"money moved once"}),
        (never_charged, {"money moved once", "steps in order"}),
        (only_refused, {"money moved once", "steps in order"}),
        (wrong_sum, {"money moved once"}),
        (charged_for_a_gift, {"money moved once"}),
        (moved_twice, {"goods moved once"}),
        (never_moved, {"goods moved once"}),
        (shelf_short, {"shelves add up"}),
        (sent_twice, {"parcels sent once"}),
        (never_sent, {"parcels sent once", "steps in order"}),
        (shipped_before_reserved, {"steps in order"}),
        (shipped_on_another_reservation, {"steps in order"}),
        (fence_fell, {"fences rise", "results are true"}),
        (one_attempt_on_two_peers, {"fences rise"}),
        (nothing_logged, {"fences rise", "VIPs ahead"}),
        (vips_waited, {"VIPs ahead"}),
        (no_vips, {"VIPs ahead"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_planted_error_is_seen(plant: Callable[[Books], Books], seen_by: set[str]) -> None:
    """...by the checks that should see it, and by no other."""
    assert failed(plant(balanced_books())) == seen_by


def test_a_finding_names_the_order() -> None:
    """Whoever reads the report can look for it in the records."""
    finding = next(one for one in check(charged_twice(balanced_books())) if one.name == "money moved once")
    assert finding.says == f"{SALE.number}: 2 times charge"


def test_the_wait_ends_when_the_handler_first_ran() -> None:
    """A step that was cut short and ran again long after did not wait all that time."""
    books = balanced_books()
    again = tuple(
        msgspec.structs.replace(one, attempt=2, fence=one.fence + 100, wall_ms=one.wall_ms + 60_000)
        for one in books.begun
        if one.number == VIP_SALE.number
    )
    counted = tuple(
        msgspec.structs.replace(task, attempt=2, fence=task.fence + 100) if task.number == VIP_SALE.number else task
        for task in books.tasks
    )
    assert failed(all_say(msgspec.structs.replace(books, begun=(*again, *books.begun)), *counted)) == set()
