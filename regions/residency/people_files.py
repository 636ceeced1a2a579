"""The files that name people and their public keys: who signs statements, and who operates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from regions.errors import TopologyError
from regions.residency.statement import Operator, Signers
from regions.residency.statement_document import parse_operators, parse_signers

_People = TypeVar("_People")


def read_signers(file: Path) -> Signers:
    """Raises TopologyError."""
    return _read(file, "signers", parse_signers)


def read_operators(file: Path) -> dict[str, Operator]:
    """Raises TopologyError."""
    return _read(file, "operators", parse_operators)


def _read(file: Path, what: str, parse: Callable[[Any], _People]) -> _People:
    try:
        return parse(json.loads(file.read_text()))
    except OSError as error:
        raise TopologyError(f"the {what} {file} can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TopologyError(f"the {what} {file} can't be read: {error}") from error
