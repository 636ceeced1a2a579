"""The type of a file by its first bytes alone: what a client claims, or a file's name says, does not count. Pure."""

from collections.abc import Callable, Mapping

from processing.formats import bmp, gif, heif, jpeg, png, tiff, webp
from processing.formats.facts import Facts, not_an_image, unsupported
from regions.image_limits import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP

_READERS: Mapping[str, Callable[[bytes], Facts]] = {
    JPEG: jpeg.read,
    PNG: png.read,
    WEBP: webp.read,
    GIF: gif.read,
    BMP: bmp.read,
    TIFF: tiff.read,
}
_STARTS = (
    (b"\xff\xd8\xff", JPEG),
    (png.SIGNATURE, PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
)
# Of raw files that are not TIFFs: Olympus, Panasonic, Fujifilm, Sigma, Minolta.
_RAW_STARTS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
# The brands of HEIF, as phones and cameras write them. Which codec it is, the items say.
_BRANDS = (
    *(b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHB", b"MiHE", b"MiHA", b"MA1B", b"MA1A"),
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"avif", b"avis", b"avio", b"tmap"),
)
_CANON_RAW = b"crx "
_BIG_TIFF_STARTS = (b"II+\0", b"MM\0+")
# No library for JPEG XL is both kept up to date and free to use here, and tells the colours of a picture (ADR 13).
_JPEG_XL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a")


def read(data: bytes) -> tuple[str, Facts]:
    """The content type and the facts. Raises InvalidImage."""
    if data[4:8] == b"ftyp":
        return _read_container(data)
    if data.startswith(_RAW_STARTS):
        raise tiff.raw()
    if data.startswith(_BIG_TIFF_STARTS):
        raise unsupported("a BigTIFF file")
    if data.startswith(_JPEG_XL_STARTS):
        raise unsupported("a JPEG XL file")
    for start, content_type in _STARTS:
        if data.startswith(start):
            return content_type, _READERS[content_type](data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP, webp.read(data)
    raise not_an_image()


def _read_container(data: bytes) -> tuple[str, Facts]:
    """Files that start like a film of MP4: HEIC, AVIF, and others."""
    size = int.from_bytes(data[:4])
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256), 4))}
    if _CANON_RAW in brands:
        raise tiff.raw()
    if brands.isdisjoint(_BRANDS):
        raise not_an_image()
    codec, facts = heif.read(data)
    return (HEIC if codec == heif.HEVC else AVIF), facts
