"""The whole system on one machine: `darkroom up` starts, supervises and stops all its processes.

Takes a `--data` folder, a first port and, optionally, the addresses of real servers; results in running processes.
Writes only the `--data` folder: secrets, topology, addresses, process ids and logs.
Read launcher, machine (pure), data_folder, supervisor, addresses, private_files.
"""
