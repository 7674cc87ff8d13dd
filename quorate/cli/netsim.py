"""`quorate netsim`: the whole cluster in a simulated world, many times.

Law: exit code 7 says that a promise was broken; a seed or a file repeats what happened to the last bit.
"""

import importlib

import click

from quorate.cli.later import not_built

PARTS = {
    "run": ("quorate.cli.netsim_run", "Play many seeds."),
    "replay": ("quorate.cli.netsim_replay", "Play one seed or scenario and tell what happened."),
    "mutants": ("quorate.cli.netsim_mutants", "Plant known bugs and see each one caught."),
    "check": ("quorate.cli.checking", "Say whether a recorded history is linearizable."),
    "live": ("quorate.cli.netsim_live", "Break real processes on this machine, or drill a running cluster."),
    "soak": ("quorate.cli.netsim_soak", "Play new seeds for a while, from where the last soak stopped."),
}
"""Name -> the module that has the command of that name, and what it is for."""


class Commands(click.Group):
    """Each is imported when it is asked for; what is not built yet is refused by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # as click calls it
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in PARTS:
            return None
        module, purpose = PARTS[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
            return not_built(f"netsim {cmd_name}", purpose)
        command.short_help = purpose
        return command


@click.group(cls=Commands)
def netsim() -> None:
    """Try to break the cluster: in a simulated world, and as real processes.

    run, replay, mutants, soak: the peers that ship, in a world where time, network, disks, clients and faults come from
    a seed. The same seed is the same run, on every machine. live: real processes. check: a history of your own.
    """


COMMANDS = {"netsim": netsim}
