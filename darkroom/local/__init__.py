"""The whole system on one machine: `darkroom up` starts, watches and stops every process of it.

In come a `--data` folder, a first port and, optionally, the addresses of real servers; out go running processes.
Writes only the `--data` folder: secrets, topology, addresses, process ids and logs.
Read launcher, machine (pure), data_folder, supervisor, addresses, private_files.
"""
