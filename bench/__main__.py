"""Each figure beside its floor and beside the machine's own limits of the same run.

python -m bench [CASE ...] [--quick] [-o FILE] [--folder FOLDER]
"""

import os
import platform
import time
from pathlib import Path

import click
import msgspec

from bench import probes
from bench.cases import Case, Run
from bench.cases.bulk import bulk
from bench.cases.crowd import crowd
from bench.cases.failover import failover
from bench.cases.hogs import hogs
from bench.cases.http64 import http64
from bench.cases.inside import inside
from bench.cases.latency import chain, latency
from bench.cases.world import world
from bench.figure import HEADER, Figure, row, told

CASES: dict[str, Case] = {
    "bulk": bulk,
    "latency": latency,
    "chain": chain,
    "inside": inside,
    "http64": http64,
    "failover": failover,
    "crowd": crowd,
    "hogs": hogs,
    "world": world,
}


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--quick", is_flag=True, help="Shorter runs: for a look, not for the record.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures as JSON.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(__file__).parent,
    help="Where the peers' data goes meanwhile: on the disk that is to be measured (default: this checkout).",
)
def main(cases: tuple[str, ...], quick: bool, output: Path | None, folder: Path) -> None:
    """Measure CASES (all of them by default)."""
    before = _machine(folder)
    for name, value in before.items():
        click.echo(f"{name:28} {value}")
    click.echo("\n" + HEADER)
    figures: list[Figure] = []
    for name in cases or CASES:
        for figure in CASES[name](Run(folder, quick)):
            figures.append(figure)
            click.echo(row(figure))
    if output is not None:
        written = {"machine": before, "quick": quick, "figures": [told(figure) for figure in figures]}
        output.write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1))


def _machine(folder: Path) -> dict[str, object]:
    return {
        "at": time.strftime("%Y-%m-%d %H:%M:%S"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load average, 1 min": round(os.getloadavg()[0], 2),
        "idle cores (spinning)": round(probes.idle_cores(), 2),
        "fdatasync of 4 KiB, p50 ms": round(probes.flush_ms(folder), 3),
        "loopback round trip, p50 us": round(probes.round_trip_us(), 1),
    }


if __name__ == "__main__":
    main()
