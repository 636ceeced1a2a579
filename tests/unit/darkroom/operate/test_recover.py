"""An operator lets somebody in who can't sign in any more."""

import pytest

from darkroom.cli import main
from darkroom.command_error import CommandError
from darkroom.operate.operators import KEY_FILE
from darkroom.operate.recover import issue
from origin.accounts import recovery_codes
from regions import config
from regions.border.kinds import RecordName, change_of
from regions.errors import NotFound
from regions.preparation import prepare_region
from regions.records import User
from regions.residency.statement import Role
from tests.builders.operators import state_operators
from tests.builders.statements import Compliance
from tests.builders.topologies import one_region


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.objects").write_text("secret")
    (tmp_path / "topology.toml").write_text(one_region(tmp_path))
    made = config.load(tmp_path / "topology.toml", {})
    prepare_region(made, "eu-west")
    return made


@pytest.fixture
def catalog(loaded):
    opened = config.open_catalog(loaded, "eu-west")
    yield opened
    opened.close()


@pytest.fixture
def olga(catalog, loaded) -> User:
    """A user of version 0.2."""
    from regions import ids

    number = ids.compose(ids.Snowflake(ids.EPOCH_MS, loaded.topology.regions["eu-west"].number, 0, 0))
    user = User(ids.to_public(ids.USER, number), "Olga", "PT", "eu", "eu-west", 7)
    catalog.users.add(user)
    return user


def test_a_user_of_the_version_before_gets_a_handle_and_a_code(catalog, olga):
    user, code = issue(catalog, olga.user_id, "olga")
    assert user.handle == "olga" and catalog.handles.owner("olga") == olga.user_id
    assert catalog.users.get(olga.user_id) == user
    assert recovery_codes.find(code, catalog.credentials.of_user(olga.user_id)) is not None
    # The janitor says so to the lanes.
    assert [change_of(event).name for event in catalog.outbox.pending(9)] == [
        RecordName("user", olga.user_id),
        RecordName("credentials", olga.user_id),
    ]


def test_who_has_a_handle_keeps_it(catalog, olga):
    """And gets one more code."""
    issue(catalog, olga.user_id, "olga")
    user, _ = issue(catalog, olga.user_id, None)
    assert user.handle == "olga" and len(catalog.credentials.of_user(olga.user_id)) == 2


def test_a_handle_that_is_taken_is_not_given(catalog, olga):
    assert catalog.handles.claim("olga", "u_00000000001")
    with pytest.raises(CommandError):
        issue(catalog, olga.user_id, "olga")
    with pytest.raises(CommandError):
        issue(catalog, olga.user_id, None)
    assert catalog.credentials.of_user(olga.user_id) == []


def test_nobody_who_is_not_there_or_deleted_gets_a_code(catalog, olga):
    catalog.users.mark_deleted(olga.user_id, 8)
    for user_id in (olga.user_id, "u_00000000001"):
        with pytest.raises(NotFound):
            issue(catalog, user_id, "olga")


def test_the_command_prints_what_to_do_with_the_code(loaded, olga, tmp_path, capsys, monkeypatch):
    files = state_operators(loaded, tmp_path, Compliance(), eva={Role.OPERATOR})
    monkeypatch.setenv(KEY_FILE, str(files["eva"]))
    arguments = ["recover", olga.user_id, "--topology", str(tmp_path / "topology.toml")]
    assert main([*arguments, "--handle", "Olga"]) == 2
    assert main([*arguments, "--handle", "olga"]) == 0
    assert main(["recover", "olga@eu-west", *arguments[2:]]) == 0
    for nobody, code in (("nobody@eu-west", 1), ("olga@mars", 2)):
        assert main(["recover", nobody, *arguments[2:]]) == code
    out = capsys.readouterr().out
    assert "darkroom signin olga@eu-west" in out and "--recovery-code" in out
