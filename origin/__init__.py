"""One region's HTTP API (Falcon): people, uploads, photos, feeds, and grants for its shield.

In come requests, by way of an edge; out go JSON documents, part URLs that lead straight to objects, and
events. Writes the catalog (with its outbox) and the event log; reads feeds and settings; signs object
URLs but never holds a photo's bytes.
"""
