"""Each variant has one name, and a text that is not exactly a name is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.variant_names import CONTENT_TYPES, MAX_RECIPE, VariantName, parse, variant_name

names = st.builds(VariantName, st.integers(1, 99_999), st.integers(1, MAX_RECIPE), st.sampled_from([*CONTENT_TYPES]))
almost_names = st.from_regex(r"\A\d{1,6}(\.v\d{1,5})?\.(jpg|avif|webp|jpeg|png)\n?\Z") | st.text(max_size=20)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("640.jpg", (640, 1, "jpg")),
        ("640.v2.jpg", (640, 2, "jpg")),
        ("640.avif", (640, 1, "avif")),
        ("640.v2.avif", (640, 2, "avif")),
        ("99999.v9999.webp", (99_999, 9999, "webp")),
    ],
)
def test_a_name_says_size_recipe_and_format(name, parsed):
    """Recipe 1 is not written."""
    assert parse(name) == parsed
    assert variant_name(*parsed) == name


@given(names)
def test_every_variant_has_a_name_that_is_read_back(variant):
    """It is at most 16 characters long."""
    name = variant_name(*variant)
    assert parse(name) == variant
    assert len(name) <= 16


@given(almost_names)
def test_no_variant_has_a_second_name(text):
    """What is read as a name is the name of what was read."""
    parsed = parse(text)
    assert parsed is None or variant_name(*parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "640", "640.", ".jpg", "640jpg", "0.jpg", "0640.jpg", "100000.jpg", "-1.jpg", "+1.jpg", "1_0.jpg", "٣.jpg",
        "640.v1.jpg", "640.v0.jpg", "640.v02.jpg", "640.v10000.jpg", "640.v.jpg", "640.V2.jpg", "640.2.jpg",
        "640.v٣.jpg", "640.JPG", "640.jpeg", "640.png", "640.jpg.avif", "640.v2.v2.jpg", "640.jpg\n", " 640.jpg",
        "640.jpg/", "../640.jpg",
    ],
)  # fmt: skip
def test_any_other_text_is_no_name(text):
    assert parse(text) is None


@given(names.filter(lambda variant: variant.recipe > 1))
def test_recipes_and_formats_of_one_size_have_different_names(variant):
    """So processing a photo again replaces nothing."""
    others = [variant_name(variant.size, 1, format) for format in CONTENT_TYPES]
    assert variant_name(*variant) not in others
