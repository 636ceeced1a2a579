"""What is wrong with a policy, or looks wrong: values with the line that each is about, as compilers and editors have.

Pure: a policy with an error is refused; one with warnings is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from regions.errors import PolicyError


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """`where` is `file:line`, or the file alone if it is about the whole; `message` is a sentence for the officer."""

    severity: Severity
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class NotUnderstood(PolicyError):
    """A part of a file is not understood. `diagnostic` is the error."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


def errors_of(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def by_line(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """In the order of the file's lines; those of one line stay in order."""
    return sorted(diagnostics, key=lambda diagnostic: _line(diagnostic.where))


def require_no_error(diagnostics: Iterable[Diagnostic]) -> None:
    """Raises PolicyError with the first error."""
    for error in errors_of(diagnostics):
        raise NotUnderstood(error)


def _line(where: str) -> int:
    line = where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0
