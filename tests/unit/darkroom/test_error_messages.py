"""Every error that a command can meet is explained: what is wrong and what to do next."""

import pytest
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError

from darkroom.client.client import OtherFile, PhotoRejected, UploadInterrupted
from darkroom.client.http import ClientError, HomeAway, Throttled, Unreachable
from darkroom.command_error import CommandError
from darkroom.error_messages import explain, guarded, guarded_file
from regions.errors import ClientMissing, NotFound, PolicyError, TopologyError

NOT_FOUND = ClientError(404, "There is no such thing here", "there is no photo p_1", {})
SILENT = Unreachable("http://127.0.0.1:1", ReadTimeoutError(None, "/", "Read timed out. (read timeout=30)"))
REFUSED = Unreachable("http://127.0.0.1:1", MaxRetryError(None, "/", NewConnectionError(None, "refused")))
PHOTO = {"status": "failed", "reason": {"code": "truncated", "detail": "the file ends too early"}}

WORDS = [
    (CommandError("No system is running here.", "Run `darkroom up`."), "No system is running", "darkroom up"),
    (NOT_FOUND, "there is no photo p_1", "Check the id"),
    (ClientError(418, "I'm a teapot", "", {}), "I'm a teapot", ""),
    (ClientError(503, "Not available for the moment", "", {}), "Not available", "Try again"),
    (ClientError(422, "The request is well formed", "you can't follow yourself", {}), "follow yourself", ""),
    (ClientError(451, "Not shown here", "", {}), "Not shown here", "`darkroom policy explain PHOTO --at EDGE`"),
    (Throttled(240, "This is more than a fair share", "too many comments", {}), "too many comments", "about 4 minutes"),
    (UploadInterrupted("p_1", NOT_FOUND), "no photo p_1", "the same command again"),
    (OtherFile("a.jpg"), "a.jpg has another size or content", "without --resume"),
    (REFUSED, "http://127.0.0.1:1 does not answer now: nothing listens there", "darkroom up"),
    (SILENT, "http://127.0.0.1:1 does not answer now: it is silent", "Nothing is lost."),
    (HomeAway("eu-west", SILENT), "Your home region eu-west does not answer now", "Nothing is lost."),
    (HomeAway("eu-west", REFUSED), "nothing listens there", "darkroom up"),
    (ClientError(502, "Another server gave no usable response", "", {}), "Another server", "Nothing is lost."),
    (PhotoRejected(PHOTO), "the file ends too early", "Choose another file"),
    (NotFound("there is no region"), "there is no region", "Check the id"),
    (TopologyError("the topology is not TOML"), "not TOML", "--data"),
    (ClientMissing("redis"), "the library redis", "pip install 'darkroom[stores]'"),
    (PolicyError("policy.yaml:3: expected a list here"), "policy.yaml:3", ""),
    (TimeoutError("p_1 was still processing after 60 s"), "still processing", "darkroom photo ID"),
    (FileNotFoundError(2, "No such file or directory", "a.jpg"), "a.jpg can't be read: No such file", "Check the path"),
    (KeyboardInterrupt(), "Stopped.", ""),
]


@pytest.mark.parametrize(("error", "message", "advice"), WORDS, ids=[type(error).__name__ for error, _, _ in WORDS])
def test_every_error_is_explained(error, message, advice):
    """With a message, and with advice if there is any."""
    shown_message, shown_advice = explain(error)
    assert message in shown_message
    assert advice in shown_advice


def raising(error: BaseException):
    def command() -> int:
        raise error

    return command


def test_an_expected_error_becomes_a_message_and_an_exit_code(capsys):
    """The message is on standard error without a traceback, and standard output is empty."""
    assert guarded(raising(NOT_FOUND)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "✗" in captured.err
    assert "Traceback" not in captured.err


def test_wrong_usage_exits_with_2():
    """As in argparse."""
    assert guarded(raising(CommandError("There is no edge called 'x'.", "Known here: lisbon.", 2))) == 2


def test_ctrl_c_exits_with_130(capsys):
    """As a shell reports it."""
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert "Stopped." in capsys.readouterr().err


def test_an_error_of_one_file_of_several_names_the_file(capsys):
    """Ctrl-C is not an error of that file: it stops them all."""
    assert guarded_file("holiday/a.jpg", raising(NOT_FOUND)) == 1
    assert "holiday/a.jpg: There is no such thing here" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        guarded_file("a.jpg", raising(KeyboardInterrupt()))


def test_an_unexpected_error_is_not_hidden():
    """A defect keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        guarded(raising(ZeroDivisionError()))


def test_a_servers_text_is_not_interpreted_as_markup(capsys):
    """A problem's detail may contain anything."""
    guarded(raising(ClientError(400, "[red]No[/]", "[link=x]y", {})))
    assert "[red]No[/]: [link=x]y" in capsys.readouterr().err
