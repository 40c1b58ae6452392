"""The surfaces of the picture: from the front and from the left, outer tissue like glass.

Orthographic, seen from anterior as in a radiologist's coronal view: the
patient's right is on the left. Runs only in the drawing process (:mod:`.process`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Tuple

import numpy as np

from .sections import GLASS_BELOW
from .shading import shaded
from .sheet import GROUND, Letters, Size

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer, vtkRenderWindow

Vector = Tuple[float, float, float]
GLASS_GROUPS = ("muscles",)  # they wrap what one wants to see
MOST_ACTORS = 256  # more surfaces are drawn as one: each costs a call to the graphics library
FINER = 2  # each pixel is drawn as so many by so many


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface in LPS mm with its look."""

    points: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    colour: tuple[float, ...]
    opacity: float
    group: str
    name: str


@dataclass(frozen=True)
class View:
    """A direction to look in, what is up, and the letters around; ``across`` is the LPS axis to the right."""

    look: Vector
    up: Vector
    across: int
    letters: Letters


FRONT = View((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), 0, ("R", "L", "S", "I"))
SIDE = View((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 1, ("A", "P", "S", "I"))


def draw_views(meshes: list[Mesh], mm_per_pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """What :data:`FRONT` and :data:`SIDE` show, uint8 (row, column, 3), cut to the surfaces."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    front, side = view_sizes(meshes, mm_per_pixel)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(FINER * (front[0] + side[0]), FINER * front[1])
    window.SetMultiSamples(0)
    edge = front[0] / (front[0] + side[0])
    fine = mm_per_pixel / FINER
    reach = _add_view(window, meshes, FRONT, (0.0, 0.0, edge, 1.0), fine)
    _add_view(window, meshes, SIDE, (edge, 0.0, 1.0, 1.0), fine)
    window.Render()
    colours, depths = _grab(window)
    window.Finalize()
    depths = np.where(depths < 1.0, depths * np.float32(2.0 * reach), np.float32(np.inf))
    cut = FINER * front[0]
    return (
        _coarser(shaded(colours[:, :cut], depths[:, :cut], fine)),
        _coarser(shaded(colours[:, cut:], depths[:, cut:], fine)),
    )


def view_sizes(meshes: list[Mesh], mm_per_pixel: float) -> tuple[Size, Size]:
    """Columns and rows of each view."""
    low, high = _bounds(meshes)
    x, y, z = (max(int(np.ceil(length / mm_per_pixel)) + 2, 16) for length in high - low)
    return (x, z), (y, z)


def _grab(window: vtkRenderWindow) -> tuple[np.ndarray, np.ndarray]:
    """Colours, uint8 (row, column, 3), and depths, 0 to 1 with 1 for nothing, from above downwards."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    found = []
    for depths in (False, True):
        grab = vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        if depths:
            grab.SetInputBufferTypeToZBuffer()
        grab.Update()
        columns, rows, _ = grab.GetOutput().GetDimensions()
        values = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        found.append(values.reshape(rows, columns, -1)[::-1].copy())
    return found[0], found[1][..., 0]


def _coarser(image: np.ndarray) -> np.ndarray:
    """Each square of :data:`FINER` by :data:`FINER` pixels as one."""
    rows, columns = image.shape[0] // FINER, image.shape[1] // FINER
    mean = image.reshape(rows, FINER, columns, FINER, 3).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(np.rint(mean), np.uint8)


def _bounds(meshes: list[Mesh]) -> tuple[np.ndarray, np.ndarray]:
    low = np.min([mesh.points.min(axis=0) for mesh in meshes], axis=0).astype(float)
    high = np.max([mesh.points.max(axis=0) for mesh in meshes], axis=0).astype(float)
    return low, high


def _add_view(
    window: vtkRenderWindow, meshes: list[Mesh], view: View, viewport: tuple[float, ...], mm_per_pixel: float
) -> float:
    """Add a view to the window; half of the depth that it reaches, in mm."""
    from vtkmodules.vtkRenderingCore import vtkRenderer

    renderer = vtkRenderer()
    renderer.SetViewport(*viewport)
    renderer.SetBackground(*(channel / 255.0 for channel in GROUND))
    # The glass is sorted from back to front once; peeling it apart for each frame takes ten times as long.
    renderer.SetUseDepthPeeling(0)
    if hasattr(renderer, "SetUseOIT"):
        renderer.SetUseOIT(False)
    window.AddRenderer(renderer)
    solid = [mesh for mesh in meshes if not _is_glass(mesh)] or meshes
    kept = {id(mesh) for mesh in solid}
    glass = [mesh for mesh in meshes if id(mesh) not in kept]
    if len(solid) > MOST_ACTORS:
        renderer.AddActor(_solid_actor(*_joined(solid), None, _solid_colours(solid)))
    else:
        for mesh in solid:
            renderer.AddActor(_solid_actor(mesh.points, mesh.triangles, mesh.normals, mesh.colour, None))
    if glass:
        renderer.AddActor(_glass_actor(glass, view))
    _light(renderer)
    return _aim(renderer, meshes, view, mm_per_pixel * window.GetSize()[1] / 2.0)


def _is_glass(mesh: Mesh) -> bool:
    return mesh.opacity < GLASS_BELOW or mesh.group in GLASS_GROUPS


def _joined(meshes: list[Mesh]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, triangles and normals of all ``meshes`` as one surface."""
    starts = np.cumsum([0] + [len(mesh.points) for mesh in meshes])
    return (
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts)]),
        np.concatenate([mesh.normals for mesh in meshes]),
    )


def _solid_colours(meshes: list[Mesh]) -> np.ndarray:
    """Opaque RGBA for each point of ``meshes``, 0 to 255."""
    colours = np.array([[*mesh.colour[:3], 1.0] for mesh in meshes])
    counts = [len(mesh.points) for mesh in meshes]
    return np.repeat(np.rint(colours * 255).astype(np.uint8), counts, axis=0)


def _solid_actor(
    points: np.ndarray,
    triangles: np.ndarray,
    normals: np.ndarray,
    colour: tuple[float, ...] | None,
    rgba: np.ndarray | None,
) -> vtkActor:
    """A surface of one ``colour``, or with ``rgba`` for each of its points."""
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper = vtkPolyDataMapper()
    mapper.SetInputData(_poly_data(points, triangles, normals, rgba))
    mapper.SetColorModeToDirectScalars()
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.SetInterpolationToPhong()
    if colour is not None:
        surface.SetColor(*colour)
    surface.SetAmbient(0.12)
    surface.SetDiffuse(0.88)
    surface.SetSpecular(0.22)
    surface.SetSpecularPower(28)
    return actor


def _glass_actor(meshes: list[Mesh], view: View) -> vtkActor:
    """All glass as one surface whose triangles run from the farthest to the nearest."""
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    points, triangles, normals = _joined(meshes)
    depth = points @ np.asarray(view.look, dtype=np.float32)
    triangles = triangles[np.argsort(-depth[triangles].sum(axis=1), kind="stable")]
    hull = _hull(meshes)
    rgba = np.concatenate([_glass_colours(mesh, view, mesh is hull) for mesh in meshes])
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(_poly_data(points, triangles, normals, rgba))
    mapper.SetColorModeToDirectScalars()
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.ForceTranslucentOn()
    surface = actor.GetProperty()
    surface.SetInterpolationToPhong()
    surface.SetAmbient(0.35)
    surface.SetDiffuse(0.65)
    surface.SetSpecular(0.0)
    surface.BackfaceCullingOn()
    return actor


def _glass_colours(mesh: Mesh, view: View, hull: bool) -> np.ndarray:
    """RGBA for each point: thin where one looks straight through, denser along the outline.

    ``hull`` is the outermost glass; what lies inside it has many folds one behind
    the other and would fill the picture with fog.
    """
    facing = np.abs(mesh.normals @ np.asarray(view.look, dtype=np.float32))
    rim = (1.0 - np.clip(facing, 0.0, 1.0)) ** 2.5
    alpha = 0.05 + 0.40 * rim if hull else 0.012 + 0.05 * rim
    rgba = np.empty((len(mesh.points), 4), dtype=np.uint8)
    rgba[:, :3] = np.round(np.array(mesh.colour) * 255)
    rgba[:, 3] = np.round(np.clip(alpha, 0.0, 1.0) * 255)
    return rgba


def _hull(meshes: list[Mesh]) -> Mesh:
    """The clearest glass; of equals the one that reaches farthest."""
    return max(meshes, key=lambda mesh: (-mesh.opacity, float(np.ptp(mesh.points, axis=0).sum())))


def _poly_data(
    points: np.ndarray, triangles: np.ndarray, normals: np.ndarray, rgba: np.ndarray | None
) -> vtkPolyData:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    places = vtkPoints()
    places.SetData(numpy_to_vtk(points, deep=True))
    rows = np.insert(triangles.astype(np.int64), 0, 3, axis=1).reshape(-1)
    cells = vtkCellArray()
    cells.SetCells(len(triangles), numpy_to_vtkIdTypeArray(rows, deep=True))
    data = vtkPolyData()
    data.SetPoints(places)
    data.SetPolys(cells)
    data.GetPointData().SetNormals(numpy_to_vtk(normals, deep=True))
    if rgba is not None:
        data.GetPointData().SetScalars(numpy_to_vtk(rgba, deep=True))
    return data


def _light(renderer: vtkRenderer) -> None:
    """Key from the upper left, fill from the right, a rim from behind: depth without black shadows."""
    from vtkmodules.vtkRenderingCore import vtkLight

    renderer.RemoveAllLights()
    renderer.SetAutomaticLightCreation(False)
    for position, strength, colour in (
        ((-0.7, 0.9, 1.2), 0.85, (1.0, 0.97, 0.92)),
        ((1.0, -0.1, 0.9), 0.38, (0.85, 0.92, 1.0)),
        ((0.2, 0.8, -1.0), 0.30, (1.0, 1.0, 1.0)),
    ):
        light = vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*position)
        light.SetFocalPoint(0.0, 0.0, 0.0)
        light.SetIntensity(strength)
        light.SetColor(*colour)
        renderer.AddLight(light)


def _aim(renderer: vtkRenderer, meshes: list[Mesh], view: View, half_height: float) -> float:
    low, high = _bounds(meshes)
    centre, reach = (low + high) / 2.0, float(np.linalg.norm(high - low)) or 1.0
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*centre)
    camera.SetPosition(*(centre - np.asarray(view.look) * reach * 2.0))
    camera.SetViewUp(*view.up)
    camera.SetParallelScale(half_height)
    camera.SetClippingRange(reach, reach * 3.0)
    return reach
