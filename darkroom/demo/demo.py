"""`darkroom demo`: two people, their photos, and a report of what each saw and where every byte lies."""

import os
import random
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from darkroom import terminal
from darkroom.client.client import Client, PhotoRejected
from darkroom.client.transfer import SUFFIXES
from darkroom.command_error import CommandError
from darkroom.demo import checks, drawing
from darkroom.demo.checks import ImageObservation, Observation
from darkroom.local import addresses as where_running
from darkroom.local import data_folder, launcher
from darkroom.local.addresses import Addresses
from darkroom.operate import where
from regions import config
from regions.config import Config
from regions.retry import backoff_s

_DRAWN = 6
_READY_S, _SPREAD_S, _ADDRESSES_S = 180.0, 90.0, 60.0
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    id: str
    home_region: str
    client: Client


def command(options: Namespace) -> int:
    """Runs `darkroom demo`."""
    return main(options.data, options.photos, options.once, options.port)


def main(data: Path, photos: Path | None, once: bool, port: int) -> int:
    """The exit code: 0 only if every claim held. Without `once`, a system that was started here stays until Ctrl-C."""
    console = Console()
    launcher.stop_on_signals()
    paths = _photos_in(photos) if photos else []
    with ExitStack() as stack:
        try:
            addresses, ours = stack.enter_context(launcher.running(data, port, console)), True
        except data_folder.AlreadyRunning:
            console.print(f"Using the system that runs in {data} already.")
            addresses, ours = _addresses_of_another(data), False
        drawn = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-demo-")))
        held = _demonstrate(data, addresses, paths or _draw(drawn, range(1, _DRAWN), console), drawn, console)
        stays = ours and not once
        if stays or not ours:
            console.print(
                f"[bold]The page is at [cyan]{launcher.page(addresses)}[/][/]" + "   (Ctrl-C stops it)" * stays
            )
        if stays:
            with suppress(KeyboardInterrupt):
                launcher.wait_for_ctrl_c()
    return 0 if held else 1


def _demonstrate(data: Path, addresses: Addresses, ours: Sequence[Path], drawn: Path, console: Console) -> bool:
    ana = _sign_up("Ana", "PT", addresses.edges["lisbon"], console)
    bob = _sign_up("Bob", "US", addresses.edges["chicago"], console)
    bob.client.follow(bob.id, ana.id)
    console.print(f"[green]✓[/] {bob.name} follows {ana.name}: {addresses.edges['chicago']}/?follow={ana.id}")
    seen = Observation()
    seen.eu_photos = _upload(ana, ours, console)
    seen.us_photos = _upload(bob, _draw(drawn, [0], console), console)
    _wait_until_ready(ana, seen.eu_photos, seen, console)
    _wait_until_ready(bob, seen.us_photos, seen, console)
    _look(bob, seen, console)
    loaded = config.load(data / where_running.TOPOLOGY, os.environ)
    with console.status("Waiting until the copies have arrived …"):
        _locate(loaded, seen)
    _show_places(seen, console)
    return _show_checks(seen, loaded, console)


def _sign_up(name: str, country: str, edge: str, console: Console) -> Person:
    user = Client(edge).sign_up(name, country)
    console.print(f"[green]✓[/] {name} ({country}) is {user['id']} and lives in [bold]{user['home_region']}[/]")
    return Person(name, user["id"], user["home_region"], Client(edge, user["token"]))


def _draw(to: Path, numbers: Sequence[int], console: Console) -> list[Path]:
    paths = []
    with console.status("Drawing photos …"):
        for number in numbers:
            paths.append(to / f"{drawing.caption(number)} {number}.jpg")
            paths[-1].write_bytes(drawing.draw(number))
    return paths


def _photos_in(photos: Path) -> list[Path]:
    if not photos.is_dir():
        raise CommandError(f"{photos} is no folder.", "Name a folder of photos, or leave --photos out.", 2)
    if paths := sorted(path for path in photos.iterdir() if path.suffix.lower() in SUFFIXES):
        return paths
    raise CommandError(f"There are no photos in {photos}.", f"Known by their names: {', '.join(sorted(SUFFIXES))}.", 2)


def _addresses_of_another(data: Path) -> Addresses:
    """The other launcher may be starting still."""
    _eventually(lambda: (data / where_running.ADDRESSES).exists(), _ADDRESSES_S)
    return where_running.addresses(data)


