"""`quorate netsim check`: is a recorded history linearizable?

Law: 0 it is, 7 it is not (and the shortest part that shows it is printed), 6 the budget ran out before anybody could
say; 1 the file is no such history, and the line and field that are wrong are named.
"""

from __future__ import annotations  # the checker is imported when it is asked for, so that `--help` costs nothing

from typing import TYPE_CHECKING, BinaryIO

import click

from quorate.cli.endings import Ended, Exit
from quorate.cli.netsim_options import OUTPUT, output_in
from quorate.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quorate.netsim.linear import Operation, Verdict

BUDGET_S = 60.0
MODEL_NAMES = ("register", "lock", "cas-register", "queue", "submissions")
_CODES = {"linearizable": Exit.DONE, "not linearizable": Exit.DID_NOT_SUCCEED, "unknown": Exit.UNKNOWN}


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--model", required=True, type=click.Choice(MODEL_NAMES), help="What it is a history of.")
@click.option(
    "--budget-s",
    type=click.FloatRange(min=0.0, min_open=True),
    default=BUDGET_S,
    show_default=True,
    metavar="S",
    help="Seconds for the verdict; at most as much again to find the shortest part that shows it.",
)
@OUTPUT
def check(file: BinaryIO, model: str, budget_s: float, output: str | None) -> int:
    """Check the history in FILE (`-`: standard input) for linearizability.

    A history says who asked what, and what he was told: one JSON object a line, in the order in which things were seen.

    \b
    {"process": "p1", "type": "invoke", "f": "write", "value": 5, "key": "x"}
    {"process": "p2", "type": "invoke", "f": "read", "key": "x"}
    {"process": "p1", "type": "ok", "f": "write", "key": "x"}
    {"process": "p2", "type": "ok", "f": "read", "value": 5, "key": "x"}

    process (a number or text) does one thing at a time. type: invoke; then ok: done, and `value` is what was told; or
    fail: it surely did not happen; or info, or nothing at all: it may have happened, at any time since. key: of which
    object; without, all speak of one. time: any number that never goes back; may be left out, as may value.

    \b
    MODEL         f (value at invoke -> value at ok)
    register      read (-> value; null at first), write (value)
    cas-register  the same, and cas ([old, new]); fail: it was not old
    lock          acquire (-> its fence, or null: got it, fence not known),
                  release. Who did not get the lock: fail.
    queue         enqueue (value), dequeue (-> value, or null: it was empty)
    submissions   submit (-> task id), look (-> null: no such task, or
                  [id, state, fence]), cancel, retry; key: that of the submission

    Exit codes: 0 linearizable, 7 not linearizable, 6 unknown (the budget ran out), 1 not such a history.
    """
    from quorate.netsim.linear import MODELS, Budget, Malformed, check
    from quorate.netsim.linear.reading import read

    try:
        operations = read(file, MODELS[model])
    except Malformed as wrong:
        raise Ended(
            f"{getattr(file, 'name', 'standard input')}, line {wrong.position}, {wrong.field}: {wrong.text}.",
            "Nothing was checked; `quorate netsim check --help` shows what a history looks like.",
            Exit.REFUSED,
        ) from wrong
    if not operations:
        name = getattr(file, "name", "standard input")
        raise Ended(f"{name}: there is no operation in it.", "Nothing was checked.", Exit.REFUSED)
    verdict = check(operations, MODELS[model], Budget(seconds=budget_s))
    _print(verdict, operations, output_in(output))
    return _CODES[verdict.result]


def _print(verdict: Verdict, operations: Sequence[Operation], output: Output) -> None:
    from quorate.netsim.linear.telling import document_of, lines_of

    answers = {operation.call: operation.ret for operation in operations}
    if output.is_json:
        output.document(document_of(verdict, answers))
        return
    for line in lines_of(verdict, answers):
        click.echo("".join(char if char.isprintable() else " " for char in line))
