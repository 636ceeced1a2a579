"""One photo's job, and its imaging beside other libraries and servers: `bench/photos.py` runs them.

In: photos that `photos` draws from seeds. Out: rows of results. `contender` says what everyone who makes variants can
do; `in_process`, `sharp` and `thumbor` are those who do it. `speed` and `quality` compare them on the same photos;
`whole_job` takes ours through a region's stores.
"""
