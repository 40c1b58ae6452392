"""The result of a segmentation: label arrays on one grid and a table of segments.

Conventions, used everywhere in this library:

* a voxel array is C-contiguous with shape ``(k, j, i)``: the first index of the
  file (``i``) varies fastest. That is what SimpleITK's and VTK's buffers hold,
  so neither needs a copy;
* an affine maps ``(i, j, k, 1)`` of a voxel's centre to millimetres in **LPS**
  (+x to the patient's left, +y posterior, +z superior), as DICOM PS3.3 C.7.6.2
  and ITK define it. NIfTI and Slicer speak RAS; they are converted at the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Tuple

if TYPE_CHECKING:
    import numpy

Row = Tuple[float, float, float, float]
Affine = Tuple[Row, Row, Row, Row]
Colour = Tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """Where voxels are: ``shape`` counts ``(i, j, k)``, ``affine`` maps index to LPS mm."""

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def array_shape(self) -> tuple[int, int, int]:
        """Shape of a voxel array on this grid, ``(k, j, i)``."""
        i, j, k = self.shape
        return (k, j, i)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel in mm along i, j, k."""
        columns = [tuple(self.affine[r][c] for r in range(3)) for c in range(3)]
        i, j, k = (math.sqrt(sum(x * x for x in column)) for column in columns)
        return (i, j, k)

    @property
    def origin(self) -> tuple[float, float, float]:
        """Centre of voxel (0, 0, 0) in LPS mm."""
        return (self.affine[0][3], self.affine[1][3], self.affine[2][3])

    @property
    def determinant(self) -> float:
        """Signed volume of a voxel in mm³; negative for a left-handed index order."""
        (a, b, c, _), (d, e, f, _), (g, h, i, _), _ = self.affine
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return abs(self.determinant) / 1000.0


@dataclass(frozen=True)
class Code:
    """One coded concept: scheme designator (``SCT``, ``99ASP``), value, meaning."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Segment:
    """One named structure: voxels of ``layers[layer]`` that equal ``value``.

    ``name`` is the machine name (``lung_left``), ``title`` what a person reads
    (``Left lung``). ``colour`` is sRGB in 0..1. Where segments overlap, the
    higher ``priority`` wins in a flattened label map. ``group`` is the glTF
    parent (``organs``, ``bones``, ``vessels``, ``muscles``, ``tissue`` ...).
    """

    layer: int
    value: int
    name: str
    title: str
    colour: Colour
    group: str = "other"
    priority: int = 0
    opacity: float = 1.0
    category: Code | None = None
    code: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


@dataclass
class Segmentation:
    """Label ``layers`` (unsigned integers, shape ``grid.array_shape``) and their ``segments``.

    ``facts`` are an engine's plain values about how it worked, for the manifest: ``used`` (task, device).
    """

    grid: Grid
    layers: list[numpy.ndarray]
    segments: tuple[Segment, ...]
    warnings: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, layer in enumerate(self.layers):
            if tuple(layer.shape) != self.grid.array_shape:
                raise ValueError(
                    f"layer {number} has shape {tuple(layer.shape)}, the grid says {self.grid.array_shape}"
                )
        seen: set[tuple[int, int]] = set()
        names: set[str] = set()
        for segment in self.segments:
            if not 0 <= segment.layer < len(self.layers) or segment.value <= 0:
                raise ValueError(f"segment {segment.name} points to no layer or to background")
            key = (segment.layer, segment.value)
            if key in seen or segment.name in names:
                raise ValueError(f"segment {segment.name} is there twice")
            seen.add(key)
            names.add(segment.name)
