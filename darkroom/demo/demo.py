"""`darkroom demo`: two users, their photos, and a report of what a follower sees and where every byte is stored."""

import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from darkroom import terminal
from darkroom.client import passphrase_entry, profiles
from darkroom.client.account_commands import SignUpAttempt
from darkroom.client.client import Client, PhotoRejected
from darkroom.client.commands import photos_in
from darkroom.command_error import CommandError
from darkroom.command_line import typed
from darkroom.demo import checks, drawing
from darkroom.demo.checks import ImageObservation, Observation
from darkroom.local import addresses as local_addresses
from darkroom.local import data_folder, launcher
from darkroom.local.addresses import Addresses
from darkroom.local.private_files import write_private
from darkroom.operate import where
from regions import config
from regions.config import Config
from regions.image_limits import MAX_RAW_BYTES
from regions.waiting import attempts

_GENERATED = 6
_PASSPHRASES = "demo"
_READY_S, _SPREAD_S, _ADDRESSES_S = 180.0, 90.0, 60.0
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Person:
    """A user at the edge near them. Nobody else is in this system, so that the demo keeps and shows the passphrase."""

    name: str
    id: str
    client: Client
    handle: str
    passphrase: str

    def link(self, view: str) -> str:
        """Opens the page signed in, at that view."""
        return f"{self.client.edge_url}/#sign-in={self.handle}/{self.passphrase}&to={view}"


def command(options: Namespace) -> int:
    """Runs `darkroom demo`."""
    return main(options.data, options.photos, options.once, options.port)


def main(data: Path, photos: Path | None, once: bool, port: int) -> int:
    """The exit code: 0 only if every claim held. Without `once`, a system started here keeps running until Ctrl-C."""
    console = Console()
    launcher.stop_on_signals()
    paths = _photos_in(photos, console) if photos else []
    with ExitStack() as stack:
        try:
            addresses, started_here = stack.enter_context(launcher.running(data, port, console)), True
        except data_folder.AlreadyRunning:
            console.print(f"Using the system that already runs in {data}.")
            # Its launcher writes the file when every process answers.
            _wait_for((data / local_addresses.ADDRESSES).exists, _ADDRESSES_S)
            addresses, started_here = local_addresses.addresses(data), False
        generated = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-demo-")))
        paths = paths or _draw(generated, range(1, _GENERATED), console)
        ana = _sign_up("Ana", "PT", "lisbon", data, addresses, console)
        bob = _sign_up("Bob", "US", "chicago", data, addresses, console)
        held = _demonstrate(data, ana, bob, paths, generated, console)
        keep_running = started_here and not once
        if keep_running or not started_here:
            _show_links(data, ana, bob, keep_running, console)
        if keep_running:
            with suppress(KeyboardInterrupt):
                launcher.wait_for_ctrl_c()
    return 0 if held else 1


def _demonstrate(
    data: Path, ana: Person, bob: Person, eu_photos: Sequence[Path], generated: Path, console: Console
) -> bool:
    """True if every claim held. `generated` is a folder for photos that are generated."""
    bob.client.follow(bob.id, ana.id)
    console.print(f"[green]✓[/] {bob.name} follows {ana.name}")
    observed = Observation()
    observed.eu_photos = _upload(ana, eu_photos, console)
    observed.us_photos = _upload(bob, _draw(generated, [0], console), console)
    _wait_until_ready(ana, observed.eu_photos, observed, console)
    _wait_until_ready(bob, observed.us_photos, observed, console)
    _observe_images(bob, observed, console)
    loaded = config.load(data / local_addresses.TOPOLOGY, os.environ)
    with console.status("Waiting until the copies have arrived …"):
        _locate(loaded, observed)
    _show_places(observed, loaded, console)
    return _show_checks(observed, loaded, console)


def _sign_up(name: str, country: str, edge: str, data: Path, addresses: Addresses, console: Console) -> Person:
    """Keeps profile and passphrase, so that `darkroom --as NAME` works afterwards. The next demo is the same people."""
    client, kept = Client(addresses.edges[edge]), data / _PASSPHRASES / profiles.profile_name(name)
    profile = profiles.find(data, name)
    if profile is None or not kept.exists():
        passphrase = passphrase_entry.generate_passphrase()
        SignUpAttempt(name, country, None, passphrase).run(client)
        if client.session is None:
            raise CommandError(f"{name} could not sign up.", "Give the command again.")
        profile = profiles.keep(data, name, edge, client.session)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_private(kept, passphrase.encode())
    home = client.user(profile.id)["home_region"]
    console.print(f"[green]✓[/] {name} ({country}) is {profile.handle}, {profile.id}; home region: [bold]{home}[/]")
    signed_in = Client(client.edge_url, profiles.ProfileStore(data, profile.name))
    return Person(name, profile.id, signed_in, profile.handle, kept.read_text())


def _show_links(data: Path, ana: Person, bob: Person, keep_running: bool, console: Console) -> None:
    """Whole, each on a line of its own, so that a terminal makes them links."""
    stop = " Ctrl-C stops the system." if keep_running else ""
    console.print(f"Two pages, signed in; so is the command: {typed('feed', data, 'bob')}.{stop}", soft_wrap=True)
    for person, what, view in ((ana, "Ana's photos, in Lisbon", "me"), (bob, "Bob's feed, in Chicago", "feed")):
        console.print(f"{what}: [cyan]{person.link(view)}[/]", soft_wrap=True)


