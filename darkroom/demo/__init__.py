"""`darkroom demo`: two people, their photos, and a report of what each saw and where every byte lies.

`demo` plays it on a running system, `drawing` draws the photos, `checks` (pure) says which claims held.
"""
