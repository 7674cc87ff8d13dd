"""Prints the table: `python -m tests.netsim.stock [--seeds 100] [--profile NAME ...]`."""

import argparse
import sys

from tests.netsim.stock.run import COMPARED, compare


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.netsim.stock", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="seeds of each profile, from 0 on")
    parser.add_argument("--profile", action="append", choices=COMPARED, help="only this one (repeatable)")
    given = parser.parse_args()
    out = sys.stdout.write
    out("| profile | stock: bad / seeds | first | broken (seeds) | ours, same seeds |\n|---|---|---|---|---|\n")
    for profile in given.profile or COMPARED:
        row = compare(profile, range(given.seeds))
        broken = ", ".join(f"{law} {count}" for law, count in sorted(row.broken.items(), key=lambda item: -item[1]))
        first = "" if row.first is None else row.first
        out(f"| {profile} | {row.bad}/{row.seeds} | {first} | {broken} | {row.ours} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
