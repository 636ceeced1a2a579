"""The photo job on real stores: what it makes of a photo, and with which reason it rejects others."""

import hashlib
import io
import pickle
from functools import partial, wraps
from itertools import count

import pytest
from PIL import Image

from processing import fingerprints, job, moderation, worker
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey, scale
from processing.photo_processor import PhotoProcessor
from regions import config as configuration
from regions.errors import Unavailable
from regions.records import Status
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key


def reason(outcome: job.Outcome) -> str:
    assert isinstance(outcome, job.Rejected)
    assert outcome.reason.detail
    return outcome.reason.code


def test_a_photo_becomes_four_variants(room, draw):
    """They are stored as the outcome describes them, and may be cached forever."""
    photo, _ = room.uploaded(draw(1, 1400, 1000))
    outcome = job.run(room.request(photo))
    assert [(variant.size, variant.width) for variant in outcome.variants] == [(s, s) for s in (150, 320, 640, 1080)]
    for variant in outcome.variants:
        info = room.stores.objects.info(VARIANTS, variant_key(photo.photo_id, variant.name))
        assert (info.size_bytes, info.sha256) == (variant.size_bytes, variant.sha256)
        assert (info.content_type, info.cache_control) == ("image/jpeg", IMMUTABLE)
        with room.stores.objects.open(VARIANTS, info.key) as chunks:
            assert Image.open(io.BytesIO(b"".join(chunks))).size == (variant.width, variant.height)


def test_the_outcome_describes_the_photo(room, draw):
    """Type, size, checksum, camera and perceptual hash are read from the bytes."""
    data = draw(1, 400, 300)
    photo, _ = room.uploaded(data)
    outcome = job.run(room.request(photo))
    assert (outcome.content_type, outcome.width, outcome.height) == ("image/jpeg", 400, 300)
    assert outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert outcome.camera == "Darkroom Test Camera"
    assert len(outcome.perceptual_hash) == 64


def test_a_job_that_runs_twice_writes_the_same_bytes(room, draw):
    """So a retry, or two workers at the same time, change nothing."""
    photo, _ = room.uploaded(draw(1, 700, 500))
    assert job.run(room.request(photo)) == job.run(room.request(photo))


def test_requests_and_outcomes_can_be_pickled(room, draw):
    """Because they are sent between processes."""
    photo, _ = room.uploaded(draw(1))
    request = pickle.loads(pickle.dumps(room.request(photo)))
    outcome = job.run(request)
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_no_secret_travels_with_a_job(room, draw):
    """Not one of the environment, which the processor has read, and not one of a file."""
    secret = "a-secret-key-of-the-environment"
    config = configuration.load(room.config.path, {"DARKROOM_EU_WEST_S3_KEYS": f"ACCESS {secret}"})
    worker.become(worker.Worker(config, None))
    assert secret in config.env_secrets["eu-west.s3"]
    photo, _ = room.uploaded(draw(1))
    begun = PhotoProcessor("eu-west", room.stores, *[None] * 5)._begin(photo.photo_id)
    _, request = begun
    pickled = pickle.dumps(request)
    assert secret.encode() not in pickled
    assert (room.config.secrets / "eu-west.objects").read_bytes() not in pickled
    assert str(room.folder).encode() not in pickled


def test_a_photo_that_needs_more_memory_than_this_worker_has_is_not_decoded(room, draw):
    """A worker over its limit would be killed. The job says how much it needs, and a larger worker makes the photo."""
    photo, _ = room.uploaded(draw(1, 1400, 1000))
    worker.become(worker.Worker(room.config, 1 << 20))
    needed = job.run(room.request(photo))
    assert isinstance(needed, job.NeedsMemory) and room.variants(photo) == []
    worker.become(worker.Worker(room.config, needed.memory_bytes))
    assert isinstance(job.run(room.request(photo)), job.Ready)


@pytest.mark.parametrize("announced_bytes", [1, 5_000_000])
def test_a_photo_of_another_size_than_announced_fails(room, draw, announced_bytes):
    """Whether more or less has arrived."""
    photo, _ = room.uploaded(draw(1), size_bytes=announced_bytes)
    assert reason(job.run(room.request(photo))) == "size-mismatch"


def test_a_photo_with_another_checksum_than_announced_fails(room, draw):
    """The client announced a SHA-256, and other bytes arrived."""
    photo, _ = room.uploaded(draw(1), sha256="0" * 64)
    assert reason(job.run(room.request(photo))) == "checksum-mismatch"


def test_a_photo_with_the_announced_checksum_is_ready(room, draw):
    """The client announced a SHA-256, and those bytes arrived."""
    photo, _ = room.uploaded(draw(1), sha256=hashlib.sha256(draw(1)).hexdigest())
    assert isinstance(job.run(room.request(photo)), job.Ready)


def test_a_photo_without_its_raw_fails(room, draw):
    """Somebody deleted the raw from the store."""
    photo, _ = room.uploaded(draw(1))
    room.stores.objects.delete(RAW, raw_key(photo.photo_id))
    assert reason(job.run(room.request(photo))) == "raw-missing"


