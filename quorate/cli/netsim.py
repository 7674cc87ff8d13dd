"""`quorate netsim`: the whole cluster in a simulated world, many times.

Law: exit code 7 says that a promise was broken; a seed or a file repeats what happened to the last bit.
"""

import importlib

import click

PARTS = {
    "run": "Play many seeds.",
    "replay": "Play one seed or scenario and tell what happened.",
    "mutants": "Plant known bugs and see each one caught.",
    "check": "Say whether a recorded history is linearizable.",
    "live": "Break real processes on this machine, or drill a running cluster.",
    "soak": "Play new seeds for a while, from where the last soak stopped.",
}
"""Name -> what it is for; the command `run` stands in `netsim_run.py` under that name, and so on."""


class Commands(click.Group):
    """Each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # as click calls it
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in PARTS:
            return None
        command: click.Command = getattr(importlib.import_module(f"quorate.cli.netsim_{cmd_name}"), cmd_name)
        command.short_help = PARTS[cmd_name]
        return command


@click.group(cls=Commands)
def netsim() -> None:
    """Try to break the cluster: in a simulated world, and as real processes.

    run, replay, mutants, soak: the peers that ship, in a world where time, network, disks, clients and faults come from
    a seed. The same seed is the same run, on every machine. live: real processes. check: a history of your own.
    """


COMMANDS = {"netsim": netsim}
