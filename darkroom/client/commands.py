"""The users' commands about photos (upload, feed, photo, follow): each sends requests and prints the response."""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from darkroom import terminal
from darkroom.client.account_commands import signed_in
from darkroom.client.client import Client, PhotoRejected
from darkroom.client.http import ClientError, Json
from darkroom.client.transfer import SUFFIXES, source_of
from darkroom.client.unfinished import UnfinishedUploads
from darkroom.command_error import CommandError
from darkroom.command_line import typed
from darkroom.error_messages import INTERRUPTED, guarded_file
from darkroom.local import addresses

_READY_TIMEOUT_S = 120.0


def upload(options: Namespace) -> int:
    """Uploads all files before it waits for any, so they are processed in parallel. A failure stops only that file.

    However it is stopped, the same command continues it: see `unfinished`.
    """
    paths = photos_in(options.files)
    if options.resume and len(paths) > 1:
        raise CommandError("--resume continues the upload of one file.", "Give only that file.", 2)
    client, profile = signed_in(options)
    unfinished = UnfinishedUploads(options.data, profile.id, options.files, options.caption)
    try:
        codes = _Batch(client, unfinished, options).run(paths)
    except KeyboardInterrupt:
        advice = "Give the same command again: it continues where it stopped."
        raise CommandError("Stopped.", advice, INTERRUPTED) from None
    if not any(codes):
        unfinished.finish()
    return max(codes)


class _Batch:
    """The files of one command. Each is sent, and then, unless `--no-wait` was given, waited for."""

    def __init__(self, client: Client, unfinished: UnfinishedUploads, options: Namespace) -> None:
        self._client, self._unfinished, self._options = client, unfinished, options
        self._console = Console()
        self._sent: dict[Path, tuple[str, str]] = {}
        """The photo's id and the SHA-256 of each file that has arrived."""

    def run(self, paths: Sequence[Path]) -> list[int]:
        """The exit code of each step; there is at least one."""
        with terminal.progress_bars(self._console) as bars:
            codes = [guarded_file(terminal.plain(str(path)), partial(self._send, bars, path)) for path in paths]
        if not self._options.no_wait:
            codes += [guarded_file(terminal.plain(str(path)), partial(self._wait, path)) for path in self._sent]
        return codes

    def _send(self, bars: Progress, path: Path) -> int:
        sha256 = source_of(path).sha256()
        upload = partial(terminal.upload_file, self._client, bars, path, self._options.caption)
        begun = partial(self._unfinished.remember, sha256)
        remembered = self._unfinished.find(sha256)
        try:
            photo_id = upload(self._options.resume or remembered, begun)
        except ClientError as error:
            if error.status != 404 or self._options.resume or not remembered:
                raise
            # What an earlier command has begun was deleted since, or has expired.
            photo_id = upload(None, begun)
        self._sent[path] = photo_id, sha256
        self._console.print(f"[green]✓[/] [bold]{photo_id}[/] uploaded", terminal.text(path.name))
        return 0

    def _wait(self, path: Path) -> int:
        photo_id, sha256 = self._sent[path]
        doing = f"{terminal.plain(path.name)} is being processed"
        with self._console.status(doing) as shown:

            def show(photo: Json) -> None:
                if photo.get("ready_in_s"):
                    shown.update(f"{doing}, ready in {terminal.about(photo['ready_in_s'])}")

            try:
                self._client.wait_until_ready(photo_id, _READY_TIMEOUT_S, show)
            except PhotoRejected:
                self._unfinished.forget(sha256)
                raise
        self._console.print(f"[green]✓[/] [bold]{photo_id}[/] ready", terminal.text(path.name))
        return 0


def photos_in(paths: Sequence[Path]) -> list[Path]:
    """The files, and instead of each folder the photos in it and in its folders, by name. Raises CommandError."""
    found: list[Path] = []
    for path in paths:
        photos = _photos_below(path) if path.is_dir() else [path]
        if not photos:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise CommandError(f"There are no photos in {path}.", f"Photos are files with one of {suffixes}.", 2)
        found += photos
    return found


def _photos_below(folder: Path) -> list[Path]:
    below = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    return [path for path in below if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def feed(options: Namespace) -> int:
    client, profile = signed_in(options)
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
        again = typed(f"feed --before {page['next']}", options.data, options.profile)
        console.print("Older photos:", terminal.text(again))
    return 0


def photo(options: Namespace) -> int:
    found = _client(options).photo(options.photo)
    table = Table(show_header=False, box=None)
    for name in ("id", "owner", "caption", "status", "created_at", "width", "height", "taken_at", "camera"):
        if found.get(name) is not None:
            table.add_row(name, terminal.text(str(found[name])))
    if found.get("ready_in_s"):
        table.add_row("ready in", terminal.about(found["ready_in_s"]))
    if place := found.get("location"):
        table.add_row("location", f"{place['latitude']}, {place['longitude']} (only you see it)")
    if original := found.get("near_duplicate_of"):
        table.add_row("looks like", terminal.text(f"{original} (only you see it)"))
    if found.get("reason"):
        table.add_row("reason", terminal.text(f"{found['reason']['detail']} ({found['reason']['code']})"))
    for size, url in found["variants"].items():
        table.add_row(f"{size} px", terminal.text(url))
    Console().print(table)
    return 0


def follow(options: Namespace) -> int:
    client, profile = signed_in(options)
    if "@" in options.author:
        raise CommandError(
            f"{options.author} is a handle.", "Give their id, u_…; their `darkroom signup` printed it.", 2
        )
    client.follow(profile.id, options.author)
    author = client.user(options.author)
    Console().print(
        "[green]✓[/] You follow",
        terminal.text(author["name"]) + ".",
        "See",
        terminal.text(typed("feed", options.data, options.profile)),
    )
    return 0


def _client(options: Namespace) -> Client:
    """Signed in if anybody has signed up here: an owner sees a photo that is not ready, and nobody else does."""
    try:
        return signed_in(options, options.edge)[0]
    except CommandError:
        if options.profile:
            raise
        return Client(addresses.edge_url(options.data, options.edge))
