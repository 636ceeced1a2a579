"""Operators whom a statement lists, and their keys in files."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from darkroom.local.compliance import signers_text
from darkroom.operate import statement_files
from regions import keys
from regions.config import Config
from regions.residency.statement import Operator, Role
from tests.builders.statements import Compliance


def state_operators(loaded: Config, folder: Path, team: Compliance, **roles: set[Role]) -> dict[str, Path]:
    """All regions hold a statement that lists these and no others; returns the file with the key of each."""
    files, listed = {}, {}
    for name, theirs in roles.items():
        private = Ed25519PrivateKey.generate()
        files[name] = folder / f"{name}.pem"
        files[name].write_text(keys.private_pem(private))
        listed[name] = Operator(frozenset(theirs), keys.public_text(private.public_key()))
    loaded.signers_file.write_text(signers_text(team.signers))
    statement_files.publish(loaded, team.states(operators=listed).signed, loaded.topology.regions)
    return files
