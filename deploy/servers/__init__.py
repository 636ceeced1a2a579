"""The real servers behind the five ports, on loopback: Cassandra, Kafka, Redis, Consul and versitygw (S3).

`python -m deploy.servers install` fetches and builds them (once, resumable) into `.servers/`;
`python -m deploy.servers up` starts them until Ctrl-C; `python -m deploy.servers run -- COMMAND` starts them around
a command, which finds their addresses in the environment. Each kind is a file: how it is got, how it is started,
how one sees that it truly answers. For tests and for people who want to look; a company runs its own.
"""
