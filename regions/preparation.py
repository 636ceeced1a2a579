"""Creates a region's stores and brings their schemas up to date: what `darkroom prepare` and `darkroom up` do first.

A store that was there before and is gone, as when its disk is not mounted, must not be replaced by an empty one: what
was deleted meanwhile would come back with the disk, and the rest would look lost. So the region's settings record which
stores it has, under `stores/PORT`:

1. The settings themselves are created. If they are missing although another store is there, they were lost: refused.
2. For each other store, an id is recorded as being created. Of several processes, the first one's id counts.
3. The store is created with that id in its stamp, and the id is recorded as created.

A store that is recorded as created is not created again, unless an operator says that it is lost (`replace`). Feeds are
not recorded: they are filled again.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress

from regions import config
from regions.config import Config
from regions.errors import StoreMissing, TopologyError, Unavailable, WrongStore
from regions.stores import stamp as stamps
from regions.stores.settings import Values
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion, require_region

PORTS = ("settings", "objects", "catalog", "feeds", "events")

_RECORDED: Mapping[str, Callable[[Config, str], StoreLocation[object]]] = {
    "objects": config.locate_objects,
    "catalog": config.locate_catalog,
    "events": config.locate_events,
}
_CREATING = "creating "


def prepare_region(loaded: Config, region: str, replace: Collection[str] = (), is_new: bool = True) -> list[str]:
    """Returns the ports whose stores were created now. Those in `replace` are created even if they are recorded.

    A region that is not new has settings already. Raises Unavailable, StoreMissing, WrongStore, TopologyError.
    """
    ours, created = config.store_region(loaded, region), []
    if _prepare_settings(loaded, region, ours, is_new, "settings" in replace):
        created.append("settings")
    with closing(config.open_settings(loaded, region)) as settings:
        for port, locate in _RECORDED.items():
            location = locate(loaded, region)
            if port in replace:
                _record_anew(settings.values, port, location, ours)
            if _prepare_recorded(settings.values, port, location, ours):
                created.append(port)
    if _create(config.locate_feeds(loaded, region), ours):
        created.append("feeds")
    return created


def unrecorded(loaded: Config, region: str, values: Values) -> list[str]:
    """The ports whose stores are not those that the region's settings record, as far as they can be read."""
    different = []
    for port, locate in _RECORDED.items():
        with suppress(Unavailable, TopologyError):
            recorded, found = values.read(_key(port)), locate(loaded, region).read_stamp()
            if found is not None and (recorded is None or found.store_id != recorded.value.removeprefix(_CREATING)):
                different.append(port)
    return different


def _prepare_settings(loaded: Config, region: str, ours: StoreRegion, is_new: bool, replace: bool) -> bool:
    location = config.locate_settings(loaded, region)
    if location.read_stamp() is None and not replace:
        if not is_new:
            raise StoreMissing(f"settings of {region}: they are gone, though the region has been prepared before")
        for port, locate in _RECORDED.items():
            if (found := locate(loaded, region).read_stamp()) is not None:
                require_region(found, ours)
                raise StoreMissing(f"settings of {region}: they are gone, though there is a store of its {port}")
    return _create(location, ours)


def _record_anew(values: Values, port: str, location: StoreLocation[object], ours: StoreRegion) -> None:
    """Records the store that is there, or one that is to be created. If reading the stamp fails, nothing changes."""
    found = location.read_stamp()
    store_id = require_region(found, ours).store_id if found is not None else stamps.new_id()
    values.write(_key(port), f"{_CREATING}{store_id}")


def _create(location: StoreLocation[object], ours: StoreRegion) -> bool:
    """Whether a store with a stamp was created. Nothing of another region's store is changed."""
    found = location.read_stamp()
    if found is not None:
        require_region(found, ours)
    require_region(location.create(Stamp(ours, stamps.new_id())), ours)
    return found is None and location.read_stamp() is not None


def _prepare_recorded(values: Values, port: str, location: StoreLocation[object], ours: StoreRegion) -> bool:
    values.write(_key(port), f"{_CREATING}{stamps.new_id()}", expected_version=0)
    recorded = values.read(_key(port))
    if recorded is None:
        raise Unavailable(f"the record of the {port} was removed at this moment")
    creating, store_id = recorded.value.startswith(_CREATING), recorded.value.removeprefix(_CREATING)
    found = location.read_stamp()
    if found is not None:
        require_region(found, ours)
    if found is None and not creating:
        raise StoreMissing(f"{port} of {ours.name}: recorded is the store {store_id}, which is not there")
    if found is not None and not creating and found.store_id != store_id:
        raise WrongStore(f"{port} of {ours.name}: recorded is the store {store_id}; the one there is {found.store_id}")
    stamp = require_region(location.create(Stamp(ours, store_id)), ours)
    if creating:
        # If this fails, another process has just recorded it, or the next run does.
        values.write(_key(port), stamp.store_id, expected_version=recorded.version)
    return found is None


def _key(port: str) -> str:
    return f"stores/{port}"
