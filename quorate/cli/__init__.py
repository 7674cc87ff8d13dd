"""The `quorate` command.

Law: it says what happened in one sentence and what to do in another, and ends with the exit code that says whose turn
it is. What it prints to stdout is the answer alone, fit for a pipe; everything else goes to stderr.
"""

from quorate.cli.app import main

__all__ = ["main"]