def _draw(to: Path, numbers: Sequence[int], console: Console) -> list[Path]:
    paths = []
    with console.status("Generating photos …"):
        for number in numbers:
            paths.append(to / f"{drawing.caption(number)} {number}.jpg")
            paths[-1].write_bytes(drawing.draw(number))
    return paths


def _photos_in(photos: Path, console: Console) -> list[Path]:
    if not photos.is_dir():
        raise CommandError(f"{photos} is not a folder.", "Name a folder of photos, or leave out --photos.", 2)
    found = photos_in([photos])
    fitting = [path for path in found if 0 < path.stat().st_size <= MAX_RAW_BYTES]
    for path in sorted(set(found) - set(fitting)):
        console.print("[yellow]•[/]", terminal.text(str(path)), "is left out: it is empty, or larger than 100 MB.")
    return fitting


def _upload(person: Person, paths: Sequence[Path], console: Console) -> list[str]:
    size_bytes = sum(path.stat().st_size for path in paths)
    photos = "one photo" if len(paths) == 1 else f"{len(paths)} photos"
    console.print(f"{person.name} uploads {photos}, {decimal(size_bytes)}")
    with terminal.progress_bars(console) as bars:
        return [terminal.upload_file(person.client, bars, path, terminal.plain(path.stem)) for path in paths]


def _wait_until_ready(person: Person, photo_ids: Sequence[str], observed: Observation, console: Console) -> None:
    deadline_s = time.monotonic() + _READY_S
    with console.status(f"{person.name}'s photos are being processed …"):
        for photo_id in photo_ids:
            try:
                person.client.wait_until_ready(photo_id, max(1.0, deadline_s - time.monotonic()))
            except (PhotoRejected, TimeoutError) as error:
                observed.rejected[photo_id] = str(error)


def _observe_images(viewer: Person, observed: Observation, console: Console) -> None:
    """Fetches every image of the viewer's feed and own photos twice, through the viewer's edge."""
    expected = set(observed.eu_photos) - set(observed.rejected)
    with console.status(f"{viewer.name} waits for the feed …"):
        _wait_for(lambda: expected <= {photo["id"] for photo in _feed(viewer)}, _SPREAD_S)
    feed = _feed(viewer)
    observed.feed = [photo["id"] for photo in feed]
    own = [viewer.client.photo(photo_id) for photo_id in observed.us_photos if photo_id not in observed.rejected]
    shown = [photo for photo in feed if photo["id"] in expected] + own
    with console.status(f"{viewer.name} looks at the photos …"):
        for photo in shown:
            observed.captions[photo["id"]] = photo["caption"]
            observed.images += [
                _fetch(viewer.client, photo["id"], size, url) for size, url in photo["variants"].items()
            ]
    console.print(f"[green]✓[/] {viewer.name} has seen {len(shown)} photos through the edge in Chicago, each twice")


def _feed(viewer: Person) -> list[dict[str, Any]]:
    photos: list[dict[str, Any]] = []
    before: str | None = None
    while True:
        page = viewer.client.feed(viewer.id, before, _PAGE)
        photos += page["items"]
        before = page["next"]
        if before is None:
            return photos


def _fetch(client: Client, photo_id: str, size: str, url: str) -> ImageObservation:
    data, first = client.image(url)
    _, second = client.image(url)
    statuses = [headers.get("Cache-Status", "none") for headers in (first, second)]
    return ImageObservation(photo_id, size, checks.flaw_of(data), *statuses)


def _locate(loaded: Config, observed: Observation) -> None:
    """Locates the stored copies, again and again until all that should exist have arrived, or the time is up."""
    photo_ids = [
        photo_id for photo_id in (*observed.eu_photos, *observed.us_photos) if photo_id not in observed.rejected
    ]

    def all_arrived() -> bool:
        observed.stored_copies = {photo_id: where.locate(loaded, photo_id).all_copies() for photo_id in photo_ids}
        return checks.has_spread(observed)

    _wait_for(all_arrived, _SPREAD_S)


def _show_places(observed: Observation, loaded: Config, console: Console) -> None:
    """A row for each photo, a column for each place, with the bytes that are stored there, as their owner counts."""
    places = [*loaded.topology.regions, *loaded.topology.edges]
    table = Table(title="Where every byte is stored", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("photo", max_width=13, no_wrap=True)
    for place in places:
        table.add_column(place, no_wrap=True)
    for photo_id, copies in observed.stored_copies.items():
        row = [[copy for copy in copies if copy.place == place] for place in places]
        table.add_row(terminal.text(observed.captions.get(photo_id, photo_id)), *map(checks.cell, row))
    console.print(table)
    first = next(iter(observed.stored_copies), "PHOTO")
    console.print(f"raw: the original; 4v: its four variants. The rules: [cyan]darkroom where {first}[/]")


def _show_checks(observed: Observation, loaded: Config, console: Console) -> bool:
    places = [region.place for region in loaded.topology.regions.values()]
    places += [edge.place for edge in loaded.topology.edges.values()]
    results = checks.checks(observed, {place.name: place.jurisdiction for place in places})
    for check in results:
        console.print("[green]✓[/]" if check.held else "[bold red]✗[/]", check.claim)
        for exception in check.exceptions:
            console.print("    ", terminal.text(exception))
    return all(check.held for check in results)


def _wait_for(condition: Callable[[], bool], within_s: float) -> None:
    """Returns when the condition is true, or when the time is up: the report shows what is missing then."""
    for _ in attempts(within_s, max_s=1.0):
        if condition():
            return
