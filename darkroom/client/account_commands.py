"""The users' commands about accounts: signup, signin, sessions and signout."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from darkroom import terminal
from darkroom.client import passphrase_entry, profiles
from darkroom.client.client import WITH_REGION, Client
from darkroom.client.http import ClientError, HomeAway, Json, Unreachable
from darkroom.client.keyring import UNAUTHENTICATED
from darkroom.client.unfinished import UnfinishedSignUp
from darkroom.command_error import CommandError
from darkroom.command_line import typed
from darkroom.local import addresses

_LABEL = "darkroom command"
_CONFLICT, _SERVER_ERROR = 409, 500
_HANDLE_ATTEMPTS = 5


def signup(options: Namespace) -> int:
    """Given again after it got no answer, it goes on with the same account: see `unfinished`."""
    url, name = addresses.edge_url(options.data, options.edge), options.profile or options.name
    country = options.country.upper()
    unfinished = UnfinishedSignUp(options.data, [options.name, country, options.handle, options.profile, options.edge])
    if not options.replace and not _is_signed_in(options, name, unfinished.handle):
        profiles.require_unused(options.data, name)
    passphrase, is_generated = unfinished.passphrase, True
    if not passphrase:
        passphrase, is_generated = passphrase_entry.choose_passphrase(options.passphrase_file)
    client = Client(url)
    attempt = SignUpAttempt(
        options.name, country, options.handle, passphrase, unfinished.handle, may_be_mistyped=not is_generated
    )
    user = _signed_up(client, attempt, unfinished, passphrase if is_generated else "")
    _keep(options, name, client)
    _show_signed_up(user, url, passphrase if is_generated else "")
    # Only now: a command that ends before it has shown the codes is given again, and shows others.
    unfinished.finish()
    return 0


def _signed_up(client: Client, attempt: "SignUpAttempt", unfinished: UnfinishedSignUp, made_passphrase: str) -> Json:
    try:
        return attempt.run(client, lambda handle: unfinished.remember(handle, made_passphrase))
    except ClientError as error:
        may_be_made = error.status == 0 or error.status >= _SERVER_ERROR
        if not may_be_made and not attempt.earlier:
            unfinished.finish()
        if not may_be_made or (isinstance(error, (Unreachable, HomeAway)) and error.is_down):
            raise
        raise CommandError(f"{error}.", "Give the same command again: it makes no second account.") from error


def _is_signed_in(options: Namespace, name: str, handle: str) -> bool:
    """Whether this profile is of the user whose sign-up is not finished."""
    found = profiles.find(options.data, name)
    return bool(handle) and found is not None and found.handle.partition("@")[0] == handle


def _show_signed_up(user: Json, url: str, made_passphrase: str) -> None:
    console = Console()
    console.print(f"[green]✓[/] You are [bold]{user['handle']}[/], {user['id']}.")
    console.print(f"  Your photos are stored in [bold]{user['home_region']}[/].")
    console.print(
        f"  Others can follow you with [cyan]darkroom follow {user['id']}[/] or at {url}/?follow={user['id']}"
    )
    if made_passphrase:
        shown = f"  Your passphrase, shown this once: [bold]{made_passphrase}[/]"
        console.print(shown, soft_wrap=True, highlight=False)
    console.print("  Your recovery codes, shown this once. Each sets a new passphrase, should you forget yours:")
    for codes in (user["recovery_codes"][:5], user["recovery_codes"][5:]):
        console.print(f"    {'  '.join(codes)}", soft_wrap=True, highlight=False)


@dataclass(frozen=True, slots=True)
class SignUpAttempt:
    """With a handle that is made from the name, and another one if that is taken; unless a `handle` is given.

    `earlier` is one whose sign-up got no answer: if it is taken, it may be by ourselves, and then the passphrase opens
    it. `may_be_mistyped` means that it need not be the passphrase that was sent then.
    """

    name: str
    country: str
    handle: str | None
    passphrase: str
    earlier: str = ""
    may_be_mistyped: bool = False

    def run(self, client: Client, begins: Callable[[str], None] = lambda handle: None) -> Json:
        """`begins` is called with each handle before it is sent. Raises ClientError, CommandError."""
        proposed = self.handle or passphrase_entry.propose_handle(self.name)
        tried = self.earlier or proposed
        for _ in range(_HANDLE_ATTEMPTS):
            begins(tried)
            try:
                return client.sign_up(self.name, self.country, tried, self.passphrase, _LABEL)
            except ClientError as error:
                if error.status != _CONFLICT:
                    raise
                if tried == self.earlier and (user := self._made_earlier(client)):
                    return user
                if self.handle:
                    raise CommandError(
                        f"The handle {self.handle} is taken.", "Choose another with --handle."
                    ) from error
                tried = f"{proposed}_{passphrase_entry.another_number()}"
        raise CommandError(f"Handles such as {proposed} are taken.", "Choose one with --handle.")

    def _made_earlier(self, client: Client) -> Json | None:
        """The account, with recovery codes in place of those that nobody has seen; None if it is somebody else's."""
        try:
            user = client.sign_in(f"{self.earlier}@{client.home(self.country)['region']}", self.passphrase, _LABEL)
        except ClientError as error:
            if error.status != UNAUTHENTICATED:
                raise
            if not self.may_be_mistyped:
                return None
            raise CommandError(
                f"The handle {self.earlier} is taken, and this passphrase does not open it.",
                "If it is yours, give the same command with the passphrase of the first time; if not, with --handle.",
            ) from error
        return {**user, **client.new_recovery_codes(self.passphrase)}


