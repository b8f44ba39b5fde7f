"""What goes wrong on a machine, always said with what to do about it."""


class PlatformError(Exception):
    """A failure that a person can mend; `remedy` says how in one line."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n  what to do: {remedy}")
        self.problem = problem
        self.remedy = remedy
