"""Who gives an operator's command, and `darkroom acts`: what operators have done in a region.

The statement lists operators with their keys and roles. A command that changes something asks for the key, and is
logged in the region before anything is done, so that there is no act without its record.
"""

import os
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Column, Table

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.operate import one_region, statement_files
from regions import config, keys, operator_acts
from regions.clock import now_ms
from regions.config import Config
from regions.operator_acts import Act
from regions.records import rfc3339
from regions.residency.statement import Operator, Role
from regions.stores.settings import ACTS, Values

FOLDER = "operators"
KEY_FILE = "DARKROOM_OPERATOR_KEY"


@dataclass(frozen=True, slots=True)
class ActingOperator:
    """Somebody whom the statement lists, and who has shown the key."""

    name: str
    role: Role
    private: Ed25519PrivateKey

    def begins(self, values: Values, region: str, command: str, about: str) -> None:
        """Logs the act, before it is done. Raises Unavailable, and CommandError if it could not be written."""
        act = Act(self.name, self.role, command, about, region, now_ms())
        if not values.write(operator_acts.key_of(act), operator_acts.signed_text(act, self.private), 0):
            raise CommandError(f"{region} could not log this, so it was not done.", "Give the same command again.")


def require(options: Namespace, loaded: Config, *roles: Role) -> ActingOperator:
    """The operator whose key is here. Raises CommandError unless the statement lists them in one of these roles."""
    private = keys.private_key(_key_file(options.data).read_text())
    public = keys.public_text(private.public_key())
    statement = statement_files.highest(loaded)
    listed = statement.operators if statement else {}
    name = next((name for name, operator in listed.items() if operator.key == public), None)
    wanted = " or ".join(roles)
    if name is None:
        raise CommandError(
            "The statement lists no operator with this key.",
            f"Ask the compliance team to state your name, key and role ({wanted}): `darkroom policy sign --operators`.",
        )
    role = operator_acts.role_of(listed[name], *roles)
    if role is None:
        theirs = ", ".join(sorted(listed[name].roles)) or "none"
        raise CommandError(
            f"This is for the role {wanted}; those of {name} are: {theirs}.", "Ask somebody who has that role."
        )
    return ActingOperator(name, role, private)


def command(options: Namespace) -> int:
    """Runs `darkroom acts`: what was done in a region, the newest first; exit 1 if a record is not what it claims."""
    loaded, region = one_region.of(options)
    with closing(config.open_settings(loaded, region.name)) as settings:
        records = settings.values.tree(ACTS)
        operators = [one.operators for one in statement_files.history(loaded, settings.values)]
    shown, forged = Table(Column("when", no_wrap=True), "who", "role", "what", "about", box=None), 0
    for key in sorted(records, reverse=True)[: options.limit]:
        try:
            act = _verified(key, records[key].value, region.name, operators)
        except ValueError as error:
            forged += 1
            shown.add_row("?", "?", "?", terminal.text(key), terminal.text(str(error)), style="bold red")
        else:
            about = terminal.text(act.about)
            shown.add_row(rfc3339(act.at_ms), terminal.text(act.operator), act.role, terminal.text(act.command), about)
    Console().print(shown if records else "Nothing was done here by hand yet.")
    return 1 if forged else 0


def _verified(key: str, text: str, region: str, operators: list[Mapping[str, Operator]]) -> Act:
    """By any statement that ever was: who is listed no longer may have acted before. Raises ValueError."""
    error = ValueError("no statement lists any operator")
    for listed in operators:
        try:
            return operator_acts.verified_at(key, text, region, listed)
        except ValueError as problem:
            error = problem
    raise error


def _key_file(data: Path) -> Path:
    """Raises CommandError."""
    if given := os.environ.get(KEY_FILE):
        return Path(given)
    found = sorted((data / FOLDER).glob("*.pem"))
    if len(found) != 1:
        raise CommandError(
            "This is for operators, and your key is not here.",
            f"Set {KEY_FILE} to the file of your key; `darkroom policy new-key FILE` makes one.",
        )
    return found[0]
