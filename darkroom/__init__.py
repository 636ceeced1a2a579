"""What people run: the `darkroom` command, the Python client, the one-machine launcher and the web page.

Takes a user's files and commands, and sends requests to an edge. Writes only the `--data` folder: the profiles of
users who signed up here, and the launcher's files. Only the operators' commands `where`, `prepare` and `doctor` open
stores. Read cli first, then client, local, processes, operate, demo, and web (the page that every edge serves).
"""
