"""Statements in the settings of the regions, as operators' commands read and publish them."""

from collections.abc import Iterable
from contextlib import closing

from darkroom.command_error import CommandError
from regions import config
from regions.config import Config
from regions.errors import NotFound, StatementError, Unavailable
from regions.residency.live import verified
from regions.residency.settings_statement import from_history, store_in_history
from regions.residency.signatures import read_kept
from regions.residency.statement import Statement
from regions.stores.settings import HISTORY, STATEMENT, Values


def highest(loaded: Config) -> Statement | None:
    """The valid statement with the highest serial that any region's settings hold. Raises Unavailable if none can be
    asked, TopologyError without signers."""
    found = [statement for statement in held(loaded).values() if isinstance(statement, Statement)]
    return max(found, key=lambda statement: statement.serial, default=None)


def held(loaded: Config) -> dict[str, Statement | str | None]:
    """What each region's settings hold: a valid statement, None, or what is wrong."""
    by_region: dict[str, Statement | str | None] = {}
    for region in loaded.topology.regions:
        try:
            with closing(config.open_settings(loaded, region)) as settings:
                by_region[region] = statement_in(loaded, settings.values)
        except (Unavailable, StatementError, NotFound) as error:
            by_region[region] = str(error)
    return by_region


def publish(loaded: Config, signed: str, regions: Iterable[str]) -> Statement:
    """Writes a signed statement to these regions, each by one conditional write, and returns it.

    Raises StatementError if it is not valid, CommandError if a region has a higher one, Unavailable.
    """
    statement = None
    for region in regions:
        with closing(config.open_settings(loaded, region)) as settings:
            statement = _publish(loaded, region, settings.values, signed)
    if statement is None:
        raise CommandError("No region was named.", "Name one of the topology.")
    return statement


def history(values: Values) -> list[Statement]:
    """Every statement that a region keeps, by serial. What can't be read is left out."""
    found = []
    for setting in values.tree(HISTORY).values():
        try:
            found.append(read_kept(setting.value))
        except StatementError:
            continue
    return sorted(found, key=lambda statement: statement.serial)


def statement_in(loaded: Config, values: Values) -> Statement | None:
    """The valid statement in a region's settings. Raises StatementError, NotFound, Unavailable."""
    setting = values.read(STATEMENT)
    if setting is None:
        return None
    return verified(setting.value, (), loaded.signers(), lambda hash: from_history(values, hash))


def _publish(loaded: Config, region: str, values: Values, signed: str) -> Statement:
    setting = values.read(STATEMENT)
    before = None
    if setting is not None:
        try:
            before = verified(setting.value, (), loaded.signers(), lambda hash: from_history(values, hash))
        except (StatementError, NotFound):
            before = None
    statement = verified(signed, [before] if before else (), loaded.signers(), lambda hash: from_history(values, hash))
    if before is not None and before.hash == statement.hash:
        return statement
    if before is not None and before.serial >= statement.serial:
        raise CommandError(
            f"{region} has statement {before.serial} already, and this is {statement.serial}.",
            "Make it anew on top of that one: `darkroom policy sign`.",
        )
    store_in_history(values, statement)
    values.write(STATEMENT, signed, setting.version if setting else 0)
    # An answer can be lost after the value was written. What is there counts.
    after = values.read(STATEMENT)
    if after is None or after.value != signed:
        raise CommandError(f"Somebody else has written a statement to {region} meanwhile.", "Look, and try again.")
    return statement
