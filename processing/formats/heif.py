"""HEIF (ISO/IEC 23008-12), the container of HEIC and AVIF: which items make the picture, and whether all are there.

A phone's picture is a grid of tiles, each an item of its own, and decoders draw what they have: the missing tiles of a
file that was cut short come out green or black. So every item that the picture is derived from is followed to its bytes
here, and to its last unit, because decoders conceal what they miss. Pure.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, starmap

from processing.formats import coded_size
from processing.formats.facts import Cicp, Colour, Facts, Icc, InvalidImage, damaged, truncated, unsupported

HEVC, AV1 = b"hvc1", b"av01"
_DERIVED = (b"grid", b"iovl", b"iden", b"tmap")
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_MAX_BOXES, _MAX_ITEMS, _MAX_EXTENTS, _MAX_DERIVATIONS = 20_000, 4_096, 20_000, 4
_MAX_REFERENCES, _MAX_ASSOCIATIONS = 100_000, 100_000
_MAX_META_BYTES = 32 << 20
"""Of a phone it has some kilobytes. It is copied a few times."""
_MOST_TIMES, _SPARE_PIXELS = 2, 1 << 20
"""How many times as many pixels a tile may have as the picture: it has whole blocks, and may reach beyond it."""
_MAX_EXIF_ITEMS = 4
"""Each may have the length of the file."""


@dataclass(slots=True)
class _Item:
    """`extents` are (offset, length) of its bytes, in the file or the box `idat`; `properties` are numbers from 1."""

    kind: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)
    is_in_idat: bool = False
    properties: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Meta:
    """The box `meta`. `references` are the items to which an item refers, by (kind, item)."""

    primary: int = 0
    items: dict[int, _Item] = field(default_factory=dict)
    references: dict[tuple[bytes, int], tuple[int, ...]] = field(default_factory=dict)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    associations: int = 0
    idat: bytes = b""

    def item(self, number: int) -> _Item:
        if len(self.items) >= _MAX_ITEMS:
            raise _too_complex()
        return self.items.setdefault(number, _Item())

    def tiles(self, number: int) -> tuple[int, ...]:
        """The items from which this one is derived."""
        return self.references.get((b"dimg", number), ())

    def properties_of(self, number: int) -> Mapping[bytes, list[bytes]]:
        """The bodies of an item's properties, by kind."""
        found: dict[bytes, list[bytes]] = {}
        for index in self.items[number].properties:
            if 0 < index <= len(self.properties):
                kind, body = self.properties[index - 1]
                found.setdefault(kind, []).append(body)
        return found


def read(data: bytes) -> tuple[bytes, Facts]:
    """The codec, HEVC or AV1, and the facts; their size is that of the upright picture, as these files define it.

    `data` starts with a box `ftyp`. Raises InvalidImage.
    """
    try:
        meta = _meta(data)
        used = _items_of_picture(meta)
        codec = _codec(meta, used)
        _check_whole(meta, used, data)
        return codec, _facts(meta, _without_tail(meta, data))
    except (struct.error, IndexError) as error:
        raise damaged() from error


