"""`darkroom demo`: people, photos, and a report that checks where every byte is stored.

In come photos, or none; out go uploads, a report, and an exit code that is 0 only when every check passes.
Read demo, then checks and drawing.
"""
