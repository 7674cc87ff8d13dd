"""The shop's side of the gateway: one request, one answer or one named error.

Law: after `GatewayDown` the money may have moved or not; asking again under the same key is the way to find out, and
safe. After `PaymentRefused` it surely has not, and asking again changes nothing.
"""

import http.client
import json

PATIENCE_S = 1.0


class GatewayDown(Exception):
    """No answer, or one that says try again."""


class PaymentRefused(Exception):
    """The gateway understood and said no."""


def request_payment(address: str, path: str, order: str, cents: int, because: str) -> str:
    """The receipt. `address`: host:port; `path`: /charges or /refunds. The order number is the key.

    Raises:
        GatewayDown: 5xx, connection lost, or nothing heard for `PATIENCE_S`.
        PaymentRefused: any other status.
    """
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    try:
        body = json.dumps({"order": order, "cents": cents, "because": because})
        connection.request("POST", path, body, {"Content-Type": "application/json", "Idempotency-Key": order})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise GatewayDown(f"{path} for {order}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if answer.status >= 500:
        raise GatewayDown(f"{path} for {order}: {answer.status}")
    if answer.status not in (200, 201):
        raise PaymentRefused(f"{path} for {order}: {answer.status} {text[:200]!r}")
    return str(json.loads(text)["receipt"])
