"""Every error that a command can meet says what is wrong and what to do next."""

import pytest
from urllib3.exceptions import HTTPError

from darkroom.client.client import PhotoRefused, UploadInterrupted
from darkroom.client.http import ClientError, Unreachable
from darkroom.command_error import CommandError
from darkroom.error_messages import explain, guarded
from regions.errors import NotFound, PolicyError, TopologyError

REFUSED = ClientError(404, "There is no such thing here", "there is no photo p_1", {})
PHOTO = {"status": "failed", "reason": {"code": "truncated", "detail": "the file ends too early"}}

WORDS = [
    (CommandError("No system is running here.", "Run `darkroom up`."), "No system is running", "darkroom up"),
    (REFUSED, "there is no photo p_1", "Check the id"),
    (ClientError(418, "I'm a teapot", "", {}), "I'm a teapot", "Try again"),
    (UploadInterrupted("p_1", REFUSED), "no photo p_1", "darkroom upload --resume p_1 FILE"),
    (Unreachable("http://127.0.0.1:1", HTTPError("refused")), "http://127.0.0.1:1 does not answer", "darkroom up"),
    (PhotoRefused(PHOTO), "the file ends too early", "Choose another file"),
    (NotFound("there is no region"), "there is no region", "Check the id"),
    (TopologyError("the topology is not TOML"), "not TOML", "--data"),
    (PolicyError("policy.yaml:3: expected a list here"), "policy.yaml:3", ""),
    (TimeoutError("p_1 was still processing after 60 s"), "still processing", "darkroom photo ID"),
    (FileNotFoundError(2, "No such file or directory", "a.jpg"), "a.jpg can't be read: No such file", "Check the path"),
    (KeyboardInterrupt(), "Stopped.", ""),
]


@pytest.mark.parametrize(("error", "message", "advice"), WORDS, ids=[type(error).__name__ for error, _, _ in WORDS])
def test_every_error_is_explained(error, message, advice):
    """In words, with a way out where there is one."""
    said, advised = explain(error)
    assert message in said
    assert advice in advised


def raising(error: BaseException):
    def command() -> int:
        raise error

    return command


def test_an_expected_error_is_words_and_an_exit_code(capsys):
    """No traceback: the message on standard error, and nothing on standard output."""
    assert guarded(raising(REFUSED)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "✗" in captured.err
    assert "Traceback" not in captured.err


def test_a_wrong_usage_exits_with_2():
    """As argparse does."""
    assert guarded(raising(CommandError("There is no edge called 'x'.", "Known here: lisbon.", 2))) == 2


def test_an_error_of_ours_is_not_hidden():
    """What nobody expected keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        guarded(raising(ZeroDivisionError()))


def test_text_of_a_server_is_not_obeyed_as_markup(capsys):
    """A problem's detail may hold anything."""
    guarded(raising(ClientError(400, "[red]No[/]", "[link=x]y", {})))
    assert "[red]No[/]: [link=x]y" in capsys.readouterr().err
