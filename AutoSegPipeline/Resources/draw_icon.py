"""Draw Resources/Icons/AutoSegPipeline.png: a scan's slices on the left become coloured anatomy on the right.

    python AutoSegPipeline/Resources/draw_icon.py

Needs numpy only. The shapes are distance functions, evaluated four times as fine as the icon and averaged.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

SIZE = 128
FINE = 4
ICON = Path(__file__).resolve().parent / "Icons" / "AutoSegPipeline.png"
Grid = npt.NDArray[np.float64]

_SKIN, _LUNG, _BONE, _HEART, _INK = (
    (0.87, 0.66, 0.55),
    (0.36, 0.66, 0.83),
    (0.97, 0.93, 0.80),
    (0.80, 0.25, 0.25),
    (0.13, 0.17, 0.22),
)


def ellipse(x: Grid, y: Grid, cx: float, cy: float, rx: float, ry: float, turn: float = 0.0) -> Grid:
    """Below zero inside; pixels of the icon, ``turn`` in degrees."""
    angle = np.radians(turn)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    return (np.hypot(u / rx, v / ry) - 1) * min(rx, ry)


def box(x: Grid, y: Grid, cx: float, cy: float, rx: float, ry: float, corner: float) -> Grid:
    """A rectangle with round corners, below zero inside."""
    u, v = np.abs(x - cx) - rx + corner, np.abs(y - cy) - ry + corner
    return np.hypot(np.maximum(u, 0), np.maximum(v, 0)) + np.minimum(np.maximum(u, v), 0) - corner


def draw() -> npt.NDArray[np.uint8]:
    """The icon, (128, 128, 4), red green blue alpha."""
    y, x = (np.mgrid[0 : SIZE * FINE, 0 : SIZE * FINE] + 0.5) / FINE
    picture = np.zeros((*x.shape, 4))

    def paint(where: npt.NDArray[np.bool_], colour: tuple[float, float, float] | Grid) -> None:
        picture[where, :3] = colour[where] if isinstance(colour, np.ndarray) else colour
        picture[where, 3] = 1

    plate = box(x, y, 64, 64, 60, 60, 18)
    shade = np.stack([channel + 0.05 * (1 - y / SIZE) for channel in _INK], axis=-1)
    paint(plate < 0, shade)
    scan = x < 64  # the left half is what a scanner sees, the right half what comes out
    body = ellipse(x, y, 64, 66, 50, 40)
    paint(body < 0, _SKIN)
    paint(body < -5, (0.72, 0.42, 0.40))
    paint((ellipse(x, y, 43, 63, 14, 23, 12) < 0) | (ellipse(x, y, 85, 63, 14, 23, -12) < 0), _LUNG)
    paint(ellipse(x, y, 68, 59, 10, 12, -25) < 0, _HEART)
    paint(ellipse(x, y, 64, 90, 8, 7) < 0, _BONE)
    paint(ellipse(x, y, 64, 99, 3.2, 6) < 0, _BONE)
    for angle in np.radians((-65, -14, 36, 245, 194, 144)):
        # Ribs lie along the chest wall.
        along = np.degrees(np.arctan2(40 * np.cos(angle), -50 * np.sin(angle)))
        paint(ellipse(x, y, 64 + 42 * np.cos(angle), 66 + 33 * np.sin(angle), 5.6, 2.4, along) < 0, _BONE)
    # The same shapes as grey values of a CT, with the scanner's lines.
    inside = scan & (plate < 0)
    bright = picture[..., :3] @ (0.25, 0.35, 0.40)
    bright = np.where(ellipse(x, y, 43, 63, 14, 23, 12) < 0, 0.10, bright)
    bright = np.where((body < 0) & (np.mod(y, 6) < 0.9), bright * 0.80, bright)
    grey = np.repeat(bright[..., None], 3, axis=-1) * (0.97, 1.0, 1.03)
    paint(inside, np.clip(grey, 0, 1))
    paint((np.abs(x - 64) < 1.1) & (np.abs(y - 64) < 50), (0.98, 0.98, 0.98))
    return averaged(picture)


def averaged(picture: Grid) -> npt.NDArray[np.uint8]:
    """``FINE`` by ``FINE`` samples to one pixel; colour weighted with alpha."""
    weight = picture[..., 3:]
    blocks = (SIZE, FINE, SIZE, FINE, -1)
    colour = (picture[..., :3] * weight).reshape(blocks).mean(axis=(1, 3))
    alpha = weight.reshape(blocks).mean(axis=(1, 3))
    colour = np.divide(colour, alpha, out=np.zeros_like(colour), where=alpha > 0)
    return (np.concatenate([colour, alpha], axis=-1) * 255 + 0.5).astype(np.uint8)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of RGBA pixels (ISO/IEC 15948, filter type 0)."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


if __name__ == "__main__":
    ICON.parent.mkdir(exist_ok=True)
    ICON.write_bytes(png(draw()))
    print(ICON)
