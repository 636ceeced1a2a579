"""The table of topics is complete and consistent."""

from dataclasses import replace

from regions.events import messages, set_aside, topics
from regions.records import Photo, Status

PHOTO = Photo("p", "u", "open", "eu-west", Status.READY, "", 1, None, 5)


def test_every_message_has_its_topic_in_the_table():
    event = messages.photos_uploaded(PHOTO, 5)
    events = [
        event,
        replace(event, topic=topics.PHOTOS_DEFERRED),
        messages.photos_backfill("p", 2, False, 5),
        messages.photo_ready(PHOTO, 5),
        messages.photo_ready_again(PHOTO, 5),
        messages.photo_deleted(PHOTO, 5),
        messages.photo_referenced("p", "u", 5, 5),
        messages.follow_changed("u", "v", True, 5),
        messages.record_changed("like", "p", "u", "u", "eu", 5),
        *(set_aside.after_failure(event, "lane-us-central", "error", delay, 5) for delay in set_aside.DELAYS),
        messages.dead_letter(event, "fanout", "error", 5),
    ]
    assert sorted(event.topic for event in events) == sorted(topics.TOPICS)


def test_every_group_has_a_process():
    assert {group for topic in topics.TABLE for group in topic.groups} == set(topics.PROCESS_OF_GROUP)


def test_a_region_alone_has_no_lanes():
    assert not [group for _, group in topics.readers([]) if group.startswith(topics.LANE)]


def test_each_other_region_has_a_lane_that_reads_what_lanes_read():
    readers = topics.readers(["us-central", "ap-south"])
    for other in ("us-central", "ap-south"):
        assert [topic for topic, group in readers if group == f"lane-{other}"] == topics.topics_of(topics.LANE)


def test_topics_of_a_group_are_those_that_list_it():
    assert topics.topics_of(topics.ERASURE) == [topics.PHOTO_DELETED]
