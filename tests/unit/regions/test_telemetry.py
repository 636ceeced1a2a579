"""Logs are one JSON object a line."""

import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.telemetry import JsonLines


def line(message: str, *arguments: object, **extra: object) -> dict:
    record = logging.makeLogRecord({"name": "origin.app", "levelname": "WARNING", "msg": message, "args": arguments})
    vars(record).update(extra)
    text = JsonLines("origin-eu-west").format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_who_and_what():
    """Its process, logger, level, time and message."""
    said = line("took %d s", 7)
    assert (said["process"], said["logger"], said["level"]) == ("origin-eu-west", "origin.app", "warning")
    assert said["message"] == "took 7 s"
    assert said["at"].endswith("Z")


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_stays_on_its_line(message, value):
    """Whatever a stranger put into it: no line can be forged."""
    said = line("%s", message, detail=value)
    assert (said["message"], said["detail"]) == (message, value)


def test_what_is_no_json_is_told_as_text():
    """A log line never fails for what it was given."""
    assert line("x", path=sys)["path"] == str(sys)


def test_an_exception_is_told_on_the_same_line():
    """With its traceback."""
    try:
        raise ValueError("broken")
    except ValueError:
        said = line("failed", exc_info=sys.exc_info())
    assert "ValueError: broken" in said["exception"]
    assert "exc_info" not in said


@pytest.mark.parametrize(("chatty", "told"), [("urllib3", False), ("origin", True)])
def test_a_process_logs_to_standard_error(chatty, told):
    """What libraries chat about is left out below a warning."""
    program = f"""
import logging
from regions import telemetry
telemetry.start("edge-lisbon")
logging.getLogger("{chatty}").info("hello")
logging.getLogger("{chatty}").warning("beware")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    messages = [json.loads(text)["message"] for text in ended.stderr.splitlines()]
    assert messages == (["hello", "beware"] if told else ["beware"])
    assert ended.stdout == ""
