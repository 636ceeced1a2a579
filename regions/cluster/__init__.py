"""Dask, and nothing else knows it: functions that run in worker processes, and objects that all of them share.

In come functions and arguments that can be pickled; out go results, the deaths of workers, and how many tasks run at
once. Writes no store. Read `dask_cluster`, `in_worker`, `workers`, `rules`, `actors`.
"""
