"""What a checker raises."""


class Violation(AssertionError):
    """A promise was broken. `check`: the name of the checker that saw it; `at`: virtual seconds."""

    def __init__(self, check: str, text: str, at: float = 0.0) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check
        self.text = text
        self.at = at
