"""One edge site: a program of its own with a peer inside, no broker and no database beside it. See README.md."""

import asyncio
import sys
import time

import quorate


@quorate.task("site.evaluate", timeout=10)
def evaluate(site: str, celsius: float) -> dict[str, object]:
    """Runs on whichever site takes it."""
    return {"site": site, "alarm": celsius > 80.0, "evaluated_by_attempt": quorate.current().attempt}


async def live(cluster_file: str, site: str) -> None:
    async with (
        quorate.Peer(cluster_file, site, handlers=[evaluate]) as peer,
        quorate.AsyncClient([peer.url]) as client,
    ):
        while True:
            celsius = 20.0 + time.time() % 80
            try:
                handle = await client.submit(evaluate, site=site, celsius=celsius)
                print(f"{site}: {celsius:.1f} C -> {await handle.result(timeout=30)}", flush=True)
            except (quorate.QuorateError, TimeoutError) as error:
                print(f"{site}: {celsius:.1f} C is not evaluated: {error}", flush=True)
            await asyncio.sleep(1)


if __name__ == "__main__":
    try:
        asyncio.run(live(sys.argv[1], sys.argv[2]))
    except KeyboardInterrupt:
        print(f"{sys.argv[2]}: stopped")
