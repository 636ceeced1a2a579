"""`darkroom reprocess`: photos of a region get variants of the current recipe, beside those that they have (ADR 11).

It publishes an event for each photo in the region's raw bucket. The processors take those when nothing fresh waits,
and find out whether there is anything to do. How far it has come is in the settings: however it is stopped, the same
command goes on. So an event may be published twice, which costs a processor one look at the photo.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.error_messages import INTERRUPTED
from darkroom.operate import backfill, one_region, operators
from darkroom.operate.backfill import Selection, Walk
from processing.imaging.recipe import RECIPE
from regions import config, ids, processing_status
from regions.clock import now_ms
from regions.config import Stores
from regions.errors import NotFound
from regions.events import messages
from regions.events.topics import PHOTOS_BACKFILL, PROCESSOR
from regions.residency.statement import Role
from regions.stores.objects import RAW, raw_key

KEY = "processing/reprocess"
"""The setting that says how far it has come."""
PAGE = 500
MOST_WAITING = 2_000
"""More would only fill the event log: it is enough for ten processors, which read 200 ahead each."""

_PREFIXES = tuple(f"{number:02x}/" for number in range(256))
"""What the keys of raws begin with, in order."""
_LOOK_EVERY_S = 0.5
_SELECTING = ("photo", "since", "until", "failed", "restart")
_OTHER = "Let it go on, or stop it and give this command again."

Report = Callable[[Walk, int], None]
"""Called with how far it has come, and how many published photos are not processed yet."""


def command(options: Namespace) -> int:
    """Runs `darkroom reprocess`."""
    _require_sensible(options)
    loaded, region = one_region.of(options)
    selection, console = Selection(RECIPE, options.since, options.until, options.failed), Console()
    operator = operators.require(options, loaded, Role.OPERATOR)
    stores = config.open_stores(loaded, region.name)
    try:
        operator.begins(stores.settings.values, region.name, "reprocess", _about(options))
        if not processing_status.present(stores.settings.values.tree(processing_status.PREFIX), now_ms()):
            console.print(f"[yellow]No processor of {region.name} reports: the photos wait until one runs.[/]")
        published = _run(Reprocessing(stores, region.number, selection), options, console)
    except KeyboardInterrupt:
        advice = "What is published is processed nevertheless. The same command goes on with the rest."
        raise CommandError("Stopped.", advice, INTERRUPTED) from None
    finally:
        stores.close()
    console.print(f"[green]✓[/] {_photos(published)} done. Logs of processors name any that could not be processed.")
    return 0


def _require_sensible(options: Namespace) -> None:
    """Raises CommandError."""
    since, until = options.since, options.until
    if options.photo and (since is not None or until is not None):
        raise CommandError("--photo names the photos.", "Leave out --since and --until.", 2)
    if since is not None and until is not None and since >= until:
        raise CommandError(
            "No photo is from --since on and before --until.", "Let --since be the earlier of the two.", 2
        )


def _about(options: Namespace) -> str:
    """The options that were given, as in the command."""
    given = {name: value for name, value in vars(options).items() if name in _SELECTING and value}
    return ", ".join(f"{name}: {value}" for name, value in given.items()) or "all photos"


def _photos(count: int) -> str:
    """The subject of a sentence, with its verb."""
    return "1 photo is" if count == 1 else f"{count:,} photos are"


def _run(reprocessing: "Reprocessing", options: Namespace, console: Console) -> int:
    if not options.photo:
        walk = reprocessing.start(options.restart)
        if walk.after:
            console.print(f"{_photos(walk.published)} published already; --restart begins anew.", highlight=False)
    with _shown(console) as report:
        return reprocessing.run_some(options.photo, report) if options.photo else reprocessing.run(report)


@contextmanager
def _shown(console: Console) -> Iterator[Report]:
    """A bar in a terminal; without one, only its last state."""
    bars = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console)
    with bars:
        task = bars.add_task("", total=len(_PREFIXES))

        def report(walk: Walk, waiting: int) -> None:
            done = len(_PREFIXES) if walk.is_finished else int(walk.after[:2] or "0", 16)
            bars.update(task, description=f"{walk.published:,} published, {waiting:,} wait", completed=done)

        yield report


class Reprocessing:
    """One run over a region. `start` before `run`. `pause` waits for so many seconds."""

    def __init__(
        self, stores: Stores, region_number: int, selection: Selection, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._objects, self._events, self._values = stores.objects, stores.events, stores.settings.values
        self._number, self._pause = region_number, pause
        self._walk, self._version = Walk(selection), 0

    def start(self, restart: bool) -> Walk:
        """Where an unfinished run over the same photos was, or the beginning. Raises CommandError."""
        setting = self._values.read(KEY)
        found = backfill.from_text(setting.value) if setting else None
        self._version = setting.version if setting else 0
        if found is not None and not found.is_finished and not restart:
            if found.selection != self._walk.selection:
                raise CommandError(
                    f"A run over others is not finished: {found.selection}.",
                    "Finish it with the arguments that it was begun with, or begin this one with --restart.",
                )
            self._walk = found
        self._save(self._walk)
        return self._walk

    def run(self, report: Report) -> int:
        """Returns how many were published, in all runs together, when all are processed. Raises CommandError."""
        for keys in self._pages():
            photo_ids = [photo_id for key in keys if self._has(photo_id := key.rpartition("/")[2])]
            self._wait(MOST_WAITING, report)
            self._publish(photo_ids)
            self._save(replace(self._walk, after=keys[-1], published=self._walk.published + len(photo_ids)))
        self._wait(0, report)
        self._save(replace(self._walk, is_finished=True))
        report(self._walk, 0)
        return self._walk.published

    def run_some(self, photo_ids: Sequence[str], report: Report) -> int:
        """The same for these photos only; remembers nothing. Publishes none unless all are there."""
        photo_ids = list(dict.fromkeys(photo_ids))
        for photo_id in photo_ids:
            self._require_photo(photo_id)
        self._publish(photo_ids)
        self._walk = replace(self._walk, published=len(photo_ids))
        self._wait(0, report)
        report(replace(self._walk, is_finished=True), 0)
        return len(photo_ids)

    def _pages(self) -> Iterator[list[str]]:
        for prefix in _PREFIXES:
            # One that lies behind us need not be listed.
            if prefix >= self._walk.after[: len(prefix)]:
                keys = (info.key for info in self._objects.list(RAW, prefix))
                yield from backfill.pages(keys, self._walk.after, PAGE)

    def _has(self, photo_id: str) -> bool:
        return self._walk.selection.has(photo_id, self._number)

    def _require_photo(self, photo_id: str) -> None:
        """Raises CommandError if it is no photo of this region, or has no raw."""
        shown = terminal.plain(photo_id)
        try:
            made = ids.parse(ids.PHOTO, photo_id)
        except NotFound:
            raise CommandError(
                f"{shown} is not the id of a photo.", "Copy the whole id: `p_` and eleven letters and digits.", 2
            ) from None
        if made.region != self._number:
            raise CommandError(f"{shown} is a photo of another region.", "Name its home region.", 2)
        if self._objects.info(RAW, raw_key(photo_id)) is None:
            raise CommandError(
                f"There is no photo {shown} in this region.", "It was deleted, or the id is wrong: leave it out.", 2
            )

    def _publish(self, photo_ids: Sequence[str]) -> None:
        wanted = self._walk.selection
        self._events.publish(
            [messages.photos_backfill(each, wanted.recipe, wanted.retry_failed, now_ms()) for each in photo_ids]
        )

    def _save(self, walk: Walk) -> None:
        """Raises CommandError if another run has saved since."""
        text = walk.to_text()
        written = self._values.write(KEY, text, self._version)
        setting = self._values.read(KEY)
        if not written or setting is None or setting.value != text:
            raise CommandError("Another `darkroom reprocess` is at work in this region.", _OTHER)
        self._walk, self._version = walk, setting.version

    def _wait(self, most: int, report: Report) -> None:
        """Until at most so many published photos wait."""
        while (waiting := sum(self._events.lag(PHOTOS_BACKFILL, PROCESSOR).values())) > most:
            report(self._walk, waiting)
            self._pause(_LOOK_EVERY_S)
        report(self._walk, waiting)
