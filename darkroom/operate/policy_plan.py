"""`darkroom policy plan FILE`: what a policy would change, counted from the catalogs before anybody signs it.

What may be done depends on a photo's class and home alone. So the photos are counted by these, and the two policies are
compared once for each. `changes` is pure.
"""

import json
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from darkroom.command_error import CommandError
from darkroom.local import compliance
from darkroom.operate.policy_file import read_text
from darkroom.operate.policy_reports import load
from regions import config, ids
from regions.clock import now_ms
from regions.config import Config
from regions.errors import NotFound, StatementError
from regions.records import Photo
from regions.residency import statement_document
from regions.residency.decide import Subject, subject_of
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Kind, Statement
from regions.stores.objects import RAW

_RESTING = (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA)
_SHOWN_EVERY = 1000


@dataclass
class Holding:
    """What there is of one class and home. A photo's metadata is counted as no bytes."""

    photos: int = 0
    size_bytes: dict[Action, int] = field(default_factory=lambda: dict.fromkeys(_RESTING, 0))

    def add(self, photo: Photo) -> None:
        self.photos += 1
        self.size_bytes[Action.REST_RAW] += photo.size_bytes
        self.size_bytes[Action.REST_VARIANTS] += sum(variant.size_bytes for variant in photo.variants)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes allowed or denied for the photos of a class and home at one place.

    `how` is `copied` or `erased` for what rests there, `allowed` or `denied` for what is only shown or cached there.
    """

    residency_class: str
    home: str
    place: str
    action: str
    how: str
    photos: int
    size_bytes: int
    rule: str


def changes(before: Statement, after: Statement, holdings: Mapping[Subject, Holding], at_ms: int) -> list[Change]:
    """In the order of classes, places and actions."""
    old, new = (Rules(statement, (), leased=True, now_ms=at_ms) for statement in (before, after))
    found = []
    for subject, holding in sorted(holdings.items(), key=lambda item: (item[0].residency_class, item[0].home_region)):
        for place in after.places.values():
            for action in _actions_at(place.kind):
                was, will = old.decide(subject, action, place.name), new.decide(subject, action, place.name)
                if was.allowed == will.allowed:
                    continue
                how = ("erased", "copied") if action in _RESTING else ("denied", "allowed")
                size_bytes = holding.size_bytes.get(action, 0)
                found.append(
                    Change(
                        subject.residency_class,
                        subject.home_region,
                        place.name,
                        action,
                        how[will.allowed],
                        holding.photos,
                        size_bytes,
                        will.rule,
                    )
                )
    return found


def moved(found: list[Change]) -> dict[tuple[str, str], int]:
    """How many raws, by class and home, lose one place and get another."""
    raws = [change for change in found if change.action == Action.REST_RAW]
    both = {(one.residency_class, one.home) for one in raws if one.how == "erased"}
    both &= {(one.residency_class, one.home) for one in raws if one.how == "copied"}
    return {(one.residency_class, one.home): one.photos for one in raws if (one.residency_class, one.home) in both}


def command(options: Namespace) -> int:
    """Runs `darkroom policy plan`."""
    loaded = load(options)
    before = compliance.statement_of(loaded)
    try:
        text = statement_document.draft(
            read_text(options.file), before.places.values(), before.signers, "A plan.", before, before.lease_s
        )
    except StatementError as error:
        raise CommandError(f"{options.file}: {error}.", "`darkroom policy check FILE` says more.") from error
    console = Console(stderr=options.json)
    found = changes(before, statement_document.parse(text, ""), _count(loaded, console), now_ms())
    if options.json:
        sys.stdout.write(json.dumps([asdict(change) for change in found], indent=1) + "\n")
        return 0
    show(found, console)
    return 0


def _actions_at(kind: Kind) -> tuple[Action, ...]:
    shown = (Action.SERVE, Action.REFERENCE)
    return {Kind.REGION: (*_RESTING, *shown), Kind.EDGE: (Action.SERVE, Action.CACHE)}.get(kind, ())


def _count(loaded: Config, console: Console) -> dict[Subject, Holding]:
    holdings: defaultdict[Subject, Holding] = defaultdict(Holding)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task, counted = progress.add_task("Counting photos …", total=None), 0
        for region in loaded.topology.regions:
            for photo in _photos_of(loaded, region):
                holdings[subject_of(photo)].add(photo)
                counted += 1
                if counted % _SHOWN_EVERY == 0:
                    progress.update(task, description=f"{counted:,} photos counted, now in {region}")
    return holdings


def _photos_of(loaded: Config, region: str) -> Iterator[Photo]:
    """The photos whose home this is, by the raws that lie there."""
    number = loaded.topology.regions[region].number
    with closing(config.open_catalog(loaded, region)) as catalog:
        for info in config.open_objects(loaded, region).list(RAW, ""):
            photo_id = info.key.rpartition("/")[2]
            try:
                is_home = ids.parse(ids.PHOTO, photo_id).region == number
            except NotFound:
                continue
            photo = catalog.photos.get(photo_id) if is_home else None
            if photo is not None:
                yield photo


def show(found: list[Change], console: Console) -> None:
    if not found:
        console.print("[green]✓[/] This policy changes nothing for any photo that there is.")
        return
    whole = Column("by rule", no_wrap=True)
    shown = Table("class", "home", "at", "action", "", "photos", "bytes", whole, box=None)
    for one in found:
        style = "bold red" if one.how in ("erased", "denied") else "green"
        size = decimal(one.size_bytes) if one.action in _RESTING else ""
        shown.add_row(
            one.residency_class, one.home, one.place, one.action, f"[{style}]{one.how}[/]", f"{one.photos:,}", size,
            one.rule,
        )  # fmt: skip
    console.print(shown)
    for (residency_class, home), photos in moved(found).items():
        console.print(f"{photos:,} raws of {residency_class} from {home} move: they lose one place and get another.")
