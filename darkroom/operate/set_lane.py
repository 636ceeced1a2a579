"""`darkroom lanes set`: pauses a lane, or says how much it does at once. Its replicators follow within seconds."""

from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from typing import Any

from rich.console import Console

from darkroom.command_error import CommandError
from darkroom.operate import one_region, operators
from regions import config
from regions.config import Config
from regions.residency.statement import Role
from replication.budget import LaneSettings, checked, parse_settings, settings_text
from replication.live_settings import key_of

_SETTINGS = ("bytes_per_s", "width", "backfill_width")
# As `--bytes-per-s`.
_NO_LIMIT = 0


def command(options: Namespace) -> int:
    """Runs `darkroom lanes set`."""
    loaded, home = _home_of(options)
    wanted = _wanted(options)
    operator = operators.require(options, loaded, Role.OPERATOR)
    with closing(config.open_settings(loaded, home)) as settings:
        key = key_of(options.destination)
        setting = settings.values.read(key)
        changed = _changed(_parsed(setting.value) if setting else LaneSettings(), wanted)
        what = ", ".join(f"{name}: {value}" for name, value in wanted.items())
        operator.begins(settings.values, home, "lanes set", f"to: {options.destination}, {what}, {options.because}")
        if not settings.values.write(key, settings_text(changed), setting.version if setting else 0):
            raise CommandError("Somebody else changed the settings of this lane just now.", "Look, and try again.")
    Console().print(f"[green]✓[/] {home} to {options.destination}: {described(changed)}.", highlight=False)
    return 0


def _home_of(options: Namespace) -> tuple[Config, str]:
    """The configuration, and the region that the lane leads from. Raises CommandError, TopologyError."""
    loaded, named = one_region.named_or_all(options)
    homes = one_region.with_lane_to(loaded, options, named, options.destination)
    if len(homes) > 1:
        raise CommandError(
            f"Lanes lead to {options.destination} from {' and '.join(homes)}.", "Name one with --region.", 2
        )
    return loaded, homes[0]


def _wanted(options: Namespace) -> dict[str, Any]:
    """What is to be another than it is. Raises CommandError."""
    if options.pause and options.resume:
        raise CommandError("A lane can't be paused and go on.", "Give --pause or --resume.", 2)
    wanted = {name: value for name in _SETTINGS if (value := getattr(options, name)) is not None}
    if options.pause or options.resume:
        wanted["paused"] = options.pause
    if not wanted:
        raise CommandError("Nothing is to be changed.", "Give --pause, --resume, --bytes-per-s or a width.", 2)
    return wanted


def _parsed(text: str) -> LaneSettings:
    """Of what can't be read nothing stays: all is as by default, but for what is set now."""
    try:
        return parse_settings(text)
    except ValueError:
        return LaneSettings()


def _changed(settings: LaneSettings, wanted: dict[str, Any]) -> LaneSettings:
    """Raises CommandError."""
    if wanted.get("bytes_per_s") == _NO_LIMIT:
        wanted = wanted | {"bytes_per_s": None}
    try:
        return checked(replace(settings, **wanted))
    except ValueError as error:
        raise CommandError(f"That can't be: {error}.", "Nothing was changed.", 2) from error


def described(settings: LaneSettings) -> str:
    """All of them, in words. Pure."""
    rate = "no limit of bytes" if settings.bytes_per_s is None else f"{settings.bytes_per_s:,} bytes/s"
    state = "paused" if settings.paused else "runs"
    return f"{state}, {settings.width} photos at once, {settings.backfill_width} of those processed again, {rate}"
