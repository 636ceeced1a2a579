"""Copying objects from one S3 server to another: `bench/lanes.py` runs it.

In: nothing; `store_pair` starts the servers and fills one of them. Out: seconds, and what the other one has then.
`rclone` is the peer; `lane` is ours, through the border API, between two real regions (`beside` starts the one that is
beside its store, behind the line); `plain_threads` is what there is to lose: the same requests without the border, its
decisions and its records.
"""
