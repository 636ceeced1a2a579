"""A topology with one region and its shield; the test may choose the stores."""

from pathlib import Path

from regions import config
from regions.preparation import prepare_region

_TEXT = """
[regions.eu-west]
number = 3
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
origin = "http://127.0.0.1:1"
objects = "{objects}"
catalog = "{catalog}"
feeds = "{feeds}"
events = "{events}"
settings = "{settings}"

[edges.lisbon]
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
url = "http://127.0.0.1:2"
cache = "cache"
shield_of = "eu-west"
"""


def one_region(folder: object, **stores: str) -> str:
    """The stores are embedded ones in `folder`, except those whose URL is passed by the port's name."""
    embedded = {port: f"sqlite://{folder}/{port}.db" for port in ("catalog", "feeds", "events", "settings")}
    objects = {"objects": f"directory://{folder}/objects?server=http://127.0.0.1:2"}
    return _TEXT.format(**(objects | embedded | stores))


def prepared_region(folder: Path) -> Path:
    """The topology file of one region, whose embedded stores are prepared in the folder."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "eu-west.objects").write_text("secret")
    file = folder / "topology.toml"
    file.write_text(one_region(folder))
    prepare_region(config.load(file, {}), "eu-west")
    return file
