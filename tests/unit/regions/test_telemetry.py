"""Logs are one JSON object per line."""

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


def test_a_line_has_process_logger_level_time_and_message():
    logged = line("took %d s", 7)
    assert (logged["process"], logged["logger"], logged["level"]) == ("origin-eu-west", "origin.app", "warning")
    assert logged["message"] == "took 7 s"
    assert logged["at"].endswith("Z")


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_stays_on_one_line(message, value):
    """So a hostile text can't forge a line."""
    logged = line("%s", message, detail=value)
    assert (logged["message"], logged["detail"]) == (message, value)


def test_a_value_that_is_not_json_is_logged_as_text():
    """A log call never fails because of its values."""
    assert line("x", path=sys)["path"] == str(sys)


def test_an_exception_is_logged_on_the_same_line():
    """With its traceback."""
    try:
        raise ValueError("broken")
    except ValueError:
        logged = line("failed", exc_info=sys.exc_info())
    assert "ValueError: broken" in logged["exception"]
    assert "exc_info" not in logged


@pytest.mark.parametrize(("logger", "is_chatty"), [("urllib3", True), ("origin", False)])
def test_a_process_logs_to_standard_error(logger, is_chatty):
    """Chatty libraries only from level WARNING on."""
    program = f"""
import logging
from regions import telemetry
telemetry.start("edge-lisbon")
logging.getLogger("{logger}").info("hello")
logging.getLogger("{logger}").warning("beware")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    messages = [json.loads(text)["message"] for text in ended.stderr.splitlines()]
    assert messages == (["beware"] if is_chatty else ["hello", "beware"])
    assert ended.stdout == ""
