"""What an image file says of itself before a pixel is decoded: type, size, colour, metadata, and whether it is whole.

In come the bytes of a file, which may be hostile; out come `Facts`, or `InvalidImage` with a reason. Writes nothing.
All modules are pure, and none knows a decoder. Read `facts`, `detect`, then a module for each type of file; `camera`
reads the EXIF that most of them embed.
"""
