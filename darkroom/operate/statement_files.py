"""Statements in the settings of the regions, as operators' commands read and publish them."""

from collections.abc import Iterable
from contextlib import closing, suppress

from darkroom.command_error import CommandError
from regions import config
from regions.config import Config
from regions.errors import NotFound, StatementError, Unavailable
from regions.residency.chain import Links, followed, verified
from regions.residency.settings_statement import from_history, store_in_history
from regions.residency.signatures import read_kept, unpack
from regions.residency.statement import Statement
from regions.residency.statement_document import hash_of
from regions.stores.settings import STATEMENT, Values


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

    Those before it come into their history too, from any region that has them: without them nobody could verify it.
    Raises StatementError if it is not valid, CommandError if a region has a higher one, Unavailable.
    """
    statement = None
    for region in regions:
        with closing(config.open_settings(loaded, region)) as settings:
            statement = _publish(loaded, region, settings.values, signed)
    if statement is None:
        raise CommandError("No region was named.", "Name one of the topology.")
    return statement


def history(loaded: Config, values: Values) -> list[Statement]:
    """Every statement up to the one that the region holds, by serial. Raises StatementError, NotFound, Unavailable.

    The one that it holds is verified, and each names the one before by its hash: so what somebody else has put into the
    history, or changed there, is never read. Raises CommandError where one of those before is missing or another one.
    """
    statement = statement_in(loaded, values)
    found = [statement] if statement else []
    while found and (previous := found[-1].previous):
        try:
            found.append(read_kept(_authentic(from_history(values, previous), previous)))
        except (NotFound, StatementError) as error:
            raise CommandError(
                f"Statement {found[-1].serial - 1} ({previous[:12]}) can't be read in this region's history.",
                "Somebody has changed or removed it. Another region has it too: name one with --region.",
            ) from error
    return found[::-1]


def statement_in(loaded: Config, values: Values) -> Statement | None:
    """The valid statement in a region's settings. Raises StatementError, NotFound, Unavailable."""
    setting = values.read(STATEMENT)
    if setting is None:
        return None
    return verified(setting.value, (), loaded.signers(), Links(lambda hash: from_history(values, hash)))


def _authentic(signed: str, hash: str) -> str:
    if hash_of(unpack(signed)[0]) != hash:
        raise StatementError(f"the statement {hash[:12]} in the history is another one")
    return signed


def _publish(loaded: Config, region: str, values: Values, signed: str) -> Statement:
    setting = values.read(STATEMENT)
    before = None
    if setting is not None:
        try:
            before = statement_in(loaded, values)
        except (StatementError, NotFound):
            before = None
    links = Links(lambda hash: _anywhere(loaded, values, hash))
    *between, statement = followed(signed, [before] if before else (), loaded.signers(), links)
    if before is not None and before.hash == statement.hash:
        return statement
    if before is not None and before.serial >= statement.serial:
        raise CommandError(
            f"{region} has statement {before.serial} already, and this is {statement.serial}.",
            "Make it anew on top of that one: `darkroom policy sign`.",
        )
    for one in [*between, statement]:
        store_in_history(values, one)
    values.write(STATEMENT, signed, setting.version if setting else 0)
    # An answer can be lost after the value was written. What is there counts.
    after = values.read(STATEMENT)
    if after is None or after.value != signed:
        raise CommandError(f"Somebody else has written a statement to {region} meanwhile.", "Look, and try again.")
    return statement


def _anywhere(loaded: Config, values: Values, hash: str) -> str:
    """From this region's history, or from any other's. Raises NotFound."""
    with suppress(NotFound):
        return from_history(values, hash)
    for region in loaded.topology.regions:
        with suppress(NotFound, Unavailable), closing(config.open_settings(loaded, region)) as settings:
            return from_history(settings.values, hash)
    raise NotFound(f"no region has the statement {hash[:12]}, which this one follows")
