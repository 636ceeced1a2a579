"""What `darkroom run KIND NAME` starts: one process of a region, or one edge.

`run` imports the process's own room before anything else, since gevent must patch first; `entry_points` then reads the
settings and serves or works until SIGTERM; `wsgi` is gunicorn as the origin and the object server use it.
"""
