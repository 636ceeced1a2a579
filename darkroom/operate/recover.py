"""`darkroom recover HANDLE`: for somebody who has lost passphrase and recovery codes, or has had none in version 0.2.

Issues one more recovery code. The operator must know that it goes to the right person: it is as good as a passphrase.
"""

import os
import re
import secrets
from argparse import Namespace
from contextlib import closing
from dataclasses import replace

from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import one_region, operators
from origin.accounts import recovery_codes
from origin.accounts.sign_up import HANDLE
from regions import config, ids, topology
from regions.border.kinds import CREDENTIALS, USER
from regions.clock import now_ms
from regions.config import Config
from regions.errors import NotFound
from regions.events.messages import record_changed
from regions.records import User
from regions.residency.statement import Role
from regions.stores.catalog import Catalog


def command(options: Namespace) -> int:
    """Runs `darkroom recover`."""
    loaded = config.load(options.topology or options.data / TOPOLOGY, os.environ)
    if options.handle and not re.fullmatch(HANDLE, options.handle):
        raise CommandError(f"{options.handle!r} can't be a handle.", "It has 2 to 30 small letters, digits and _.", 2)
    region, user_id = _found(loaded, options)
    operator = operators.require(options, loaded, Role.OPERATOR)
    with closing(config.open_settings(loaded, region)) as settings:
        operator.begins(settings.values, region, "recover", user_id)
    with closing(config.open_catalog(loaded, region)) as catalog:
        user, code = issue(catalog, user_id, options.handle)
    console = Console()
    console.print(f"[green]✓[/] A recovery code of [bold]{user.handle}@{user.home_region}[/]: [bold]{code}[/]")
    console.print(f"  It sets a new passphrase, once: darkroom signin {user.handle}@{user.home_region}", end="")
    console.print(f" --recovery-code {code}", soft_wrap=True)
    return 0


def _found(loaded: Config, options: Namespace) -> tuple[str, str]:
    """The home region and the id of `ana@eu-west`, or of an id. Raises CommandError, NotFound, Unavailable."""
    who = options.user
    handle, at, region = who.rpartition("@")
    if not at:
        return topology.home_of(loaded.topology, ids.USER, who).name, who
    one_region.require(loaded, options, region)
    with closing(config.open_catalog(loaded, region)) as catalog:
        user_id = catalog.handles.owner(handle)
    if user_id is None:
        raise NotFound(f"there is nobody {terminal.plain(who)}")
    return region, user_id


def issue(catalog: Catalog, user_id: str, handle: str | None) -> tuple[User, str]:
    """The user, who has a handle from now on, and the code. Raises CommandError, NotFound, Unavailable."""
    user = catalog.users.get(user_id)
    if user is None or user.deleted_at_ms is not None:
        raise NotFound(f"there is no user {user_id}")
    if not user.handle:
        user = _with_handle(catalog, user, handle)
    [code] = recovery_codes.new(1, secrets.token_bytes)
    at_ms = now_ms()
    # The region's janitor publishes it.
    changed = record_changed(CREDENTIALS, user_id, "", user_id, "", at_ms)
    catalog.credentials.replace(user_id, [], recovery_codes.credentials([code], at_ms), changed)
    return user, code


def _with_handle(catalog: Catalog, user: User, handle: str | None) -> User:
    """For a user of version 0.2, who has none."""
    if not handle:
        raise CommandError(f"{user.user_id} has no handle yet.", "Give one with --handle.", 2)
    if not catalog.handles.claim(handle, user.user_id):
        raise CommandError(f"The handle {handle} is taken.", "Give another one.")
    named = replace(user, handle=handle)
    catalog.users.add(named, record_changed(USER, user.user_id, "", user.user_id, "", now_ms()))
    return named
