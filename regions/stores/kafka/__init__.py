"""The event log on Kafka 3, by the request and response classes of pykafka over connections of our own.

Events come in by `publish` and go out to consumer groups; topics, groups and commits are all that is written. `adapter`
opens it, and `events` is the port. Read in this order:

    connection  one connection to a broker, and a pool of idle ones
    cluster     who leads a partition, who coordinates a group; creates topics
    stamped_topics  which topics a region has, and their stamp
    producer    publishes
    offsets     where a log begins and ends, and what a group has committed
    group       membership in a consumer group: the protocol, step by step
    fetcher     the next events of some partitions
    consumer    one member of a group: polls, commits
    health      what `darkroom doctor` checks
"""
