"""The index of a cache's tier, checked against a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from edge.grants import Key
from edge.key_index import KeyIndex

keys = st.builds(Key, st.sampled_from(["p_1", "p_2"]), st.sampled_from(["320.jpg", "320.v2.jpg", "320.avif"]))


@given(st.lists(st.tuples(keys, st.none() | st.integers())))
def test_the_keys_of_a_photo_are_those_that_are_in_the_index(changes):
    """Whatever was set (a number) and removed (None) before."""
    index, model = KeyIndex(), {}
    for key, value in changes:
        if value is None:
            assert index.pop(key, None) == model.pop(key, None)
        else:
            index[key] = model[key] = value
        assert index == model
        for photo_id in ("p_1", "p_2", "p_3"):
            assert sorted(index.keys_of(photo_id)) == sorted(one for one in model if one.photo_id == photo_id)
    for key in model:
        del index[key]
    assert index._photos == {}
