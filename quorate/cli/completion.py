"""`quorate completion`: lets a shell complete commands, options and values."""

import click
from click.shell_completion import get_completion_class

from quorate.cli.endings import Ended, Exit


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete `quorate`.

    \b
    bash:  quorate completion bash >> ~/.bashrc
    zsh:   quorate completion zsh  >> ~/.zshrc
    fish:  quorate completion fish > ~/.config/fish/completions/quorate.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise Ended(f"There is no completion for {shell} here.", "bash, zsh and fish are known.", Exit.REFUSED)
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "quorate", "_QUORATE_COMPLETE").source())


COMMANDS = {"completion": completion}
