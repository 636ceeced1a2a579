"""The documents of the border: what one end writes the other reads unchanged, and any other document is refused."""

import base64
import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from origin.fields import MAX_BODY_BYTES
from regions import ids
from regions.border import batches, bounds
from regions.border.follows import Referenced, parse_references, references_document
from regions.border.kinds import COMMENT, CREDENTIALS, FOLLOW, KINDS, LIKE, USER, RecordName
from regions.border.offers import (
    AnsweredObject,
    ObjectState,
    Offer,
    OfferAnswer,
    OfferedObject,
    Reference,
    answer_document,
    offer_document,
    parse_answer,
    parse_offer,
)
from regions.border.records import SentRecord, kept_document, parse_kept, parse_record, record_document
from regions.image_limits import CONTENT_TYPES
from regions.records import MAX_CAPTION_CHARS, Photo, Status, Variant
from regions.residency.decide import Subject
from regions.stores.objects import SignedPut
from regions.variant_names import CONTENT_TYPES as FORMATS

HOME = "us-central"
sha256s = st.binary(min_size=32, max_size=32).map(bytes.hex)
times = st.integers(0, 253_402_300_799_999)
sizes = st.integers(0, 32 << 20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
numbers = st.integers(0, (1 << 63) - 1)
photo_ids, user_ids = numbers.map(lambda one: ids.to_public("p", one)), numbers.map(lambda one: ids.to_public("u", one))
variants = st.builds(
    Variant, st.integers(1, 99_999), st.integers(0, 9999), st.integers(0, 9999), sizes, sha256s, st.integers(1, 9999),
    st.sampled_from(sorted(FORMATS)),
)  # fmt: skip
bidi_controls = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
shown = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=bidi_controls)
captions = st.text(shown, max_size=MAX_CAPTION_CHARS)
placeholders = st.none() | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
optional_lines = st.none() | st.text(shown, max_size=40)


def made_with(photo_id):
    """The times that a record of this photo may have."""
    return st.integers(0, ids.parse("p", photo_id).at_ms + bounds.AHEAD_MS)


@st.composite
def offers(draw) -> Offer:
    photo_id, owner_id, residency_class = draw(photo_ids), draw(user_ids), draw(texts)
    created_at_ms = draw(made_with(photo_id))
    of_photo = draw(st.lists(variants, max_size=6, unique_by=lambda one: one.name))
    photo = Photo(
        photo_id, owner_id, residency_class, HOME, Status.READY,
        draw(captions), draw(sizes),
        draw(st.none() | sha256s), created_at_ms, draw(optional_lines), draw(st.none() | st.integers(0, 1 << 20)), None,
        draw(optional_lines), draw(optional_lines), draw(optional_lines), tuple(of_photo),
        placeholder=draw(placeholders),
    )  # fmt: skip
    objects = [OfferedObject(one.name, one.sha256, one.size_bytes) for one in of_photo]
    raw = OfferedObject("", draw(sha256s), draw(sizes), draw(st.sampled_from(CONTENT_TYPES)))
    return Offer(
        photo_id,
        Subject(residency_class, HOME),
        (*objects, *([raw] if draw(st.booleans()) else [])),
        draw(st.none() | st.just(photo)),
        draw(st.none() | st.just(Reference(owner_id, created_at_ms))),
    )


def crossed(document):
    """As the other end gets it."""
    return json.loads(json.dumps(document))


@given(offers())
def test_an_offer_is_read_as_it_was_written(offer):
    assert parse_offer(crossed(offer_document(offer)), HOME) == offer


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Cache-Control", "If-None-Match", "x-amz-checksum-sha256"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100),
)
puts = st.none() | st.builds(SignedPut, words, headers)
answered = st.builds(AnsweredObject, st.sampled_from(ObjectState), words, words, puts)


