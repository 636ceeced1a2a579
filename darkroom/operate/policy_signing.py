"""`darkroom policy new-key | sign | apply | rollback`: how a policy becomes the statement that is in force.

A policy file becomes a statement when it is signed, on top of the newest one. Each officer of the compliance team adds
a signature with a key of their own; then anybody may apply it to any region, from where it spreads to the others.
"""

import difflib
import sys
from argparse import Namespace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local import compliance
from darkroom.local.private_files import write_private
from darkroom.operate import one_region, statement_files
from darkroom.operate.places import places_of
from darkroom.operate.policy_file import read_text
from darkroom.operate.policy_reports import history_of, load, the_named
from regions import keys
from regions.config import Config
from regions.errors import StatementError
from regions.residency import people_files, signatures, statement_document
from regions.residency.statement import Signers, Statement

_HASH_CHARS = 12
_LEASE_S = 60


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
    """A policy file becomes the next statement, signed with one key; a statement gets one signature more.

    What the signature is for is shown: an officer does not sign what they have not seen.
    """
    loaded, text = load(options), read_text(options.file)
    out, before = options.out or options.file.with_suffix(".statement"), newest(loaded)
    signers = before.signers if before else loaded.signers()
    text, found = _statement(loaded, text, options, before)
    private, following = keys.private_key(options.key.read_text()), statement_document.parse(text, "").signers
    key_id = _key_id(signers, following, keys.public_text(private.public_key()))
    signed = signatures.sign(text, key_id, private, found)
    _show_changes(signatures.read_kept(signed), before)
    out.write_text(signed)
    signed_by = signatures.unpack(signed)[1].keys()
    console, missing = Console(), 0
    for team, whose in ((signers, ""), *(((following, " of the new team"),) if following != signers else ())):
        count = len(signed_by & team.keys.keys())
        missing += max(0, team.threshold - count)
        console.print(f"[green]✓[/] {count} of {team.threshold} signatures{whose}:", terminal.text(str(out)))
    if missing:
        console.print("The next officer: darkroom policy sign", terminal.text(str(out)), "--key FILE")
    else:
        console.print("Now anybody may: darkroom policy apply", terminal.text(str(out)))
    return 0


def apply(options: Namespace) -> int:
    """Publishes a signed statement, or a policy file that the key in the data folder may sign alone."""
    loaded = load(options)
    region, text = one_region.named_or_first(loaded, options), read_text(options.file)
    try:
        signatures.unpack(text)
    except StatementError:
        text = _signed_here(loaded, text, options)
    return _publish(loaded, text, region)


def rollback(options: Namespace) -> int:
    """The policy of an earlier statement, under a new serial, signed by the key in the data folder."""
    loaded = load(options)
    region = one_region.named_or_first(loaded, options)
    earlier = the_named(history_of(loaded, region), options.statement)
    options.file = Path(f"the policy of statement {earlier.serial}")
    return _publish(loaded, _signed_here(loaded, earlier.policy_text, options), region)


def newest(loaded: Config) -> Statement | None:
    """What the next statement follows; None before the first one. Raises CommandError if a region can't be read."""
    found = statement_files.held(loaded)
    unreadable = [f"{region}: {what}" for region, what in found.items() if isinstance(what, str)]
    if 2 * len(unreadable) >= len(found):
        raise CommandError(
            f"The statement of a majority of the regions can't be read. {'; '.join(unreadable)}",
            "Start the store that is away; what is not valid, a running origin puts right.",
        )
    if unreadable:
        # A region that is lost must not block a change. What is in force, a majority has.
        Console(stderr=True).print("[yellow]![/] Not asked:", terminal.text("; ".join(unreadable)))
    held = [one for one in found.values() if isinstance(one, Statement)]
    return max(held, key=lambda statement: statement.serial, default=None)


def _signed_here(loaded: Config, policy_text: str, options: Namespace) -> str:
    before = newest(loaded)
    private = compliance.private_keys(options.data / compliance.FOLDER)
    signers = before.signers if before else loaded.signers()
    text = _draft(loaded, policy_text, options, before)
    _show_changes(statement_document.parse(text, ""), before)
    return compliance.signed_by(private, text, signers)


def _statement(loaded: Config, text: str, options: Namespace, before: Statement | None) -> tuple[str, dict[str, str]]:
    """The text of a statement and the signatures that it has: that in the file, or one made of the policy there."""
    try:
        unpacked, found = signatures.unpack(text)
    except StatementError:
        return _draft(loaded, text, options, before), {}
    if signatures.previous_of(text)[1] != (before.hash if before else ""):
        raise CommandError(f"{options.file} does not follow the newest statement.", "Sign the policy file anew.")
    return unpacked, found


def _draft(loaded: Config, policy_text: str, options: Namespace, before: Statement | None) -> str:
    """The text of the next statement. Raises CommandError, TopologyError."""
    if not options.because:
        raise CommandError(
            "A statement says why it was made.", 'Add --because "…": it stays in the history for good.', 2
        )
    places = list(before.places.values()) if before and not options.places else places_of(loaded, before)
    signers = before.signers if before else loaded.signers()
    if options.signers:
        signers = people_files.read_signers(options.signers)
    lease_s = options.lease or (before.lease_s if before else _LEASE_S)
    operators = before.operators if before else {}
    if options.operators:
        operators = people_files.read_operators(options.operators)
    try:
        drafted = statement_document.draft(policy_text, places, signers, options.because, before, lease_s, operators)
    except StatementError as error:
        raise CommandError(f"{options.file}: {error}.", "`darkroom policy check FILE` says more.") from error
    if before and _decides(statement_document.parse(drafted, "")) == _decides(before):
        raise CommandError(
            f"Statement {before.serial} says all of this already.", "See it with `darkroom policy show`."
        )
    return drafted


def _decides(statement: Statement) -> tuple[object, ...]:
    return statement.policy_text, statement.places, statement.signers, statement.operators, statement.lease_s


def _show_changes(statement: Statement, before: Statement | None) -> None:
    """What is another in this statement than in the one before, and why."""
    console = Console(highlight=False)
    console.print(f"Statement {statement.serial}:", terminal.text(statement.because))
    old = before.policy_text.splitlines() if before else []
    for line in difflib.unified_diff(old, statement.policy_text.splitlines(), "before", "policy", n=1, lineterm=""):
        console.print(terminal.text(line))
    known = before.places if before else {}
    for name in sorted({*known, *statement.places}):
        if known.get(name) != statement.places.get(name):
            how = "is new" if name not in known else "has changed" if name in statement.places else "is gone"
            console.print("The place", terminal.text(name), how + ".")
    for name in sorted({*(before.operators if before else ()), *statement.operators}):
        roles = ", ".join(sorted(statement.operators[name].roles)) if name in statement.operators else "none"
        if not before or before.operators.get(name) != statement.operators.get(name):
            console.print("The operator", terminal.text(name), "has the roles:", roles)
    if before and before.signers != statement.signers:
        console.print("From the next statement on, others sign:", terminal.text(", ".join(statement.signers.keys)))
        console.print("When it is in force, put their signers.json on every machine.")


def _publish(loaded: Config, signed: str, region: str) -> int:
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


def _key_id(signers: Signers, following: Signers, public: str) -> str:
    """Of the team that signs, or of the one that the statement appoints, which signs too. Raises CommandError."""
    for key_id, key in [*signers.keys.items(), *following.keys.items()]:
        if key == public:
            return key_id
    raise CommandError(
        "This key is not one of the compliance team's.", f"Their keys are {', '.join(signers.keys)}: name one of those."
    )
