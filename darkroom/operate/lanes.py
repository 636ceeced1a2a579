"""`darkroom lanes show`: how far each lane is behind, and what would be lost with its home. It changes nothing."""

import json
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table

from darkroom import terminal
from darkroom.operate import one_region
from darkroom.operate.watching import watch, watch_in_terminal
from regions import config
from regions.clock import now_ms
from regions.config import Config
from regions.errors import Unavailable
from regions.events import gap_records
from regions.events.gap_records import GapRecord
from regions.events.topics import (
    ENVELOPES,
    FOLLOW_CHANGED,
    LANE,
    PHOTO_DELETED,
    PHOTO_READY_AGAIN,
    lane_group,
    topics_of,
)
from regions.records import rfc3339
from regions.stores.settings import Values
from replication import lane_status, live_settings
from replication.budget import LaneSettings, parse_settings
from replication.lane_status import LaneActivity

_EVERY_S = 1.0
_NOT_LOST = frozenset({PHOTO_DELETED, PHOTO_READY_AGAIN, FOLLOW_CHANGED})
"""Topics whose events bring nothing that is only at home: what they are about is gone, or was copied before. A follow
crosses as a record; its other event says who here is to hear of new photos, and is lost with them."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """`settings` is None if they can't be read, and `activity` if no replicator reports. `waiting` is by topic.

    `gaps` are of topics that the event log had trimmed before the lane read them.
    """

    home: str
    destination: str
    settings: LaneSettings | None
    activity: LaneActivity | None
    waiting: Mapping[str, int]
    gaps: Sequence[GapRecord] = ()

    def lag_s(self, at_ms: int) -> float | None:
        """How long the oldest event has waited, but for those that were set aside; None if nobody knows."""
        if self._is_unknown(self.waiting.keys() - ENVELOPES):
            return None
        return _age_s(self.activity.oldest_ms.values() if self.activity else (), at_ms)

    def loss_s(self, at_ms: int) -> float | None:
        """How long the oldest has waited that brings what is only at home; None if nobody knows.

        Without a replicator nobody does, also where nothing waits in the log: how many were set aside, that counts for
        all lanes together, and where none runs, it may be that nobody publishes what the outbox has either.
        """
        if self.activity is None or self._is_unknown(self.waiting.keys() - _NOT_LOST - ENVELOPES):
            return None
        times = [*self.activity.oldest_ms.items(), *self.activity.oldest_aside_ms.items()]
        return _age_s([oldest for topic, oldest in times if topic not in _NOT_LOST], at_ms)

    def _is_unknown(self, topics: Collection[str]) -> bool:
        """Whether an event of one of these waits, and no replicator that reports has read it."""
        read = self.activity.oldest_ms if self.activity else {}
        return any(self.waiting[topic] and topic not in read for topic in topics)


def _age_s(times_ms: Collection[int], at_ms: int) -> float:
    """Of the oldest."""
    return max(0, at_ms - min(times_ms, default=at_ms)) / 1000


@dataclass(frozen=True, slots=True)
class LanesView:
    """All lanes of some homes, at a time. `away` says of homes whose stores do not answer why."""

    at_ms: int
    lanes: Sequence[LaneView]
    away: Mapping[str, str]

    def could_be_lost_s(self) -> dict[str, float | None]:
        """By home: of so many seconds, nothing that may lie elsewhere does so yet; None if nobody knows."""
        found: dict[str, float | None] = {}
        for lane in self.lanes:
            loss_s, before = lane.loss_s(self.at_ms), found.get(lane.home, 0.0)
            found[lane.home] = None if loss_s is None or before is None else max(loss_s, before)
        return found


def command(options: Namespace) -> int:
    """Runs `darkroom lanes show`. The exit code is 1 if a home does not answer, or nobody reports on a lane."""
    loaded, homes = one_region.named_or_all(options)
    if options.live and options.json:
        watch(lambda: read(loaded, homes), _print_json, _EVERY_S)
    if options.live:
        watch_in_terminal(lambda: read(loaded, homes), drawn, _EVERY_S)
    view = read(loaded, homes)
    if options.json:
        _print_json(view)
    else:
        Console().print(drawn(view))
    return 1 if view.away or any(lane.activity is None for lane in view.lanes) else 0


def read(loaded: Config, homes: Sequence[str]) -> LanesView:
    """One home after the other, each with its own credentials."""
    lanes, away = list[LaneView](), dict[str, str]()
    for home in homes:
        try:
            lanes += _read_home(loaded, home)
        except Unavailable as error:
            away[home] = error.detail
    return LanesView(now_ms(), lanes, away)


def _read_home(loaded: Config, home: str) -> list[LaneView]:
    with closing(config.open_settings(loaded, home)) as settings:
        wanted = lane_settings(settings.values)
        reporting = lane_status.present(settings.values.tree(lane_status.PREFIX), now_ms())
        gaps = gap_records.recorded(settings.values.tree(gap_records.PREFIX))
    found = []
    with closing(config.open_events(loaded, home)) as events:
        for name in (name for name in loaded.topology.regions if name != home):
            found.append(
                LaneView(
                    home,
                    name,
                    wanted.get(name, LaneSettings()),
                    lane_status.total(reporting[name]) if name in reporting else None,
                    {topic: sum(events.lag(topic, lane_group(name)).values()) for topic in topics_of(LANE)},
                    [gap for gap in gaps if gap.group == lane_group(name)],
                )
            )
    return found


def lane_settings(values: Values) -> dict[str, LaneSettings | None]:
    """What operators have set, by destination; None is what can't be read. Raises Unavailable."""
    found: dict[str, LaneSettings | None] = {}
    for key, setting in values.tree(live_settings.PREFIX).items():
        try:
            found[key.removeprefix(live_settings.PREFIX)] = parse_settings(setting.value)
        except ValueError:
            found[key.removeprefix(live_settings.PREFIX)] = None
    return found


