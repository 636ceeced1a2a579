"""A report from another region is read with nothing in it trusted."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import BadGateway
from regions.residency import reports
from regions.residency.exchange import Report

REPORT = Report("eu-west", 7, "a" * 64, "b" * 64, 1.5, 58.0, ("c" * 64, "a" * 64))
DOCUMENT = reports.to_document(REPORT)


def test_what_is_sent_is_read():
    """Through JSON."""
    assert reports.from_document(json.loads(json.dumps(DOCUMENT)), "eu-west") == REPORT


def test_a_region_that_holds_nothing_and_never_heard_anybody_can_say_so():
    """Its age and its lease are infinite, which JSON can't say."""
    sent = reports.to_document(Report("eu-west", 0, "", "", math.inf, -math.inf))
    read = reports.from_document(json.loads(json.dumps(sent, allow_nan=False)), "eu-west")
    assert (read.age_s, read.lease_left_s, read.hash, read.pending) == (1e9, 0.0, "", ())


HOSTILE = {
    "another region": {"region": "eu-central"},
    "no region": {"region": None},
    "a negative serial": {"serial": -1},
    "a huge serial": {"serial": 1 << 41},
    "a serial that is true": {"serial": True},
    "a serial that is a text": {"serial": "7"},
    "a serial that is a fraction": {"serial": 7.0},
    "a hash that is short": {"hash": "a"},
    "a hash in capitals": {"hash": "A" * 64},
    "a hash with a line": {"hash": "a" * 64 + "\n"},
    "a hash that is none": {"hash": None},
    "a path": {"in_force": "../" * 20},
    "a negative age": {"age_s": -1.0},
    "an age that is NaN": {"age_s": math.nan},
    "an endless age": {"age_s": math.inf},
    "an age that is too large for a float": {"age_s": 10**400},
    "an age that is true": {"age_s": True},
    "a negative lease": {"lease_left_s": -1},
    "an endless lease": {"lease_left_s": math.inf},
    "a lease that is a text": {"lease_left_s": "60"},
    "pending that are a text": {"pending": "a" * 64},
    "pending that are none": {"pending": ["x"]},
    "pending with an empty hash": {"pending": [""]},
    "very many pending": {"pending": ["a" * 64] * 1000},
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_report_with_a_hostile_field_is_refused(fields):
    """As a whole."""
    with pytest.raises(BadGateway, match="eu-west sent no valid report"):
        reports.from_document({**DOCUMENT, **fields}, "eu-west")


@pytest.mark.parametrize("field", DOCUMENT)
def test_a_report_that_lacks_a_field_is_refused(field):
    """Whichever it is."""
    with pytest.raises(BadGateway):
        reports.from_document({name: value for name, value in DOCUMENT.items() if name != field}, "eu-west")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(DOCUMENT)), inner),
    max_leaves=12,
)


@given(anything)
def test_anything_else_is_a_bad_gateway(document):
    """And no other error."""
    with pytest.raises(BadGateway):
        reports.from_document(document, "eu-west")


@given(st.sampled_from(list(DOCUMENT)), anything)
def test_with_one_field_that_is_anything_a_report_is_valid_or_refused(field, value):
    """What is valid lends no time: a duration is neither negative nor endless."""
    try:
        report = reports.from_document({**DOCUMENT, field: value}, "eu-west")
    except BadGateway:
        return
    assert 0 <= report.age_s < math.inf
    assert 0 <= report.lease_left_s < math.inf
