"""`darkroom demo`: people, photos, and a report that checks where every byte is stored.

Takes a folder of photos, or generates some. Uploads them, prints a report, and exits with 0 only if every check passes.
Read demo, then checks and drawing.
"""
