"""Generates photos like a camera's: a coast under a sky in 12 megapixels, with grain and EXIF, including a location.

Pure, except that the grain is different each time. A photo takes about a second and has 2 to 8 MB.
"""

import io
import random
from datetime import datetime, timedelta

from PIL import Image, ImageChops, ImageDraw, ImageFilter

_WIDTH, _HEIGHT = 4032, 3024
# JPEG qualities for alternate photos: about 4 MB and about 7 MB.
_QUALITIES = (93, 97)
_UPRIGHT, _TURNED_RIGHT = 1, 6
# Colours of the sky from the top to the horizon, and of the sea from the horizon to the front.
_LIGHTS = (
    ("in the morning", ((96, 140, 196), (250, 214, 165)), ((120, 150, 170), (20, 52, 82))),
    ("at noon", ((38, 98, 190), (176, 212, 240)), ((60, 130, 170), (8, 60, 110))),
    ("in the evening", ((60, 62, 120), (252, 150, 80)), ((190, 120, 90), (30, 34, 62))),
    ("at night", ((6, 10, 34), (44, 54, 96)), ((30, 40, 70), (4, 8, 20))),
)
_FIRST_SHOT = datetime(2026, 5, 17, 6, 12)

Colour = tuple[int, int, int]


def caption(number: int) -> str:
    return f"The coast {_LIGHTS[number % len(_LIGHTS)][0]}"


def draw(number: int) -> bytes:
    """The JPEG with that number. For every third, the camera was turned."""
    rng = random.Random(number)
    _, sky, sea = _LIGHTS[number % len(_LIGHTS)]
    turned = number % 3 == 2
    width, height = (_HEIGHT, _WIDTH) if turned else (_WIDTH, _HEIGHT)
    horizon = int(height * rng.uniform(0.4, 0.6))
    scene = Image.new("RGB", (width, height))
    scene.paste(_gradient(width, horizon, *sky), (0, 0))
    scene.paste(_gradient(width, height - horizon, *sea), (0, horizon))
    scene = ImageChops.screen(scene, _sun(width, height, horizon, rng))
    _draw_hills(scene, horizon, sea[1], rng)
    scene = _with_grain(scene, horizon)
    if turned:
        scene = scene.transpose(Image.Transpose.ROTATE_90)
    file = io.BytesIO()
    scene.save(file, "JPEG", quality=_QUALITIES[number % 2], exif=_exif(number, _TURNED_RIGHT if turned else _UPRIGHT))
    return file.getvalue()


def _gradient(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(Image.new("RGB", (width, height), bottom), Image.new("RGB", (width, height), top), ramp)


def _sun(width: int, height: int, horizon: int, rng: random.Random) -> Image.Image:
    """Light on black. It is drawn small, then blurred and enlarged, because that is fast."""
    small = Image.new("RGB", (width // 16, height // 16))
    x, y = rng.uniform(0.2, 0.8) * small.width, horizon / 16 * rng.uniform(0.3, 0.9)
    radius = small.width / 28
    ImageDraw.Draw(small).ellipse((x - radius, y - radius, x + radius, y + radius), (255, 236, 190))
    return small.filter(ImageFilter.GaussianBlur(radius * 0.8)).resize((width, height), Image.Resampling.BICUBIC)


def _draw_hills(scene: Image.Image, horizon: int, colour: Colour, rng: random.Random) -> None:
    outline = [(0, horizon)]
    height = 0.0
    for x in range(0, scene.width + 64, 64):
        height = max(0.0, height + rng.uniform(-18, 20))
        outline.append((x, int(horizon - height)))
    ImageDraw.Draw(scene).polygon([*outline, (scene.width, horizon)], colour)


def _with_grain(scene: Image.Image, horizon: int) -> Image.Image:
    """Adds a sensor's noise everywhere, and waves on the sea, which are noise stretched horizontally."""
    sea = scene.height - horizon
    waves = Image.effect_noise((scene.width // 24, sea // 4), 90).resize((scene.width, sea), Image.Resampling.BICUBIC)
    light = Image.new("L", scene.size, 128)
    light.paste(waves, (0, horizon))
    grain = Image.blend(Image.effect_noise(scene.size, 26), light, 0.35)
    return ImageChops.soft_light(scene, grain.convert("RGB"))


def _exif(number: int, orientation: int) -> Image.Exif:
    """TIFF and EXIF tags (CIPA DC-008): camera, orientation, lens, time, and where it was taken (Cabo da Roca)."""
    taken = (_FIRST_SHOT + timedelta(hours=3 * number)).strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif.update({0x010F: "Darkroom", 0x0110: "Demo Camera 1", 0x0112: orientation, 0x0132: taken})
    exif.get_ifd(0x8769).update({0x9003: taken, 0xA434: "28 mm f/2.8"})
    exif.get_ifd(0x8825).update({1: "N", 2: (38.0, 46.0, 50.0 + number % 10), 3: "W", 4: (9.0, 29.0, 56.0)})
    return exif