@given(offers(), st.data())
def test_an_answer_is_read_as_it_was_written(offer, data):
    answer = OfferAnswer(
        False, {one.variant: data.draw(answered) for one in offer.objects}, data.draw(st.booleans()), True
    )
    assert parse_answer(crossed(answer_document(answer)), offer) == answer


@given(st.lists(st.integers(2, 9000), min_size=1, max_size=99))
def test_a_batch_within_its_weight_is_within_what_an_origin_takes(sizes):
    items, left = list[bytes](), batches.MAX_BYTES
    for size in sizes:
        item = b'"' + b"x" * (size - 2) + b'"'
        left -= batches.weight(item)
        items += [item] if left >= 0 else []
    assert len(items) <= batches.MAX_ITEMS
    assert len(batches.batch_text("offers", items)) < MAX_BODY_BYTES
    assert json.loads(batches.batch_text("offers", items)) == {"offers": [json.loads(item) for item in items]}


@given(numbers, st.lists(st.tuples(numbers, texts), max_size=9), st.data())
def test_references_are_read_as_they_were_written(author, made, data):
    author_id, region = ids.to_public("u", author), ids.take_apart(author).region
    references = []
    for number, residency_class in made:
        photo_id = ids.to_public("p", ids.compose(ids.take_apart(number)._replace(region=region)))
        created_at_ms = data.draw(made_with(photo_id))
        references.append(Referenced(photo_id, author_id, created_at_ms, residency_class))
    assert parse_references(crossed(references_document(references)), author_id) == references


comment_ids = numbers.map(lambda one: ids.to_public("c", one))
names = st.one_of(
    st.builds(RecordName, st.sampled_from([USER, CREDENTIALS]), user_ids),
    st.builds(RecordName, st.just(FOLLOW), user_ids, user_ids),
    st.builds(RecordName, st.just(LIKE), photo_ids, user_ids),
    st.builds(RecordName, st.just(COMMENT), photo_ids, comment_ids),
)
record_texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)


@st.composite
def records(draw) -> SentRecord:
    name = draw(names)
    person_id = KINDS[name.kind].person_of(name) or draw(user_ids)
    return SentRecord(name, person_id, draw(texts), draw(times), draw(record_texts))


@given(records())
def test_a_record_is_read_as_it_was_written(record):
    assert parse_record(crossed(record_document(record))) == record


@given(st.none() | times)
def test_what_is_there_of_a_record_is_read_as_it_was_written(other_version):
    assert parse_kept(crossed(kept_document(other_version))) == other_version


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)


@given(offers(), st.data())
def test_a_document_with_anything_in_any_place_is_read_or_refused(offer, data):
    """By an error that both ends turn into a problem, and by no other."""
    document = crossed(offer_document(offer))
    target = document
    for _ in range(data.draw(st.integers(1, 4))):
        keys = range(len(target)) if isinstance(target, list) else list(target)
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], (dict, list)) or data.draw(st.booleans()):
            target[key] = data.draw(anything)
            break
        target = target[key]
    with suppress(KeyError, TypeError, ValueError):
        read = parse_offer(document, HOME)
        assert len({one.variant for one in read.objects}) == len(read.objects)
        for one in read.objects:
            assert ".." not in one.key(read.photo_id) and one.size_bytes >= 0


@given(records(), st.data())
def test_a_record_with_anything_in_any_place_is_read_or_refused(record, data):
    """And if it is read, it is one of that person's, of a kind that there is."""
    document = crossed(record_document(record))
    document[data.draw(st.sampled_from(list(document)))] = data.draw(anything)
    with suppress(KeyError, TypeError, ValueError):
        read = parse_record(document)
        assert KINDS[read.name.kind].person_of(read.name) in ("", read.person_id)


@given(anything)
def test_no_value_is_taken_for_another_type(value):
    """True is no number, and 1.0 no whole one."""
    for read, kind in ((lambda one: bounds.integer(one, 10), int), (bounds.boolean, bool), (bounds.sha256, str)):
        with suppress(TypeError, ValueError):
            assert type(read(value)) is kind
