"""Properties of reading client input: from any JSON comes a value of the right type and bounds, or BadRequest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from origin import fields
from origin.uploads import chosen_parts, missing_parts
from regions.errors import BadRequest, Unprocessable
from regions.records import Upload
from regions.stores.objects import Part

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(JSON, st.integers(1, 20), st.booleans())
def test_a_text_is_within_its_bounds_or_rejected(value, most, lines):
    """Trimmed, not empty, encodable, and without control characters except line breaks and tabs."""
    try:
        text = fields.text({"name": value}, "name", most, lines=lines)
    except BadRequest as error:
        assert "name" in error.detail
        return
    assert 1 <= len(text) <= most
    assert text == text.strip()
    assert text.encode()
    assert lines or text.replace("\t", " ").isprintable() or not any(ord(letter) < 32 for letter in text)


@given(st.text(st.sampled_from("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), min_size=1, max_size=3))
def test_a_text_with_bidirectional_controls_is_rejected(controls):
    """Wherever they are."""
    for value in (controls, f"a{controls}b"):
        with pytest.raises(BadRequest):
            fields.text({"name": value}, "name", 10)


INVISIBLE = " \u00a0\u200b\u200d\u2060\ufeff\u0301\ufe0f\u115f\u1160\u3164\uffa0\u2800\ue000"


@given(st.text(st.sampled_from(INVISIBLE), max_size=9))
def test_a_text_without_a_visible_character_is_rejected(value):
    """Spaces, joiners, combining marks alone, blank letters."""
    with pytest.raises(BadRequest):
        fields.text({"name": value}, "name", 10)


@given(JSON, st.integers(-3, 3), st.integers(4, 9))
def test_an_integer_is_within_its_bounds_or_rejected(value, least, most):
    """Booleans and floats are not integers."""
    try:
        number = fields.integer({"n": value}, "n", least, most)
    except BadRequest:
        return
    assert type(number) is int
    assert least <= number <= most


@given(JSON)
def test_lists_contain_the_right_type_or_are_rejected(value):
    """Objects, or strings."""
    for read, kind in ((fields.objects, dict), (lambda *a: fields.texts(*a, 5), str)):
        try:
            items = read({"list": value}, "list", 2)
        except BadRequest:
            continue
        assert len(items) <= 2
        assert all(isinstance(item, kind) for item in items)


UPLOADS = st.builds(
    lambda size_bytes, part_size_bytes: Upload("p_00000000001", "m", "a.jpg", size_bytes, part_size_bytes, 0),
    st.integers(1, 60),
    st.integers(1, 20),
)


@given(UPLOADS)
def test_the_parts_of_an_upload_add_up_to_its_size(upload):
    """No part is empty, and only the last may be shorter."""
    sizes = upload.part_sizes()
    assert sum(sizes) == upload.size_bytes
    assert set(sizes[:-1]) <= {upload.part_size_bytes}
    assert 0 < sizes[-1] <= upload.part_size_bytes


@settings(max_examples=200)
@given(UPLOADS, st.data())
def test_an_object_is_made_of_exactly_the_parts_that_arrived(upload, data):
    """All parts, with their lengths and with the ETags that the client claims."""
    arrived = data.draw(
        st.lists(
            st.builds(Part, st.integers(1, 6), st.sampled_from("ab"), st.integers(1, 20)),
            unique_by=lambda part: part.number,
        )
    )
    claimed = data.draw(st.dictionaries(st.integers(1, 6), st.sampled_from("ab"), max_size=6))
    try:
        parts = chosen_parts(upload, claimed, arrived)
    except Unprocessable:
        return
    assert [part.size_bytes for part in parts] == upload.part_sizes()
    assert {part.number: part.etag for part in parts} == claimed
    assert missing_parts(upload, arrived) == []


def test_the_parts_of_a_whole_upload_are_chosen_in_order():
    """In whatever order they arrived."""
    upload = Upload("p_00000000001", "m", "a.jpg", 5, 2, 0)
    arrived = [Part(3, '"c"', 1), Part(1, '"a"', 2), Part(2, '"b"', 2)]
    assert [part.number for part in chosen_parts(upload, {1: "a", 2: "b", 3: '"c"'}, arrived)] == [1, 2, 3]


def test_an_error_names_the_field():
    with pytest.raises(BadRequest, match="caption"):
        fields.text({"caption": 7}, "caption", 10)
