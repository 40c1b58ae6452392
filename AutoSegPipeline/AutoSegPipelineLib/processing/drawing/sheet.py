"""The sheet that the picture is: where its five panels stand, and the letters in the margins around them.

All panels have one scale. A margin belongs to one panel and holds nothing but its letters and the scale bar,
so nothing that was drawn is ever covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from vtkmodules.vtkRenderingCore import vtkTextProperty

Letters = Tuple[str, str, str, str]  # at the left, the right, above, beneath
Size = Tuple[int, int]  # columns, rows
WIDTH, HEIGHT = 1800, 1200  # pixels, at most
BORDER = 48  # pixels around each panel
GROUND = (17, 20, 26)
_INK = np.array((245, 214, 107), np.float32)
_FONT, _SMALL = 30, 19
_ROUNDED = 12  # pixels that panels of whole pixels may need beyond their extents
_BARS_MM = (200, 100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows, uint8 (row, column, 3), and its letters."""

    pixels: np.ndarray
    letters: Letters

    @property
    def size(self) -> Size:
        return (self.pixels.shape[1], self.pixels.shape[0])


def plan_sheet(surfaces: np.ndarray, slices: np.ndarray) -> tuple[float, bool]:
    """Millimetres of a pixel, and whether the panels stand in one row; both are extents x, y, z in mm.

    Of the two arrangements the one that shows the patient larger: slices beneath the surfaces that look
    the same way and the axial one beside them, or, of tall patients, everything in a row.
    """
    (x, y, z), (a, b, c) = surfaces, slices
    sizes = [(x, z), (y, z), (a, b), (a, c), (b, c)]
    scales = []
    for in_a_row in (False, True):
        wide, high = _extent(sizes, in_a_row)
        columns, rows = (5, 1) if in_a_row else (3, 2)
        across, down = WIDTH - 2 * BORDER * columns - _ROUNDED, HEIGHT - 2 * BORDER * rows - _ROUNDED
        scales.append(min(across / max(wide, 1.0), down / max(high, 1.0)))
    return float(1.0 / max(scales)), bool(scales[1] > scales[0])


def _extent(sizes: Sequence[tuple[float, float]], in_a_row: bool) -> tuple[float, float]:
    """Width and height of the arranged panels without margins."""
    front, side, axial, coronal, sagittal = sizes
    if in_a_row:
        return sum(size[0] for size in sizes), max(size[1] for size in sizes)
    across = max(front[0], coronal[0]) + max(side[0], sagittal[0]) + axial[0]
    return across, max(max(front[1], side[1]) + max(coronal[1], sagittal[1]), axial[1])


def arrange(sizes: Sequence[Size], in_a_row: bool) -> tuple[Size, list[tuple[int, int]]]:
    """The sheet's size and the column and row where each panel begins.

    The panels are the surfaces from the front and from the left, then the axial, coronal and sagittal slice.
    """
    cells = [(wide + 2 * BORDER, high + 2 * BORDER) for wide, high in sizes]
    wide, high = (int(n) for n in _extent(cells, in_a_row))
    if in_a_row:
        starts = np.cumsum([0] + [cell[0] for cell in cells])
        boxes = [(int(start), 0, cell[0], high) for start, cell in zip(starts, cells)]
    else:
        first, second = max(cells[0][0], cells[3][0]), max(cells[1][0], cells[4][0])
        upper, lower = max(cells[0][1], cells[1][1]), max(cells[3][1], cells[4][1])
        boxes = [
            (0, 0, first, upper), (first, 0, second, upper), (first + second, 0, cells[2][0], high),
            (0, upper, first, lower), (first, upper, second, lower),
        ]  # fmt: skip
    places = [(x + (w - a) // 2, y + (h - b) // 2) for (x, y, w, h), (a, b) in zip(boxes, sizes)]
    return (wide, high), places


def assemble(panels: Sequence[Panel], in_a_row: bool, mm_per_pixel: float) -> np.ndarray:
    """The complete picture, uint8 (row, column, 3)."""
    (wide, high), places = arrange([panel.size for panel in panels], in_a_row)
    sheet = np.empty((high, wide, 3), np.uint8)
    sheet[...] = GROUND
    for panel, (x, y) in zip(panels, places):
        w, h = panel.size
        sheet[y : y + h, x : x + w] = panel.pixels
        middle, half = (x + w // 2, y + h // 2), BORDER // 2
        spots = (
            (x - half, middle[1]), (x + w + half, middle[1]),
            (middle[0], y - half), (middle[0], y + h + half),
        )  # fmt: skip
        for letter, spot in zip(panel.letters, spots):
            _write(sheet, letter, spot, _FONT)
    _scale_bar(sheet, panels[2].size, places[2], mm_per_pixel)
    return sheet


def _scale_bar(sheet: np.ndarray, size: Size, place: tuple[int, int], mm_per_pixel: float) -> None:
    """A bar with its length at the left of the margin beneath a panel, where it does not reach the letter."""
    free = size[0] // 2 - _FONT
    for mm in _BARS_MM:
        length = round(mm / mm_per_pixel)
        if length <= min(free, size[0] // 3):
            break
    else:
        return
    text = f"{mm // 10} cm" if mm % 10 == 0 else f"{mm} mm"
    x, y = place[0], place[1] + size[1] + 9
    sheet[y : y + 2, x : x + length] = _INK
    for end in (x, x + length - 2):
        sheet[y - 4 : y + 6, end : end + 2] = _INK
    _write(sheet, text, (x + max(length, 64) // 2, y + 20), _SMALL)


def _write(sheet: np.ndarray, text: str, middle: tuple[int, int], size: int) -> None:
    """Letters around ``middle`` (column, row)."""
    if not text:
        return
    mask = _glyphs(text, size)
    h, w = mask.shape
    x, y = middle[0] - w // 2, middle[1] - h // 2
    part = sheet[y : y + h, x : x + w]
    part[...] = np.rint(part + mask[: part.shape[0], : part.shape[1], None] * (_INK - part))


def _glyphs(text: str, size: int) -> np.ndarray:
    """How much ink each pixel has, float32 (row, column), cut to the letters."""
    import vtkmodules.vtkRenderingFreeType  # noqa: F401
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkRenderingCore import vtkTextProperty, vtkTextRenderer

    look: vtkTextProperty = vtkTextProperty()
    look.SetFontFamilyToArial()
    look.SetFontSize(size)
    look.BoldOn()
    image = vtkImageData()
    if not vtkTextRenderer.GetInstance().RenderString(look, text, image, [0, 0], 72):
        raise RuntimeError("VTK could not write letters")
    wide, high, _ = image.GetDimensions()
    ink = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(high, wide, -1)[::-1, :, 3]
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255.0


def write_png(image: np.ndarray, path: str) -> None:
    """Write uint8 (row, column, 3); raises RuntimeError when VTK wrote none."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOImage import vtkPNGWriter

    rows = np.ascontiguousarray(image[::-1].reshape(-1, 3))
    data = vtkImageData()
    data.SetDimensions(image.shape[1], image.shape[0], 1)
    data.GetPointData().SetScalars(numpy_to_vtk(rows))
    writer = vtkPNGWriter()
    writer.SetFileName(path)
    writer.SetInputData(data)
    writer.Write()
    if writer.GetErrorCode():
        raise RuntimeError(f"VTK could not write the picture (error {writer.GetErrorCode()})")
