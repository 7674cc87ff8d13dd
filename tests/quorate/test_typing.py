"""What a type checker tells a user before anything runs."""

from pathlib import Path

from mypy import api

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import quorate

@quorate.task("orders.charge")
def charge(order: str, cents: int) -> dict[str, int]:
    return {order: cents}

@quorate.task("orders.fetch")
async def fetch(order: str) -> bytes:
    return order.encode()

client = quorate.Client()
handle = client.submit(charge, "o-1", cents=999)
reveal_type(handle.result())
reveal_type(client.run(fetch, "o-1"))
reveal_type(client.options(priority=1).submit(charge, "o-1", 1))
reveal_type(client.submit("by.name", anything=1).result())
reveal_type(list(client.map(fetch, ["o-1"])))
reveal_type(quorate.gather([handle]))
reveal_type(quorate.Executor(client).submit(charge, "o-1", 1).result())
client.submit(charge, "o-1", cents="999")  # wrong
client.submit(charge, "o-1")  # wrong
client.run(fetch, order=1)  # wrong
client.map(fetch, [1])  # wrong
client.options(prio=1)  # wrong

async def main() -> None:
    twin = quorate.AsyncClient()
    reveal_type(await (await twin.submit(charge, "o-1", 1)).result())
    reveal_type(await twin.run(fetch, "o-1"))
    await twin.submit(charge, 1, 2)  # wrong
"""

REVEALED = [
    "dict[str, int]",
    "bytes",
    "Handle[dict[str, int]]",
    "Any",
    "list[bytes]",
    "list[dict[str, int]]",
    "dict[str, int]",
    "dict[str, int]",
    "bytes",
]


def test_results_are_typed_and_wrong_arguments_are_errors(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    out, problems, _ = api.run([str(program), f"--config-file={ROOT / 'pyproject.toml'}", "--no-error-summary"])
    assert not problems
    told = [line.partition(": ") for line in out.splitlines() if "program.py" in line]
    revealed = [words.split('"')[1] for _, _, words in told if "Revealed type is" in words]
    assert [name.replace("builtins.", "").replace("quorate.handle.", "") for name in revealed] == REVEALED
    wrong = {n for n, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}
    assert {int(place.rpartition(":")[2]) for place, _, words in told if words.startswith("error")} == wrong
