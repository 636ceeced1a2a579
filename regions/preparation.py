"""Creates a region's stores and brings their schemas up to date: what `darkroom prepare` and `darkroom up` do first.

A store that was there before and is gone, as when its disk is not mounted, must not be replaced by an empty one: what
was deleted meanwhile would come back with the disk, and the rest would look lost. So the region's settings record which
stores it has, under `stores/PORT`:

1. The settings themselves are created. If they are missing although the catalog is there, they were lost: refused.
2. For each other store, an id is recorded as being created. Of several processes, the first one's id counts.
3. The store is created with that id in its stamp, and the id is recorded as created.

A store that is recorded as created is not created again, unless an operator says that it is lost (`replace`). Feeds are
not recorded: they are filled again.
"""

from collections.abc import Collection
from contextlib import closing

from regions import config
from regions.config import Config
from regions.errors import StoreMissing, Unavailable, WrongStore
from regions.stores import stamp as stamps
from regions.stores.settings import Values
from regions.stores.stamp import Owner, Stamp, StoreLocation, require_owner

PORTS = ("settings", "objects", "catalog", "feeds", "events")

_CREATING = "creating "


def prepare_region(loaded: Config, region: str, replace: Collection[str] = ()) -> list[str]:
    """Returns the ports whose stores were created now. Those in `replace` are created even if they are recorded.

    Raises Unavailable, StoreMissing, WrongStore, TopologyError.
    """
    owner, created = config.owner(loaded, region), []
    if _prepare_settings(loaded, region, owner, "settings" in replace):
        created.append("settings")
    with closing(config.open_settings(loaded, region)) as settings:
        others: dict[str, StoreLocation[object]] = {
            "objects": config.locate_objects(loaded, region),
            "catalog": config.locate_catalog(loaded, region),
            "events": config.locate_events(loaded, region),
        }
        for port, location in others.items():
            if port in replace:
                settings.values.delete(_key(port))
            if _prepare_recorded(settings.values, port, location, owner):
                created.append(port)
    feeds = config.locate_feeds(loaded, region)
    if feeds.read_stamp() is None:
        created.append("feeds")
    require_owner(feeds.create(Stamp(owner, stamps.new_id())), owner)
    return created


def _prepare_settings(loaded: Config, region: str, owner: Owner, replace: bool) -> bool:
    location, catalog = config.locate_settings(loaded, region), config.locate_catalog(loaded, region).read_stamp()
    is_new = location.read_stamp() is None
    if is_new and catalog is not None:
        require_owner(catalog, owner)
        if not replace:
            raise StoreMissing(f"the settings of {owner} are gone, though its catalog is there")
    require_owner(location.create(Stamp(owner, stamps.new_id())), owner)
    return is_new


def _prepare_recorded(values: Values, port: str, location: StoreLocation[object], owner: Owner) -> bool:
    values.write(_key(port), f"{_CREATING}{stamps.new_id()}", expected_version=0)
    recorded = values.read(_key(port))
    if recorded is None:
        raise Unavailable(f"the record of the {port} was removed at this moment")
    creating, store_id = recorded.value.startswith(_CREATING), recorded.value.removeprefix(_CREATING)
    found = location.read_stamp()
    if found is not None:
        require_owner(found, owner)
    if found is None and not creating:
        raise StoreMissing(f"the {port} of {owner} are recorded as the store {store_id}, which is not there")
    if found is not None and not creating and found.store_id != store_id:
        raise WrongStore(f"the {port} of {owner} are recorded as the store {store_id}; the one there is another")
    stamp = require_owner(location.create(Stamp(owner, store_id)), owner)
    if creating:
        # If another process was faster, it has recorded the same id.
        values.write(_key(port), stamp.store_id, expected_version=recorded.version)
    return found is None


def _key(port: str) -> str:
    return f"stores/{port}"
