"""The error that ends a command."""


class CommandError(Exception):
    """Ends a command: what is wrong, and what the user can do. `exit_code` is 2 for wrong usage."""

    def __init__(self, message: str, advice: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message, self.advice, self.exit_code = message, advice, exit_code
