"""An order as the tasks that carry it out.

Law: what is submitted for an order depends on the order alone, byte for byte; so submitting it again, through any
peer, is the same request under the same keys and changes nothing.
"""

from typing import Any

from examples.orders.order import Order, Step, steps_of

VIP_PRIORITY = 50

# About one request in twelve goes wrong at the gateway, and a step that asks twelve times in vain is one in 10^13.
RETRY = {"max": 12, "schedule": [0.2, 0.5, 1.0, 2.0], "on": ["GatewayDown"]}
ASKS_GATEWAY = frozenset({Step.PAY, Step.REFUND})

# Longer than `fenced.LOCK_PATIENCE_S`: a step that waits for a frozen peer's lock is late, not lost.
TIMEOUT_S = 60


def task_key(number: str, step: Step) -> str:
    """The idempotency key of a step, and its name within a request."""
    return f"{number}:{step}"


def tasks_of(order: Order) -> list[dict[str, Any]]:
    """Task objects of `POST /v1/tasks`, each after the one before it."""
    tasks: list[dict[str, Any]] = []
    before = ""
    for step in steps_of(order):
        name = task_key(order.number, step)
        task: dict[str, Any] = {
            "handler": f"orders.{step}",
            "args": _args(step, order),
            "key": name,
            "ref": name,
            "priority": VIP_PRIORITY if order.vip else 0,
            "timeout": TIMEOUT_S,
            "labels": {"order": order.number, "vip": "yes" if order.vip else "no"},
        }
        if step in ASKS_GATEWAY:
            task["retry"] = RETRY
        if before:
            task["after"] = [before]
            task["args"]["because"] = {"$result": before, "path": "told"}
        elif step is Step.RESERVE:
            # Goods that cost nothing are reserved without a receipt.
            task["args"]["because"] = ""
        tasks.append(task)
        before = name
    return tasks


def _args(step: Step, order: Order) -> dict[str, Any]:
    match step:
        case Step.PAY | Step.REFUND:
            return {"order": order.number, "cents": order.amount_cents}
        case Step.RESERVE | Step.RESTOCK | Step.WRITE_OFF:
            return {"order": order.number, "warehouse": order.country, "quantity": order.quantity}
        case Step.SHIP | Step.COLLECT:
            return {"order": order.number, "country": order.country}
