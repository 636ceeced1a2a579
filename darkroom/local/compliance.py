"""The compliance team of one machine: one key in the data folder, which signs the first statement. Beside it is the key
of the one operator whom it lists, with all roles.

Elsewhere the keys of a compliance team lie with its people, and a statement needs several of them.
"""

import importlib.resources
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from darkroom.command_error import CommandError
from darkroom.local.private_files import write_private
from darkroom.operate import operators
from darkroom.operate.places import moved, places_of
from darkroom.operate.statement_files import highest, publish
from regions import config, keys
from regions.config import Config
from regions.residency import checking, signatures, statement_document
from regions.residency.parsing import FILE, parse
from regions.residency.statement import Operator, Role, Signers, Statement

FOLDER = "compliance"
_BEGINNING = f".{FOLDER}.new"
_OFFICER = "officer-1"
_OPERATOR = "operator-1"
_OLD_POLICY = "residency/policy"
_HAVE_IT_SIGNED = "Have it signed: `darkroom policy sign --help`."


def keep_statement(data: Path, loaded: Config) -> None:
    """Makes the compliance key and the first statement, at this folder's first start; later only follows moved ports.

    A statement or a key that was removed is not made again: who can remove it must not get another one in return.
    Raises CommandError, StatementError, Unavailable.
    """
    if not has_begun(data, loaded):
        beginning = data / _BEGINNING
        _begin(beginning, loaded)
        # From here on the folder has begun. If this process dies before, the same is done again, with the same result.
        beginning.rename(data / FOLDER)
        return
    statement = statement_of(loaded)
    if (places := moved(statement, loaded)) is not None:
        text = statement_document.draft(
            statement.policy_text, places, statement.signers, "The ports of this machine have changed.",
            statement, int(statement.lease_s), statement.operators,
        )  # fmt: skip
        advice = f"Start with the stated ports{_first_port(loaded, statement)}, or have the new ones signed: "
        advice += "`darkroom policy sign --help`."
        signed = signed_by(private_keys(data / FOLDER), text, statement.signers, advice)
        publish(loaded, signed, loaded.topology.regions)


def _first_port(loaded: Config, statement: Statement) -> str:
    """The argument by which the first edge, and so all, get the ports that are stated."""
    place = statement.places.get(next(iter(loaded.topology.edges), ""))
    port = urlsplit(place.url).port if place else None
    return f" (--port {port})" if port else ""


def has_begun(data: Path, loaded: Config) -> bool:
    """Whether there has been a first statement in this folder, even if it is gone now."""
    traces = (data / FOLDER, loaded.signers_file, loaded.state)
    return not (data / _BEGINNING).exists() and any(one.exists() for one in traces)


def require_fit(loaded: Config) -> None:
    """Raises PolicyError if the policy that we ship does not fit the places of the topology."""
    places = checking.places_of(loaded.topology)
    checking.require_fit(parse(shipped_policy(), FILE), places)


def shipped_policy() -> str:
    return importlib.resources.files("deploy").joinpath(FILE).read_text()


def _begin(folder: Path, loaded: Config) -> None:
    _public_half(folder / f"{_OFFICER}.pem")
    private = private_keys(folder)
    signers = Signers(1, {key_id: keys.public_text(key.public_key()) for key_id, key in private.items()})
    write_private(loaded.signers_file, signers_text(signers).encode())
    operator = Operator(frozenset(Role), _public_half(folder.parent / operators.FOLDER / f"{_OPERATOR}.pem"))
    text = statement_document.draft(
        _first_policy(loaded), places_of(loaded), signers, "The first statement.", operators={_OPERATOR: operator}
    )
    publish(loaded, signed_by(private, text, signers), loaded.topology.regions)


def _public_half(file: Path) -> str:
    """Of the private key in a file, which is made if it is not there."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    if not file.exists():
        write_private(file, keys.private_pem(Ed25519PrivateKey.generate()).encode())
    return keys.public_text(keys.private_key(file.read_text()).public_key())


def private_keys(folder: Path) -> dict[str, Ed25519PrivateKey]:
    """The compliance keys in a folder, by id: the names of the files."""
    return {file.stem: keys.private_key(file.read_text()) for file in sorted(folder.glob("*.pem"))}


def signed_by(
    private: Mapping[str, Ed25519PrivateKey], text: str, signers: Signers, advice: str = _HAVE_IT_SIGNED
) -> str:
    """The text, signed by each of these keys that is one of the signers'. Raises CommandError if they are too few."""
    ours = {key_id: key for key_id, key in private.items() if key_id in signers.keys}
    if len(ours) < signers.threshold:
        raise CommandError(
            f"The statement needs {signers.threshold} signatures of the compliance team, and {len(ours)} of its keys"
            " are here.",
            advice,
        )
    signed, found = "", dict[str, str]()
    for key_id, key in ours.items():
        signed = signatures.sign(text, key_id, key, found)
        found = signatures.unpack(signed)[1]
    return signed


def signers_text(signers: Signers) -> str:
    return json.dumps({"threshold": signers.threshold, "keys": dict(signers.keys)}, indent=1) + "\n"


def statement_of(loaded: Config) -> Statement:
    """The highest in any region. Raises CommandError if there is none, TopologyError without signers."""
    found = highest(loaded)
    if found is None:
        raise CommandError(
            "No region has a valid statement any more, so nothing may be shown or copied.",
            "Publish one that you have kept with `darkroom policy apply FILE`. None is made anew by itself.",
        )
    return found


def _first_policy(loaded: Config) -> str:
    """The policy that this folder's regions have from before there were statements, else the one that we ship."""
    for region in loaded.topology.regions:
        with closing(config.open_settings(loaded, region)) as settings:
            if setting := settings.values.read(_OLD_POLICY):
                return setting.value
    return shipped_policy()
