"""What people run: the `darkroom` command, the Python client, the one-machine launcher and the web page.

In come a person's files and wishes; out go requests to an edge. Writes only the `--data` folder: profiles
of those who signed up, and what the launcher keeps there. Only the operators' `where`, `prepare` and `doctor`
open stores.
"""
