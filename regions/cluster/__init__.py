"""Dask, and nothing else knows it: functions that run in worker processes, and objects that all of them share.

In come functions and arguments that can be pickled; out go results, the deaths of workers, and the number of places
for tasks. Writes no store. Read `dask_cluster`, `workers`, `rules`, `actors`.
"""
