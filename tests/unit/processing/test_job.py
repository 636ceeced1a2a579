"""The photo job on real stores: what it makes of a photo, and the reason it gives for each it declines."""

import hashlib
import io
import pickle

import pytest
from PIL import Image

from processing import fingerprints, imaging, job, moderation
from regions.records import Status
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key


def reason(outcome: job.Outcome) -> str:
    assert isinstance(outcome, job.Rejected)
    assert outcome.reason.detail
    return outcome.reason.code


def test_a_photo_becomes_four_variants(room, draw):
    """They lie in objects as the outcome says, and may be cached for ever."""
    photo, _ = room.uploaded(draw(1, 1400, 1000))
    outcome = job.run(room.request(photo))
    assert [(variant.size, variant.width) for variant in outcome.variants] == [(s, s) for s in (150, 320, 640, 1080)]
    for variant in outcome.variants:
        info = room.stores.objects.info(VARIANTS, variant_key(photo.photo_id, variant.size))
        assert (info.size_bytes, info.sha256) == (variant.size_bytes, variant.sha256)
        assert (info.content_type, info.cache_control) == ("image/jpeg", IMMUTABLE)
        with room.stores.objects.open(VARIANTS, info.key) as chunks:
            assert Image.open(io.BytesIO(b"".join(chunks))).size == (variant.width, variant.height)


def test_a_photo_is_described(room, draw):
    """Type, size, sum, camera and looks are what the bytes say."""
    data = draw(1, 400, 300)
    photo, _ = room.uploaded(data)
    outcome = job.run(room.request(photo))
    assert (outcome.content_type, outcome.width, outcome.height) == ("image/jpeg", 400, 300)
    assert outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert outcome.camera == "Darkroom Test Camera"
    assert len(outcome.perceptual_hash) == 16


def test_a_job_that_runs_twice_writes_the_same_bytes(room, draw):
    """So that a retry, or two workers at once, change nothing."""
    photo, _ = room.uploaded(draw(1, 700, 500))
    assert job.run(room.request(photo)) == job.run(room.request(photo))


def test_requests_and_outcomes_travel(room, draw):
    """Between processes, by pickle."""
    photo, _ = room.uploaded(draw(1))
    request = pickle.loads(pickle.dumps(room.request(photo)))
    outcome = job.run(request)
    assert pickle.loads(pickle.dumps(outcome)) == outcome


@pytest.mark.parametrize("said", [1, 5_000_000])
def test_a_photo_of_another_size_fails(room, draw, said):
    """Whether more or less has arrived than was announced."""
    photo, _ = room.uploaded(draw(1), size_bytes=said)
    assert reason(job.run(room.request(photo))) == "size-mismatch"


def test_a_photo_with_another_sum_fails(room, draw):
    """The client said what it sent, and something else arrived."""
    photo, _ = room.uploaded(draw(1), sha256="0" * 64)
    assert reason(job.run(room.request(photo))) == "checksum-mismatch"


def test_a_photo_with_its_sum_is_ready(room, draw):
    """The client said what it sent, and it arrived."""
    photo, _ = room.uploaded(draw(1), sha256=hashlib.sha256(draw(1)).hexdigest())
    assert isinstance(job.run(room.request(photo)), job.Ready)


def test_bytes_that_are_gone_fail(room, draw):
    """Somebody took the raw away."""
    photo, _ = room.uploaded(draw(1))
    room.stores.objects.delete(RAW, raw_key(photo.photo_id))
    assert reason(job.run(room.request(photo))) == "raw-missing"


def test_what_is_no_photo_fails(room):
    """Whatever the client called it."""
    photo, _ = room.uploaded(b"#!/bin/sh\nrm -rf /\n", content_type="image/jpeg")
    assert reason(job.run(room.request(photo))) == "not-an-image"


def test_a_photo_that_was_cut_off_fails(room, draw):
    """And leaves no variant with a grey half."""
    photo, _ = room.uploaded(draw(1, 800, 600)[:9000])
    assert reason(job.run(room.request(photo))) == "truncated"
    assert room.variants(photo) == []


def test_a_photo_that_claims_too_many_pixels_fails(room, png_header):
    """A decompression bomb is declined by its header."""
    photo, _ = room.uploaded(png_header(100_000, 100_000))
    assert reason(job.run(room.request(photo))) == "too-many-pixels"


@pytest.mark.parametrize("known_by", ["sha256", "phash"])
def test_a_known_bad_photo_is_rejected(room, draw, known_by):
    """By its bytes or by its looks, before any variant is written."""
    data = draw(1, 900, 700)
    photo, _ = room.uploaded(data)
    entry = fingerprints.sha256(data) if known_by == "sha256" else looks(data)
    outcome = job.run(room.request(photo, known_bad=moderation.parse(f"{known_by} {entry}")))
    assert (outcome.status, reason(outcome), room.variants(photo)) == (Status.REJECTED, "known-bad", [])


def looks(data: bytes) -> str:
    header = imaging.read_header(data, imaging.JPEG)
    return fingerprints.perceptual_hash(imaging.grey(imaging.decode(data, header)))


@pytest.mark.parametrize("late", range(len(job.STEPS)))
def test_time_is_looked_at_after_each_step(room, draw, late):
    """Whichever step took too long, none follows it."""
    photo, _ = room.uploaded(draw(1))
    done, now_s = [], [0.0]

    def counted(step):
        def run(work):
            step(work)
            done.append(step)
            now_s[0] += 61 if len(done) == late + 1 else 0

        return run

    work = job.Work(room.request(photo), room.stores.objects)
    assert reason(job.run_steps(work, [counted(step) for step in job.STEPS], lambda: now_s[0])) == "timed-out"
    assert done == list(job.STEPS[: late + 1])
