"""`darkroom policy new-key | sign | apply | rollback`: how a policy becomes the statement that is in force.

A policy file becomes a statement when it is signed, on top of the newest one. Each officer of the compliance team adds
a signature with a key of their own; then anybody may apply it to any region, from where it spreads to the others.
"""

import sys
from argparse import Namespace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local import compliance
from darkroom.local.private_files import write_private
from darkroom.operate import statement_files
from darkroom.operate.places import places_of
from darkroom.operate.policy_reports import history_of, load, the_named
from regions import keys
from regions.config import Config
from regions.errors import StatementError
from regions.residency import signatures, statement_document
from regions.residency.statement import Signers, Statement

_HASH_CHARS = 12


def new_key(options: Namespace) -> int:
    """A key for an officer, and the public half to be listed."""
    file: Path = options.file
    if file.exists():
        raise CommandError(f"{file} exists already.", "Name a new file: a key that is replaced can't be had again.")
    private = Ed25519PrivateKey.generate()
    write_private(file, keys.private_pem(private).encode())
    Console().print(f"[green]✓[/] {file} is readable by you alone. Its public half, for signers.json:")
    sys.stdout.write(f'"{file.stem}": "{keys.public_text(private.public_key())}"\n')
    return 0


def sign(options: Namespace) -> int:
    """A policy file becomes the next statement, signed with one key; a statement gets one signature more."""
    loaded, out = load(options), options.out or options.file.with_suffix(".statement")
    text, before = options.file.read_text(), compliance.statement_of(loaded)
    private = keys.private_key(options.key.read_text())
    is_statement, found = True, dict[str, str]()
    try:
        text, found = signatures.unpack(text)
        _, previous = signatures.previous_of(options.file.read_text())
    except StatementError:
        is_statement = False
    if is_statement and previous != before.hash:
        raise CommandError(
            f"{options.file} follows another statement than serial {before.serial}, the newest.",
            "Sign the policy file anew.",
        )
    if not is_statement:
        text = _draft(loaded, text, options, before)
    key_id = _key_id(before.signers, keys.public_text(private.public_key()))
    signed = signatures.sign(text, key_id, private, found)
    out.write_text(signed)
    count = len(signatures.unpack(signed)[1])
    console = Console()
    console.print(f"[green]✓[/] {count} of {before.signers.threshold} signatures:", terminal.text(str(out)))
    if count < before.signers.threshold:
        console.print("The next officer: darkroom policy sign", terminal.text(str(out)), "--key FILE")
    else:
        console.print("Now anybody may: darkroom policy apply", terminal.text(str(out)))
    return 0


def apply(options: Namespace) -> int:
    """Publishes a signed statement, or a policy file that the key in the data folder may sign alone."""
    loaded, text = load(options), options.file.read_text()
    try:
        signatures.unpack(text)
    except StatementError:
        before = compliance.statement_of(loaded)
        draft = _draft(loaded, text, options, before)
        text = compliance.signed_by(compliance.private_keys(options.data / compliance.FOLDER), draft, before.signers)
    return _publish(loaded, text, options)


def rollback(options: Namespace) -> int:
    """The policy of an earlier statement, under a new serial."""
    loaded = load(options)
    before = compliance.statement_of(loaded)
    earlier = the_named(history_of(loaded, options), options.statement)
    options.file = options.data / f"rollback-to-{earlier.serial}.yaml"
    draft = _draft(loaded, earlier.policy_text, options, before)
    text = compliance.signed_by(compliance.private_keys(options.data / compliance.FOLDER), draft, before.signers)
    return _publish(loaded, text, options)


def _draft(loaded: Config, policy_text: str, options: Namespace, before: Statement) -> str:
    """The text of the next statement. Raises CommandError."""
    if not options.because:
        raise CommandError(
            "A statement says why it was made.", 'Add --because "…": it stays in the history for good.', 2
        )
    places = places_of(loaded, before) if options.places else list(before.places.values())
    try:
        return statement_document.draft(
            policy_text, places, before.signers, options.because, before, options.lease or before.lease_s,
            before.operators,
        )  # fmt: skip
    except StatementError as error:
        raise CommandError(
            f"{options.file}: {error}.", "Correct it; `darkroom policy check FILE` says more."
        ) from error


def _publish(loaded: Config, signed: str, options: Namespace) -> int:
    region = options.region or next(iter(loaded.topology.regions))
    try:
        statement = statement_files.publish(loaded, signed, [region])
    except StatementError as error:
        raise CommandError(f"This statement does not count: {error}.", "See `darkroom policy sign --help`.") from error
    console = Console()
    console.print(
        f"[green]✓[/] {region} holds statement {statement.serial} ({statement.hash[:_HASH_CHARS]}); it spreads from"
        " there. What it forbids is forbidden as soon as it arrives;"
        f" what it allows is allowed {statement.lease_s:g} s after a majority of regions has it."
    )
    console.print("Follow it with: darkroom policy status")
    return 0


def _key_id(signers: Signers, public: str) -> str:
    """Raises CommandError."""
    for key_id, key in signers.keys.items():
        if key == public:
            return key_id
    raise CommandError(
        "This key is not one of the compliance team's.", f"Their keys are {', '.join(signers.keys)}: name one of those."
    )
