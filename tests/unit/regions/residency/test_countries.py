"""The country codes are those that ISO 3166-1 has assigned."""

import re
from pathlib import Path

from regions.residency.countries import ASSIGNED

PAGE = Path(__file__).parents[4] / "darkroom" / "web" / "countries.js"


def test_there_are_249_codes():
    """Of two capital letters each."""
    assert len(ASSIGNED) == 249
    assert all(re.fullmatch("[A-Z]{2}", code) for code in ASSIGNED)


def test_reserved_and_user_assigned_codes_are_not_accepted():
    """Nor the codes that other lists use instead."""
    assert not {"UK", "EL", "EU", "XX", "XK", "AN", "SU", "ZZ", "AA"} & ASSIGNED
    assert {"GB", "GR", "AX", "SS"} <= ASSIGNED


def test_the_sign_up_page_offers_exactly_these_codes():
    """So that every country on it is accepted."""
    assert set(re.findall(r"\b[A-Z]{2}\b", PAGE.read_text().partition("`")[2].partition("`")[0])) == ASSIGNED
