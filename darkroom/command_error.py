"""The error of a command that can't go on."""


class CommandError(Exception):
    """A command that can't go on: what is wrong, and what to do next. `exit_code` is 2 where the usage is wrong."""

    def __init__(self, message: str, advice: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message, self.advice, self.exit_code = message, advice, exit_code