def _upload(person: Person, paths: Sequence[Path], console: Console) -> list[str]:
    size_bytes = sum(path.stat().st_size for path in paths)
    photos = "one photo" if len(paths) == 1 else f"{len(paths)} photos"
    console.print(f"{person.name} uploads {photos}, {decimal(size_bytes)}")
    with terminal.progress_bars(console) as bars:
        return [terminal.upload_file(person.client, bars, path, terminal.plain(path.stem)) for path in paths]


def _wait_until_ready(person: Person, photo_ids: Sequence[str], seen: Observation, console: Console) -> None:
    deadline_s = time.monotonic() + _READY_S
    with console.status(f"{person.name}'s photos are being processed …"):
        for photo_id in photo_ids:
            try:
                person.client.wait_until_ready(photo_id, max(1.0, deadline_s - time.monotonic()))
            except (PhotoRejected, TimeoutError) as error:
                seen.refused[photo_id] = str(error)


def _look(viewer: Person, seen: Observation, console: Console) -> None:
    """The viewer's feed and own photos as their edge shows them, each image twice."""
    wanted = set(seen.eu_photos) - set(seen.refused)
    with console.status(f"{viewer.name} waits for the feed …"):
        _eventually(lambda: wanted <= {photo["id"] for photo in _feed(viewer)}, _SPREAD_S)
    feed = _feed(viewer)
    seen.feed = [photo["id"] for photo in feed]
    own = [viewer.client.photo(photo_id) for photo_id in seen.us_photos if photo_id not in seen.refused]
    title = f"What {viewer.name} sees"
    shown = Table("photo", "caption", "Cache-Status", "and again", title=title, title_justify="left")
    for photo in [*feed, *own]:
        sights = [_fetch(viewer.client, photo["id"], size, url) for size, url in photo["variants"].items()]
        seen.image_observations += sights
        statuses = [terminal.text(status) for status in (sights[-1].first, sights[-1].second)] if sights else []
        shown.add_row(photo["id"], terminal.text(photo["caption"]), *statuses)
    console.print(shown)


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
    return ImageObservation(photo_id, size, checks.flaw_of(data), _cache_status(first), _cache_status(second))


def _cache_status(headers: Mapping[str, str]) -> str:
    return headers.get("Cache-Status", "none")


def _locate(loaded: Config, seen: Observation) -> None:
    """Looks until every copy has arrived that should, or time is up."""
    photo_ids = [photo_id for photo_id in (*seen.eu_photos, *seen.us_photos) if photo_id not in seen.refused]

    def all_there() -> bool:
        seen.stored_copies = {photo_id: where.locate(loaded, photo_id) for photo_id in photo_ids}
        return checks.has_spread(seen)

    _eventually(all_there, _SPREAD_S)


def _show_places(seen: Observation, console: Console) -> None:
    shown = Table("photo", "place", "what", "size", "", "rule", title="Where every byte lies", title_justify="left")
    for photo_id, lying in seen.stored_copies.items():
        for place in dict.fromkeys(item.place for item in lying):
            here = [item for item in lying if item.place == place]
            mark = "[green]✓[/]" if all(item.allowed for item in here) else "[bold red]✗[/]"
            what, rules = checks.in_short(here), ", ".join(dict.fromkeys(item.rule for item in here))
            size = decimal(sum(item.size_bytes for item in here))
            shown.add_row(photo_id, place, terminal.text(what), size, mark, terminal.text(rules))
        shown.add_section()
    console.print(shown)


def _show_checks(seen: Observation, loaded: Config, console: Console) -> bool:
    places = [region.place for region in loaded.topology.regions.values()]
    places += [edge.place for edge in loaded.topology.edges.values()]
    results = checks.checks(seen, {place.name: place.jurisdiction for place in places})
    for check in results:
        console.print("[green]✓[/]" if check.held else "[bold red]✗[/]", check.claim)
        for exception in check.exceptions:
            console.print("    ", terminal.text(exception))
    return all(check.held for check in results)


def _eventually(condition: Callable[[], bool], within_s: float) -> None:
    """Waits until the condition is true or time is up; whoever called looks which."""
    deadline_s, attempt = time.monotonic() + within_s, 0
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(backoff_s(attempt, random.random, most_s=1.0))
        attempt += 1
