"""The payment gateway: a small HTTP process of its own that fails and stalls on a seed.

Law: one idempotency key moves money once. A repeat gets the first receipt; the same key with other contents is
refused (422). Every request that arrives is in the ledger before it is answered. `--no-key-check` breaks the law on
purpose: then a repeat is charged again.

`POST /charges` and `POST /refunds`, header `Idempotency-Key`, body `{"order": ..., "cents": ..., "because": ...}`;
201 or 200 with `{"receipt": ...}`.

`python -m examples.orders.gateway --port 8900 --ledger ledger.ndjson --seed 2011`
"""

import asyncio
import time
from pathlib import Path

import click
import msgspec
from aiohttp import web

from examples.orders.faults import Fault, Verdict, verdict
from examples.orders.ledger import Deed, Ledger, LedgerLine, Motion


class PaymentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order: str
    cents: int
    because: str = ""


class _Moved(msgspec.Struct, frozen=True):
    motion: Motion
    request: PaymentRequest
    receipt: str


class Gateway:
    """Answers requests; what moved is remembered by key for the life of the process."""

    def __init__(self, ledger: Ledger, seed: int, *, key_check: bool) -> None:
        self._ledger = ledger
        self._seed = seed
        self._key_check = key_check
        self._moved: dict[str, _Moved] = {}
        self._sightings: dict[str, int] = {}
        self._receipts = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_post("/charges", self._charge)
        app.router.add_post("/refunds", self._refund)
        app.router.add_get("/livez", self._livez)
        return app

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _charge(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, Motion.CHARGE)

    async def _refund(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, Motion.REFUND)

    async def _serve(self, request: web.Request, motion: Motion) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key", "")
        try:
            asked = msgspec.json.decode(await request.read(), type=PaymentRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return web.json_response({"detail": f"no payment: {error}"}, status=400)
        if not key or asked.cents <= 0:
            return web.json_response({"detail": "expected an Idempotency-Key header and cents above 0"}, status=400)
        sighting = self._sightings[key] = self._sightings.get(key, 0) + 1
        what = verdict(self._seed, key, sighting)
        # Decided and written down before the first await: two requests with one key cannot both find it unknown.
        line, status = self._decide(motion, key, asked, what)
        self._ledger.write(line)
        return await self._answer(request, line, status, what)

    def _decide(self, motion: Motion, key: str, asked: PaymentRequest, what: Verdict) -> tuple[LedgerLine, int]:
        def line(deed: Deed, receipt: str) -> LedgerLine:
            return LedgerLine(
                time.monotonic_ns(), motion, key, asked.order, asked.cents, asked.because, deed, what.fault, receipt
            )

        if what.fault is Fault.ERROR:
            return line(Deed.REFUSED, ""), 500
        if what.fault is Fault.BUSY:
            return line(Deed.REFUSED, ""), 503
        before = self._moved.get(key) if self._key_check else None
        if before is None:
            self._receipts += 1
            moved = self._moved[key] = _Moved(motion, asked, f"{motion}-{self._receipts}")
            return line(Deed.MOVED, moved.receipt), 201
        if (before.motion, before.request) != (motion, asked):
            return line(Deed.REFUSED, ""), 422
        return line(Deed.REPEATED, before.receipt), 200

    async def _answer(self, request: web.Request, line: LedgerLine, status: int, what: Verdict) -> web.StreamResponse:
        await asyncio.sleep(what.delay_s)
        if what.fault is Fault.LOST_ANSWER and request.transport is not None:
            request.transport.abort()
        if line.deed is Deed.REFUSED:
            return web.json_response({"detail": f"{line.motion} refused"}, status=status)
        return web.json_response({"receipt": line.receipt}, status=status)


@click.command(help="Serve the demo's payment gateway on 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option("--ledger", "path", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A new file.")
@click.option("--seed", type=int, default=2011, show_default=True)
@click.option(
    "--no-key-check", is_flag=True, help="Charge again on every repeat, as a gateway without idempotency keys would."
)
def main(port: int, path: Path, seed: int, no_key_check: bool) -> None:
    ledger = Ledger(path)
    try:
        web.run_app(Gateway(ledger, seed, key_check=not no_key_check).app(), host="127.0.0.1", port=port, print=None)
    finally:
        ledger.close()


if __name__ == "__main__":
    main()