def _facts(meta: _Meta, data: bytes) -> Facts:
    properties = meta.properties_of(meta.primary)
    width, height = _size(meta)
    if b"clap" in properties:
        across, across_by, down, down_by = struct.unpack(">IIII", properties[b"clap"][0][:16])
        width, height = min(width, across // max(1, across_by)), min(height, down // max(1, down_by))
    if b"irot" in properties and properties[b"irot"][0][0] & 1:
        width, height = height, width
    return Facts(width, height, data, exif=_exif(meta, data), colour=_colour(meta, properties))


def _colour(meta: _Meta, properties: Mapping[bytes, list[bytes]]) -> Colour:
    """A profile says more than an enumeration, and comes first (MIAF, 7.3.6.4). A grid's may stand at its tiles."""
    colours = properties.get(b"colr", [])
    if not colours and (tiles := meta.tiles(meta.primary)):
        colours = meta.properties_of(tiles[0]).get(b"colr", [])
    for colour in colours:
        if colour[:4] in (b"prof", b"rICC"):
            return Icc(colour[4:])
    for colour in colours:
        if colour[:4] == b"nclx":
            return Cicp(*struct.unpack(">HH", colour[4:8]))
    return None


def _exif(meta: _Meta, data: bytes) -> bytes:
    """From its TIFF header on. Before that stands its offset and, in some files, the marker of a JPEG's segment."""
    items = (item for number, item in meta.items.items() if _describes_picture(meta, number, item))
    for item in islice(items, _MAX_EXIF_ITEMS):
        body = _bytes(meta, item, data)
        starts = [start for order in (b"II*\0", b"MM\0*") if (start := body.find(order, 0, 64)) >= 0]
        if starts:
            return body[min(starts) :]
    return b""


def _describes_picture(meta: _Meta, number: int, item: _Item) -> bool:
    described = meta.references.get((b"cdsc", number), ())
    return item.kind == b"Exif" and (meta.primary in described or not described)


def _items_of_picture(meta: _Meta) -> list[int]:
    """The primary item, its transparency, and all that they are derived from."""
    auxiliary = [item for (kind, item), tos in meta.references.items() if kind == b"auxl" and meta.primary in tos]
    used = new = [meta.primary, *(item for item in auxiliary if _is_alpha(meta, item))]
    for _ in range(_MAX_DERIVATIONS):
        new = sorted({to for number in new for to in meta.tiles(number)} - set(used))
        used = used + new
    if any(number not in meta.items for number in used):
        raise truncated()
    return used


def _is_alpha(meta: _Meta, number: int) -> bool:
    if number not in meta.items:
        return False
    return any(body[4:].rstrip(b"\0").startswith(_ALPHA) for body in meta.properties_of(number).get(b"auxC", []))


def _codec(meta: _Meta, used: list[int]) -> bytes:
    codecs = {meta.items[number].kind for number in used} - set(_DERIVED)
    if len(codecs) == 1 and codecs <= {HEVC, AV1}:
        return codecs.pop()
    if not codecs:
        raise damaged()
    raise unsupported(f"a HEIF file with the codec {', '.join(sorted(codec.decode('latin-1') for codec in codecs))!r}")


def _check_whole(meta: _Meta, used: list[int], data: bytes) -> None:
    """Whether the bytes of all these items are there. None may be used twice, or a small file could keep us busy."""
    total = 0
    for item in (meta.items[number] for number in used):
        whole = meta.idat if item.is_in_idat else data
        if any(offset + length > len(whole) for offset, length in item.extents):
            raise truncated()
        if not item.extents and item.kind != b"iden":
            raise truncated()
        total += sum(length for _, length in item.extents)
    if total > len(data):
        raise damaged()
    across, down = _size(meta)
    for number in used:
        for width, height in _coded_sizes(meta, number, data):
            if width * height > _MOST_TIMES * across * down + _SPARE_PIXELS:
                raise damaged()


def _size(meta: _Meta) -> tuple[int, int]:
    """The width and height that the container says the picture has, before it is cropped and turned."""
    sizes = meta.properties_of(meta.primary).get(b"ispe")
    if not sizes:
        raise damaged()
    width, height = struct.unpack(">II", sizes[0][4:12])
    return width, height


def _coded_sizes(meta: _Meta, number: int, data: bytes) -> Iterator[tuple[int, int]]:
    """What the item's stream says of its size, if it is a stream. Raises InvalidImage if its last unit is not whole."""
    item = meta.items[number]
    if item.kind == HEVC:
        configuration = meta.properties_of(number).get(b"hvcC", [b""])[0]
        yield from coded_size.of_configuration(configuration)
        units = _units(_bytes(meta, item, data), 1 + (configuration[21] & 3))
        yield from filter(None, map(coded_size.of_unit, units))
    elif item.kind == AV1:
        configuration = meta.properties_of(number).get(b"av1C", [b""])[0]
        for body in (configuration[4:], _bytes(meta, item, data)):
            yield from filter(None, starmap(coded_size.of_open_unit, _open_units(body)))
        if not item.extents or not any(length for _, length in item.extents):
            raise truncated()


def _units(body: bytes, length_bytes: int) -> Iterator[bytes]:
    """The start of each. Each unit of HEVC stands behind its length, and the last one ends where the item does."""
    position = 0
    while position < len(body):
        start = position + length_bytes
        position = start + int.from_bytes(body[position:start])
        yield body[start : min(position, start + coded_size.MOST_BYTES)]
    if position != len(body) or not body:
        raise truncated()


def _open_units(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The same for AV1 (AV1 specification, 5.3), behind the first byte of its header.

    The last may leave out its length, and then reaches to the end.
    """
    position = 0
    while position < len(body):
        header = body[position]
        position += 2 if header & 4 else 1
        length = 0 if header & 2 else len(body) - position
        for shift in range(0, 56, 7) if header & 2 else ():
            length |= (body[position] & 127) << shift
            position += 1
            if body[position - 1] < 128:
                break
        yield header, body[position : position + min(length, coded_size.MOST_BYTES)]
        position += length
    if position != len(body):
        raise truncated()


def _too_complex() -> InvalidImage:
    return InvalidImage("too-complex", "the file has too many parts; save the picture as a JPEG and upload that")


def _bytes(meta: _Meta, item: _Item, data: bytes) -> bytes:
    """Raises InvalidImage if the item is longer than the file, which it can be by using the same bytes many times."""
    if sum(length for _, length in item.extents) > len(data):
        raise damaged()
    whole = meta.idat if item.is_in_idat else data
    return b"".join(whole[offset : offset + length] for offset, length in item.extents)


def _meta(data: bytes) -> _Meta:
    kind, body = next((box for box in _boxes(data) if box[0] in (b"meta", b"mini")), (b"", b""))
    if kind == b"mini":
        raise unsupported("a HEIF file in the short form")
    if not kind:
        raise truncated()
    if len(body) > _MAX_META_BYTES:
        raise _too_complex()
    meta = _Meta()
    children = dict(reversed(list(_boxes(body[4:]))))
    meta.idat = children.get(b"idat", b"")
    for kind, read in _READERS.items():
        if kind in children:
            read(children[kind], meta)
    if meta.primary not in meta.items:
        raise damaged()
    return meta


def _without_tail(meta: _Meta, data: bytes) -> bytes:
    """Up to the end of the box that ends the picture. What follows, such as a film, would only confuse decoders."""
    items = [item for item in meta.items.values() if not item.is_in_idat]
    ends = [offset + length for item in items for offset, length in item.extents]
    needed = max((end for end in ends if end <= len(data)), default=0)
    is_described = False
    for kind, _, end in _spans(data):
        is_described = is_described or kind == b"meta"
        if is_described and end >= needed:
            return data[:end]
    return data


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each box. The body of `mdat` is left out, since items are found by their offset in the file."""
    for kind, start, end in _spans(data):
        yield kind, b"" if kind == b"mdat" else data[start:end]


def _spans(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box, and where its body starts and ends. Only `mdat` may end behind the data."""
    position = count = 0
    while position + 8 <= len(data) and count < _MAX_BOXES:
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        start = position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8]), start + 8
        end = position + size if size else len(data)
        if end < start:
            raise damaged()
        if end > len(data) and kind != b"mdat":
            raise truncated()
        yield kind, start, end
        position, count = end, count + 1


def _read_primary(body: bytes, meta: _Meta) -> None:
    meta.primary = int.from_bytes(body[4 : 6 if body[0] == 0 else 8])


def _read_kinds(body: bytes, meta: _Meta) -> None:
    for kind, entry in _boxes(body[6 if body[0] == 0 else 8 :]):
        if kind == b"infe" and entry[0] >= 2:
            number_bytes = 2 if entry[0] == 2 else 4
            number = int.from_bytes(entry[4 : 4 + number_bytes])
            meta.item(number).kind = entry[6 + number_bytes : 10 + number_bytes]


def _read_locations(body: bytes, meta: _Meta) -> None:
    """The box `iloc` (ISO/IEC 14496-12, 8.11.3)."""
    version, sizes = body[0], int.from_bytes(body[4:6])
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    reader, extents = _Numbers(body, 6), 0
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = meta.item(reader.number(2 if version < 2 else 4))
        if version:
            item.is_in_idat = reader.number(2) & 15 == 1
        reader.number(2)
        base, count = reader.number(base_bytes), reader.number(2)
        extents += count
        if extents > _MAX_EXTENTS:
            raise _too_complex()
        for _ in range(count):
            reader.number(index_bytes if version else 0)
            item.extents.append((base + reader.number(offset_bytes), reader.number(length_bytes)))


def _read_references(body: bytes, meta: _Meta) -> None:
    number_bytes, references = (2 if body[0] == 0 else 4), 0
    for kind, entry in _boxes(body[4:]):
        reader = _Numbers(entry, 0)
        item, count = reader.number(number_bytes), reader.number(2)
        references += count
        if references > _MAX_REFERENCES:
            raise _too_complex()
        meta.references[kind, item] = tuple(reader.number(number_bytes) for _ in range(count))


def _read_properties(body: bytes, meta: _Meta) -> None:
    for kind, entry in _boxes(body):
        if kind == b"ipco":
            meta.properties = list(_boxes(entry))
        elif kind == b"ipma":
            _read_associations(entry, meta)


def _read_associations(body: bytes, meta: _Meta) -> None:
    reader = _Numbers(body, 4)
    is_wide = body[3] & 1
    for _ in range(reader.number(4)):
        item = meta.item(reader.number(2 if body[0] < 1 else 4))
        count = reader.number(1)
        meta.associations += count
        if meta.associations > _MAX_ASSOCIATIONS:
            raise _too_complex()
        for _ in range(count):
            item.properties.append(reader.number(2) & 0x7FFF if is_wide else reader.number(1) & 0x7F)


_READERS = {
    b"pitm": _read_primary,
    b"iinf": _read_kinds,
    b"iloc": _read_locations,
    b"iref": _read_references,
    b"iprp": _read_properties,
}


@dataclass(slots=True)
class _Numbers:
    """Numbers of any length, one after the other. Raises IndexError at the end."""

    data: bytes
    position: int

    def number(self, size: int) -> int:
        end = self.position + size
        if end > len(self.data):
            raise IndexError
        value, self.position = int.from_bytes(self.data[self.position : end]), end
        return value