def signin(options: Namespace) -> int:
    """Replaces an earlier session of the same user here. With a recovery code, sets a new passphrase."""
    user_name, _, region = options.handle.partition("@")
    if not region:
        raise CommandError(f"{options.handle} names no region.", f"{WITH_REGION}.", 2)
    url, name = addresses.edge_url(options.data, options.edge), options.profile or user_name
    if not options.replace:
        profiles.require_unused(options.data, name, options.handle)
    client, console = Client(url), Console()
    if options.recovery_code:
        passphrase, is_generated = passphrase_entry.choose_passphrase(options.passphrase_file)
        user = client.recover(options.handle, options.recovery_code, passphrase, _LABEL)
        console.print("[green]✓[/] You have a new passphrase, and all other sessions have ended.")
        if is_generated:
            console.print(f"  Your passphrase, shown this once: [bold]{passphrase}[/]", soft_wrap=True, highlight=False)
    else:
        user = client.sign_in(options.handle, passphrase_entry.read_passphrase(options.passphrase_file), _LABEL)
    _keep(options, name, client)
    console.print(f"[green]✓[/] You are signed in as [bold]{user['handle']}[/], {user['id']}.")
    return 0


def sessions(options: Namespace) -> int:
    """Lists them, after ending those that shall end."""
    client = signed_in(options)[0]
    if options.end:
        client.end_session(options.end)
    if options.end_others:
        client.end_other_sessions()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("session", "label", "may", "last used", "ends"):
        table.add_column(column, overflow="fold")
    for one in client.sessions()["items"]:
        label = f"{one['label'] or '–'}{' (this one)' if one['is_current'] else ''}"
        may = ", ".join(one["scope"]) if one["is_script"] else "all"
        table.add_row(one["id"], terminal.text(label), may, one["used_at"], one["ends_at"] or "")
    Console().print(table)
    return 0


def signout(options: Namespace) -> int:
    client, profile = signed_in(options)
    client.sign_out()
    profiles.forget(options.data, profile.name)
    again = typed(f"signin {profile.handle}", options.data, None)
    Console().print(f"[green]✓[/] {profile.handle} is signed out. To come back:", terminal.text(again))
    return 0


def signed_in(options: Namespace, edge: str | None = None) -> tuple[Client, profiles.Profile]:
    """The client of the user whom `--as` names, or who signed in last. Raises CommandError."""
    profile = profiles.profile(options.data, options.profile)
    url = addresses.edge_url(options.data, edge or profile.edge)
    return Client(url, profiles.ProfileStore(options.data, profile.name)), profile


def _keep(options: Namespace, name: str, client: Client) -> None:
    edge = options.edge or next(iter(addresses.addresses(options.data).edges))
    session = client.session
    if session is not None:
        profiles.keep(options.data, name, edge, session)
