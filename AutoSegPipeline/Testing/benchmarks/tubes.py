"""How smooth and how true thin structures are: tilted tubes of 4, 6 and 10 mm on three grids.

    python AutoSegPipeline/Testing/benchmarks/tubes.py

Ours against 3D Slicer's closed surfaces at its default smoothing factor 0.5 (the filters of
``surfaces_baseline.py``), before any decimation; the means of four directions. The target: normals of the
triangles no rougher than Slicer's on all nine, the volume within 1 % of the voxels'.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

import numpy as np  # noqa: E402
from AutoSegPipelineLib.processing.surfaces import make_surfaces  # noqa: E402
from AutoSegPipelineLib.processing.surfaces.surface import vertex_normals  # noqa: E402
from support.surfaces import segmentation  # noqa: E402
from support.tubes import DIRECTIONS, Truth, Tube, mean_truth, nine, truth, tube  # noqa: E402
from surfaces_baseline import vtk_surfaces  # noqa: E402
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

TARGET_VOLUME = 0.01


def ours(made: Tube) -> Truth:
    (surface,) = make_surfaces(segmentation([made.labels], made.affine))
    return truth(made, surface.points, surface.triangles, surface.normals)


def slicers(made: Tube) -> Truth:
    mesh = vtk_surfaces(made.labels)[0][1]
    points = (vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64) - 1.0) * made.spacing
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return truth(made, points, triangles, vertex_normals(points, triangles))


def row(one: Truth) -> str:
    return f"{one.volume:>8.3f}{one.distance:>10.3f}{one.faces:>9.1f}{one.shading:>9.1f}"


def main() -> int:
    names = f"{'volume':>8}{'distance':>10}{'faces':>9}{'shading':>9}"
    print(f"{'voxel, mm':<16}{'tube':>6}   ours: {names}   Slicer: {names}")
    good = True
    for spacing, diameter in nine():
        made = [tube(spacing, diameter, direction) for direction in DIRECTIONS]
        mine, other = (mean_truth([of(one) for one in made]) for of in (ours, slicers))
        good &= mine.faces <= other.faces and abs(mine.volume - 1.0) <= TARGET_VOLUME
        print(f"{'x'.join(f'{edge:g}' for edge in spacing):<16}{diameter:>6g}         {row(mine)}", end="")
        print(f"           {row(other)}")
    print("volume: part of the voxels'; distance: mean, voxels; faces and shading: mean angle, degrees")
    print(f"normals no rougher than Slicer's, volume within 1 %: {'met' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
