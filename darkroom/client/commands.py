"""The users' commands (signup, upload, feed, photo, follow): each sends requests to an edge and prints the response."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from darkroom import terminal
from darkroom.client import profiles
from darkroom.client.client import Client
from darkroom.command_error import CommandError
from darkroom.error_messages import guarded
from darkroom.local import addresses

_READY_TIMEOUT_S = 120.0


def signup(options: Namespace) -> int:
    url = addresses.edge_url(options.data, options.edge)
    user = Client(url).sign_up(options.name, options.country.upper())
    edge = options.edge or next(iter(addresses.addresses(options.data).edges))
    name = profiles.profile_name(options.profile or options.name)
    profiles.keep(options.data, profiles.Profile(name, edge, user["id"], user["token"]))
    console = Console()
    console.print(
        f"[green]✓[/] You are [bold]{user['id']}[/]. Your photos are stored in [bold]{user['home_region']}[/]."
    )
    console.print(
        f"  Others can follow you with [cyan]darkroom follow {user['id']}[/] or at {url}/?follow={user['id']}"
    )
    return 0


def upload(options: Namespace) -> int:
    """Uploads all files before it waits for any, so they are processed in parallel. A failure stops only that file."""
    if options.resume and len(options.files) > 1:
        raise CommandError("--resume continues the upload of one file.", "Give only that file.", 2)
    client, _ = _signed_in(options)
    console, uploaded = Console(), dict[Path, str]()

    def send(path: Path) -> int:
        uploaded[path] = terminal.upload_file(client, bars, path, options.caption, options.resume)
        console.print(f"[green]✓[/] [bold]{uploaded[path]}[/] uploaded", terminal.text(path.name))
        return 0

    with terminal.progress_bars(console) as bars:
        codes = [guarded(partial(send, path)) for path in options.files]
    if not options.no_wait:
        codes += [guarded(partial(_wait_until_ready, client, console, *item)) for item in uploaded.items()]
    return max(codes)


def _wait_until_ready(client: Client, console: Console, path: Path, photo_id: str) -> int:
    with console.status(f"{terminal.plain(path.name)} is being processed"):
        client.wait_until_ready(photo_id, _READY_TIMEOUT_S)
    console.print(f"[green]✓[/] [bold]{photo_id}[/] ready", terminal.text(path.name))
    return 0


def feed(options: Namespace) -> int:
    client, profile = _signed_in(options)
    page = client.feed(profile.id, options.before, options.limit)
    console = Console()
    table = Table("photo", "owner", "caption", "created")
    for photo in page["items"]:
        table.add_row(photo["id"], photo["owner"], terminal.text(photo["caption"]), photo["created_at"])
    console.print(table if page["items"] else "Nothing yet. Follow someone: [cyan]darkroom follow u_…[/]")
    if page.get("unavailable"):
        count = len(page["unavailable"])
        console.print(f"[yellow]{count} more can't be shown at the moment: their home region does not answer.[/]")
    if page["next"]:
        console.print(f"Older photos: [cyan]darkroom feed --before {page['next']}[/]")
    return 0


def photo(options: Namespace) -> int:
    found = Client(addresses.edge_url(options.data, options.edge)).photo(options.photo)
    table = Table(show_header=False, box=None)
    for name in ("id", "owner", "caption", "status", "created_at", "width", "height"):
        if found.get(name) is not None:
            table.add_row(name, terminal.text(str(found[name])))
    if found.get("reason"):
        table.add_row("reason", terminal.text(f"{found['reason']['detail']} ({found['reason']['code']})"))
    for size, url in found["variants"].items():
        table.add_row(f"{size} px", terminal.text(url))
    Console().print(table)
    return 0


def follow(options: Namespace) -> int:
    client, profile = _signed_in(options)
    client.follow(profile.id, options.author)
    author = client.user(options.author)
    Console().print("[green]✓[/] You follow", terminal.text(author["name"]) + ".", "See [cyan]darkroom feed[/].")
    return 0


def _signed_in(options: Namespace) -> tuple[Client, profiles.Profile]:
    profile = profiles.profile(options.data, options.profile)
    return Client(addresses.edge_url(options.data, profile.edge), profile.token), profile