def test_a_file_that_is_not_an_image_fails(room):
    """Whatever content type the client claims."""
    photo, _ = room.uploaded(b"#!/bin/sh\nrm -rf /\n", content_type="image/jpeg")
    assert reason(job.run(room.request(photo))) == "not-an-image"


def test_a_truncated_photo_fails(room, draw):
    """And no variant with a grey half is stored."""
    photo, _ = room.uploaded(draw(1, 800, 600)[:9000])
    assert reason(job.run(room.request(photo))) == "truncated"
    assert room.variants(photo) == []


def test_a_region_may_refuse_what_others_accept(room, draw):
    """Its topology says how many megapixels it decodes; the reason names the limit."""
    photo, _ = room.uploaded(draw(1, 1400, 1000))
    assert isinstance(job.run(room.request(photo)), job.Ready)
    limited = job.Work(room.request(photo), room.stores.objects, moderation.KnownBad(), max_pixels=1_000_000)
    outcome = job.run_steps(limited, job.STEPS)
    assert reason(outcome) == "too-many-pixels"
    assert "1 megapixels" in outcome.reason.detail


def test_a_photo_that_claims_too_many_pixels_fails(room, png_header):
    """A decompression bomb is rejected by its header."""
    photo, _ = room.uploaded(png_header(100_000, 100_000))
    assert reason(job.run(room.request(photo))) == "too-many-pixels"


@pytest.mark.parametrize("known_by", ["sha256", "phash"])
def test_a_known_bad_photo_is_rejected(room, draw, known_by):
    """By its bytes or by its perceptual hash, before any variant is written."""
    data = draw(1, 900, 700)
    photo, _ = room.uploaded(data)
    entry = fingerprints.sha256(data) if known_by == "sha256" else hash_of(data)
    outcome = job.run(room.request(photo, known_bad=moderation.parse(f"{known_by} {entry}")))
    assert (outcome.status, reason(outcome), room.variants(photo)) == (Status.REJECTED, "known-bad", [])


def test_a_picture_without_detail_is_rejected_for_its_bytes_only(room, file):
    """It has no perceptual hash, so no entry for what looks like something matches it."""
    data = file(Image.new("RGB", (400, 300), (120, 160, 220)))
    looks_like = "\n".join(f"phash {bits * 64} {moderation.MAX_DISTANCE_BITS}" for bits in ("0", "8", "f"))
    first, _ = room.uploaded(data, sequence=1)
    outcome = job.run(room.request(first, known_bad=moderation.parse(looks_like)))
    assert isinstance(outcome, job.Ready) and outcome.perceptual_hash is None
    second, _ = room.uploaded(data, sequence=2)
    known_bad = moderation.parse(f"sha256 {fingerprints.sha256(data)}")
    assert reason(job.run(room.request(second, known_bad=known_bad))) == "known-bad"


def hash_of(data: bytes) -> str:
    return fingerprints.perceptual_hash(grey(scale(decode(read_header(data)))))


def run_with_slow(slow: job.Step, room, photo) -> tuple[job.Outcome, list[job.Step]]:
    """One step takes 61 s. The outcome, and the steps that were done."""
    done, now_s = [], [0.0]

    def timed(step):
        @wraps(step)
        def run(work):
            step(work)
            done.append(step)
            now_s[0] += 61 if step is slow else 0

        return run

    work = job.Work(room.request(photo), room.stores.objects, moderation.KnownBad(), lambda: now_s[0])
    return job.run_steps(work, list(map(timed, job.STEPS))), done


@pytest.mark.parametrize("slow", [step for step in job.STEPS if step not in (job.fetch, job.store)])
def test_the_time_is_checked_after_each_step(room, draw, slow):
    """No step follows the one that took too long, whichever that is."""
    photo, _ = room.uploaded(draw(1))
    outcome, done = run_with_slow(slow, room, photo)
    assert reason(outcome) == "timed-out"
    assert done == list(job.STEPS[: job.STEPS.index(slow) + 1])


@pytest.mark.parametrize("slow", [job.fetch, job.store])
def test_a_slow_store_takes_no_time_from_a_photo(room, draw, slow):
    photo, _ = room.uploaded(draw(1))
    outcome, _ = run_with_slow(slow, room, photo)
    assert isinstance(outcome, job.Ready)


@pytest.mark.parametrize(("step", "error"), [(job.fetch, "has given"), (job.store, "has not taken")])
def test_a_store_that_trickles_lets_the_photo_wait(room, draw, step, error):
    """Each part comes or goes before the connection times out, but the whole would take hours."""
    photo, _ = room.uploaded(draw(1, 1400, 1000))
    work = job.Work(room.request(photo), room.stores.objects, moderation.KnownBad())
    for earlier in job.STEPS[: job.STEPS.index(step)]:
        earlier(work)
    work.clock_s = partial(next, count(step=61))
    with pytest.raises(Unavailable, match=error):
        job.run_steps(work, [step])
