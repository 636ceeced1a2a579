"""The real servers behind the five ports, on loopback: Cassandra, Kafka, Redis, Consul and versitygw (S3).

`python -m deploy.servers install` downloads and builds them into `.servers/` (once; it can be interrupted and resumed).
`python -m deploy.servers up` runs them until Ctrl-C. `python -m deploy.servers run -- COMMAND` runs them around a
command, which finds their addresses in the environment. There is a module for each kind of server: how to install it,
how to start it, and how to check that it really serves requests. They are for tests and for trying things out, not for
production. Read process, fleet and `__main__`, then a kind of server.
"""
