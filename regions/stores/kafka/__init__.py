"""The event log on Kafka, by the request and response classes of pykafka over connections of our own.

`adapter` opens it. Read `connection`, `cluster` (which broker to ask), `group` (membership in a consumer group),
`fetcher`, `consumer`, `producer` and `offsets`.
"""
