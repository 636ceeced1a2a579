"""All work on pixels: from a file's bytes to upright JPEGs in sRGB, without metadata. Nothing else knows libvips.

In come the bytes of a raw; out go its `Header`, the `Master`, and renderings of it. Every file is treated as hostile:
`header` reads its facts (`processing.formats`) and refuses what is too large before a pixel is decoded, and all errors
of decoders become `InvalidImage`. Writes nothing.
Read `header`, `turbo`, `decoders`, `colour`, `light`, `backdrop`, `master`, `variants`.
"""
