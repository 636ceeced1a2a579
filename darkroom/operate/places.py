"""The places that a statement lists, as this machine's topology and keys have them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from darkroom.local.private_files import write_private
from regions import keys
from regions.config import Config
from regions.residency.statement import Kind, Purpose, StatedPlace, Statement
from regions.topology import Topology

REGION_PURPOSES: tuple[Purpose, ...] = (Purpose.NODE, Purpose.USERS)
NODE_PURPOSES: tuple[Purpose, ...] = (Purpose.NODE,)
FIRST_KEY = "k1"


def places_of(loaded: Config, before: Statement | None = None) -> list[StatedPlace]:
    """Regions and edges of the topology, with the public halves of the keys in the secrets folder.

    Of a place without keys there, those in the statement `before` count; so does its incarnation.
    Raises TopologyError if a place has no key at all.
    """
    known = before.places if before else {}
    places = [
        StatedPlace(
            name,
            Kind.REGION,
            region.jurisdiction,
            region.origin,
            _public_keys(loaded, name, REGION_PURPOSES, known),
            region.number,
            known[name].incarnation if name in known else 1,
        )
        for name, region in loaded.topology.regions.items()
    ]
    places += [
        StatedPlace(
            name,
            Kind.EDGE,
            edge.jurisdiction,
            edge.url,
            _public_keys(loaded, name, NODE_PURPOSES, known),
            shield_of=edge.shield_of,
        )
        for name, edge in loaded.topology.edges.items()
    ]
    return places + [
        StatedPlace(
            name, Kind.WITNESS, witness.jurisdiction, witness.url, _public_keys(loaded, name, NODE_PURPOSES, known)
        )
        for name, witness in loaded.topology.witnesses.items()
    ]


def _public_keys(
    loaded: Config, name: str, purposes: tuple[Purpose, ...], known: Mapping[str, StatedPlace]
) -> dict[Purpose, dict[str, str]]:
    if name in known and not any(loaded.secrets.glob(f"{name}.{Purpose.NODE}.*.pem")):
        return {purpose: dict(by_id) for purpose, by_id in known[name].keys.items()}
    return {
        purpose: {
            key_id: keys.public_text(private.public_key())
            for key_id, private in loaded.private_keys(name, purpose).items()
        }
        for purpose in purposes
    }


def make_missing_keys(topology: Topology, secrets: Path) -> list[Path]:
    """A key of each purpose for each place that has none in the folder; returns the new files."""
    purposes = dict.fromkeys(topology.regions, REGION_PURPOSES)
    purposes |= dict.fromkeys([*topology.edges, *topology.witnesses], NODE_PURPOSES)
    made = []
    for name, purpose in ((name, purpose) for name, some in purposes.items() for purpose in some):
        if not any(secrets.glob(f"{name}.{purpose}.*.pem")):
            made.append(secrets / f"{name}.{purpose}.{FIRST_KEY}.pem")
            secrets.mkdir(mode=0o700, exist_ok=True)
            write_private(made[-1], keys.private_pem(Ed25519PrivateKey.generate()).encode())
    return made


def moved(statement: Statement, loaded: Config) -> list[StatedPlace] | None:
    """The statement's places at the addresses of the topology; None if that is where they are.

    For one machine, whose ports may be others at each start.
    """
    urls = {name: region.origin for name, region in loaded.topology.regions.items()}
    urls |= {name: edge.url for name, edge in loaded.topology.edges.items()}
    urls |= {name: witness.url for name, witness in loaded.topology.witnesses.items()}
    places = [replace(place, url=urls.get(name, place.url)) for name, place in statement.places.items()]
    return None if places == list(statement.places.values()) else places
