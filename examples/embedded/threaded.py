"""The same peer in a program that knows no asyncio: it lives on a thread of its own. See README.md."""

import sys

import quorate


@quorate.task("site.double")
def double(number: int) -> int:
    return 2 * number


def main(cluster_file: str, site: str) -> None:
    with (
        quorate.Peer(cluster_file, site, handlers=[double]) as peer,
        quorate.Client([peer.url]) as client,
    ):
        handles = [client.submit(double, number=number) for number in range(10)]
        print([handle.result(timeout=60) for handle in handles])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
