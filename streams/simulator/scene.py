"""A painted village road: what a simulated camera sees when no footage is given.

Called by `streams.simulator.clips` while a clip is made; pure, needs numpy. A still picture is painted once; cars, a
tractor, walkers and clouds move over it as small patches, and a little sensor noise keeps the picture alive. The
motion repeats exactly after the clip, so that loops have no seam. Colours are planar YUV 4:2:0 as encoders take it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.simulator.timecode import DARK

Plane = NDArray[np.uint8]
_Rgb = NDArray[np.float32]
_Colour = tuple[int, int, int]

_NOISE_ROWS = 101
"""The noise field is that much taller than the picture and slides, so that no two neighbours are alike."""
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A thing that crosses the picture: height in parts of the picture's, speed in crossings per clip (sign: way)."""

    patch: tuple[Plane, Plane, Plane]
    mask: NDArray[np.bool_]
    y: float
    crossings: int
    start: float


def frames(width: int, height: int, count: int, *, band_px: int) -> Iterator[bytes]:
    """Yield `count` pictures; the top `band_px` rows are dark. Sizes are even."""
    rng = np.random.default_rng(_SEED)
    background = _to_yuv(_landscape(width, height, rng))
    noise = rng.integers(-3, 4, (height + _NOISE_ROWS, width), dtype=np.int8).view(np.uint8)
    sprites = _sprites(width, height)
    for index in range(count):
        planes = tuple(plane.copy() for plane in background)
        for sprite in sprites:
            _paste(planes, sprite, index / count, width)
        luma = planes[0]
        shift = index * 37 % _NOISE_ROWS
        luma += noise[shift : shift + height]  # wraps modulo 256; no luma is near the ends
        luma[:band_px] = DARK
        for chroma in planes[1:]:
            chroma[: band_px // 2] = 128
        yield b"".join(plane.tobytes() for plane in planes)


def _landscape(width: int, height: int, rng: np.random.Generator) -> _Rgb:
    """Return sky, hills, fields, houses, trees and the road as RGB."""
    picture = np.zeros((height, width, 3), dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture[:] = np.array((128, 172, 214)) * (1 - y * 1.6) + np.array((226, 232, 226)) * y * 1.6
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    rows = np.broadcast_to(y[:, :, 0], (height, width))
    ridges = (
        (0.30, 0.06, 5.0, (126, 150, 150)),
        (0.36, 0.05, 8.0, (98, 130, 104)),
        (0.42, 0.03, 13.0, (84, 118, 76)),
    )
    for base, swing, waves, colour in ridges:
        edge = base - swing * np.sin(waves * x + base * 40) - swing * 0.4 * np.sin(2.7 * waves * x)
        picture[rows > edge] = colour
    field = rows > 0.46
    stripes = ((np.sin((x - 0.5) / np.maximum(rows - 0.30, 0.02) * 22) > 0) * 14)[:, :, None]
    tint = np.array((118, 142, 74)) + (rows[:, :, None] - 0.46) * np.array((40, 20, 10)) - stripes
    picture[field] = tint[field]
    _houses(picture)
    _trees(picture, rng)
    road = rows > 0.62
    picture[road] = (112, 110, 106)
    picture[(rows > 0.605) & ~road] = (168, 160, 140)
    picture[rows > 0.93] = (150, 146, 120)
    dashes = (rows > 0.765) & (rows < 0.775) & (np.mod(x * 12, 1) < 0.55)
    picture[dashes] = (222, 220, 206)
    grain = rng.normal(0, 3.5, (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(picture + grain, 22, 232), dtype=np.float32)


def _houses(picture: _Rgb) -> None:
    walls = ((0.05, 0.15), (0.20, 0.11), (0.63, 0.17), (0.84, 0.12))
    for number, (left, size) in enumerate(walls):
        _box(picture, (left, 0.60 - size, left + size * 0.85, 0.60), (206, 198, 182) if number % 2 else (224, 218, 208))
        for step in range(8):
            inset = step * size * 0.045
            top = 0.60 - size - (step + 1) * size * 0.045
            edges = (left - 0.012 + inset, top, left + size * 0.85 + 0.012 - inset, top + size * 0.05)
            _box(picture, edges, (122, 70, 58) if number != 2 else (92, 96, 104))
        for window in range(3):
            at = left + size * (0.10 + 0.27 * window)
            _box(picture, (at, 0.60 - size * 0.7, at + size * 0.14, 0.60 - size * 0.38), (74, 92, 108))
    _box(picture, (0.475, 0.30, 0.481, 0.62), (120, 118, 114))
    for arm in (0.33, 0.36):
        _box(picture, (0.455, arm, 0.501, arm + 0.008), (120, 118, 114))


def _trees(picture: _Rgb, rng: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    for at in (0.015, 0.34, 0.40, 0.56, 0.60, 0.80, 0.975):
        _box(picture, (at - 0.004, 0.52, at + 0.004, 0.61), (92, 74, 56))
        for _ in range(7):
            cx = (at + rng.uniform(-0.018, 0.018)) * width
            cy = rng.uniform(0.43, 0.53) * height
            radius = rng.uniform(0.02, 0.04) * height
            shade = rng.uniform(0.8, 1.15)
            picture[(grid_x - cx) ** 2 + (grid_y - cy) ** 2 < radius**2] = np.array((62, 104, 52)) * shade


def _box(picture: _Rgb, edges: tuple[float, float, float, float], colour: _Colour) -> None:
    """Fill left, top, right, bottom, given in parts of the picture."""
    height, width = picture.shape[:2]
    left, top, right, bottom = edges
    columns = slice(max(0, round(left * width)), max(0, round(right * width)))
    picture[max(0, round(top * height)) : max(0, round(bottom * height)), columns] = colour


def _to_yuv(rgb: _Rgb) -> tuple[Plane, Plane, Plane]:
    """Return BT.601 limited-range planes, chroma halved."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    cb = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    cr = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return luma.astype(np.uint8), cb[::2, ::2].astype(np.uint8), cr[::2, ::2].astype(np.uint8)


_CAR = (((0.0, 0.42, 1.0, 0.82), 1.0), ((0.16, 0.08, 0.80, 0.50), 0.8), ((0.22, 0.14, 0.74, 0.42), -1.0))
_WALKER = (((0.25, 0.0, 0.75, 0.2), -2.0), ((0.1, 0.2, 0.9, 0.62), 1.0), ((0.2, 0.62, 0.8, 1.0), 0.45))
_CLOUD = tuple(
    (edges, 1.0)
    for edges in ((0.0, 0.6, 1.0, 0.9), (0.08, 0.42, 0.92, 0.98), (0.2, 0.2, 0.62, 0.8), (0.5, 0.3, 0.82, 0.8))
)
_GLASS, _SKIN = (56, 70, 84), (206, 168, 140)


def _sprites(width: int, height: int) -> list[_Sprite]:
    """Return everything that moves, farthest first."""
    plan = (
        ((0.12, 0.05), _CLOUD, (236, 238, 238), 0.09, 1, 0.1),
        ((0.16, 0.045), _CLOUD, (238, 240, 240), 0.16, 1, 0.6),
        ((0.02, 0.10), _WALKER, (178, 62, 54), 0.575, 1, 0.15),
        ((0.02, 0.10), _WALKER, (58, 84, 150), 0.58, -1, 0.7),
        ((0.11, 0.11), _CAR, (196, 60, 52), 0.64, -2, 0.0),
        ((0.13, 0.13), _CAR, (66, 104, 168), 0.78, 2, 0.35),
        ((0.15, 0.16), _CAR, (86, 140, 80), 0.76, 1, 0.85),
        ((0.028, 0.15), _WALKER, (214, 176, 62), 0.84, 1, 0.5),
    )
    found = []
    for size, shapes, colour, y, crossings, start in plan:
        columns, rows = (max(4, round(part * whole / 2) * 2) for part, whole in zip(size, (width, height), strict=True))
        patch = np.zeros((rows, columns, 3), dtype=np.float32)
        for edges, shade in shapes:
            tint = _GLASS if shade == -1.0 else _SKIN if shade == -2.0 else tuple(int(c * shade) for c in colour)
            _box(patch, edges, (tint[0], tint[1], tint[2]))
        if shapes is _CAR:
            for left in (0.14, 0.68):
                _box(patch, (left, 0.7, left + 0.18, 1.0), (34, 34, 36))
        mask = np.repeat(np.repeat(patch.max(axis=2)[::2, ::2] > 0, 2, axis=0), 2, axis=1)
        found.append(_Sprite(_to_yuv(patch), mask, y, crossings, start))
    return found


def _paste(planes: tuple[Plane, ...], sprite: _Sprite, progress: float, width: int) -> None:
    """Put a sprite where it is at `progress` (0 to 1) of the clip; what leaves on one side comes in on the other."""
    rows, columns = sprite.mask.shape
    travel = width + columns
    at = round(((sprite.start + progress * sprite.crossings) % 1.0) * travel / 2) * 2 - columns
    left, right = max(0, at), min(width, at + columns)
    if right <= left:
        return
    top = round(sprite.y * planes[0].shape[0] / 2) * 2
    for number, plane in enumerate(planes):
        step = 2 if number else 1
        source = slice((left - at) // step, (right - at) // step)
        mask = sprite.mask[::step, ::step][:, source]
        area = plane[top // step : (top + rows) // step, left // step : right // step]
        seen = mask[: area.shape[0]]
        area[seen] = sprite.patch[number][:, source][: area.shape[0]][seen]
