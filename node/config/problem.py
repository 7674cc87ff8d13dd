"""What is wrong with a cluster file, told so that it can be mended.

Law: a problem names the file, the line, the key, what was got, what was expected and what to do. All problems of a
file are told together: nobody mends a file one error a run.
"""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong. `line` 0: the configuration was built in code, or the problem has no line of its own."""

    file: str
    line: int
    key: str
    """As in `peers[1].raft`; "" for the file as a whole."""
    message: str
    """What was got and what was expected."""
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{place}: {self.key}" if self.key else place
        return f"{subject}: {self.message}. Fix: {self.fix}."


class ConfigError(Exception):
    """The configuration cannot be used; nothing was started. `str()` gives all problems, one a line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