def as_json(view: LanesView) -> dict[str, object]:
    """For programs. What nobody knows is null."""
    return {
        "at_ms": view.at_ms,
        "lanes": [
            {
                "from": lane.home,
                "to": lane.destination,
                "lag_s": lane.lag_s(view.at_ms),
                "waiting": dict(lane.waiting),
                "missed": {gap.topic: gap.most_events for gap in lane.gaps},
                "settings": asdict(lane.settings) if lane.settings else None,
                "activity": asdict(lane.activity) if lane.activity else None,
            }
            for lane in view.lanes
        ],
        "could_be_lost_s": view.could_be_lost_s(),
        "away": dict(view.away),
    }


def _print_json(seen: LanesView | str) -> None:
    """One document a line, at once: a program reads it from a pipe."""
    document = {"error": seen} if isinstance(seen, str) else as_json(seen)
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def drawn(seen: LanesView | str) -> RenderableType:
    """For people."""
    if isinstance(seen, str):
        return terminal.text(seen)
    figures = ("lane", "behind", "waiting", "aside", "copying", "MB/s", "errors")
    shown = Table(*(Column(name, no_wrap=name == "lane") for name in figures), "state", box=None)
    for lane in seen.lanes:
        shown.add_row(f"{lane.home} → {lane.destination}", *cells(lane, seen.at_ms))
    return Group(shown, *map(terminal.text, remarks(seen)))


def cells(lane: LaneView, at_ms: int) -> list[str]:
    """Of one lane, from `behind` on. Pure."""
    lag_s, activity = lane.lag_s(at_ms), lane.activity
    waiting = [count for topic, count in lane.waiting.items() if topic not in ENVELOPES]
    first = ["?" if lag_s is None else f"{lag_s:,.1f} s", f"{sum(waiting):,}"]
    if activity is None:
        return [*first, "?", "?", "?", "?", "; ".join([*_set(lane.settings), "no replicator reports"])]
    copying = f"{activity.copying}/{activity.width}+{activity.backfill_width}"
    aside = f"{activity.set_aside:,}+{activity.deletions_aside:,}"
    figures = [aside, copying, f"{activity.bytes_per_s / 1e6:,.1f}", f"{activity.errors:,}"]
    return [*first, *figures, "; ".join([*_set(lane.settings), *_found(activity, at_ms)]) or "runs"]


def _set(settings: LaneSettings | None) -> list[str]:
    if settings is None:
        return ["its settings can't be read: set them anew"]
    limit = [] if settings.bytes_per_s is None else [f"at most {settings.bytes_per_s / 1e6:,.1f} MB/s"]
    return [*(["paused"] if settings.paused else []), *limit]


def _found(activity: LaneActivity, at_ms: int) -> list[str]:
    found = []
    if activity.silent_s is not None:
        some = f" to {activity.refusing} of {activity.replicators}" if activity.refusing < activity.replicators else ""
        found.append(f"no answer{some} for {activity.silent_s:,.0f} s")
    if (since_ms := _put_off_ms(activity)) is not None:
        events = "1 event" if activity.put_off == 1 else f"{activity.put_off:,} events"
        found.append(f"{events} put off for {_age_s([since_ms], at_ms):,.0f} s")
    if activity.alone:
        found.append(f"{activity.alone} of {activity.replicators} without the actor")
    return found


def _put_off_ms(activity: LaneActivity) -> int | None:
    """Since when events are put off, if that is news: what is not answered at all is put off for that reason."""
    return None if activity.refusing == activity.replicators else activity.put_off_ms


def _unreported(seen: LanesView, home: str) -> str:
    silent = [lane.destination for lane in seen.lanes if lane.home == home and lane.activity is None]
    return f"on the lanes to {' and '.join(silent)}" if silent else "some of what waits in its lanes"


def remarks(seen: LanesView) -> list[str]:
    """What stands below the table. Pure."""
    lost = [
        f"If {home} were lost now, at most the last {lost_s:,.1f} s of what may lie elsewhere too would be lost."
        if lost_s is not None
        else f"Nobody knows what would be lost with {home} now: no replicator reports {_unreported(seen, home)}."
        for home, lost_s in seen.could_be_lost_s().items()
    ]
    put_off = [
        f"From {lane.home} to {lane.destination}, events are put off since {rfc3339(since_ms)}:"
        f" {lane.activity.put_off_because}"
        for lane in seen.lanes
        if lane.activity and (since_ms := _put_off_ms(lane.activity)) is not None
    ]
    missed = [
        f"The lane from {lane.home} to {lane.destination} has missed up to {gap.most_events:,} events of {gap.topic}:"
        " the event log did not keep them until it read them."
        for lane in seen.lanes
        for gap in lane.gaps
    ]
    return [*lost, *put_off, *missed, *(f"{home} does not answer: {reason}" for home, reason in seen.away.items())]
