"""The way that 3D Slicer goes: closed surfaces, quadric decimation, VTK's glTF exporter.

Run by ``surfaces.py`` in a process of its own: ``PYTHON surfaces_baseline.py MAP.npy COUNTS.json OUT.gltf``.
With slicer-core the closed surfaces are MRML's own; without it, the same filters with the same settings
(vtkDiscreteFlyingEdges3D, vtkWindowedSincPolyDataFilter at smoothing factor 0.5, vtkPolyDataNormals).
``COUNTS.json`` says for each label to how many triangles it is decimated. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

try:
    import slicer
except ImportError:
    slicer = None


def image_of(labels: np.ndarray, kind: type) -> vtk.vtkImageData:
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(labels.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(labels.reshape(-1).astype(kind), deep=True))
    return image


def mrml_surfaces(labels: np.ndarray) -> tuple[dict[int, vtk.vtkPolyData], float]:
    """Closed surfaces by label, and the seconds that making them took (not the import of the label map)."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    volume = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    volume.SetAndObserveImageData(image_of(labels, np.int16))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    if not logic.ImportLabelmapToSegmentationNode(volume, node):
        raise SystemExit("slicer-core did not import the label map")
    start = time.perf_counter()
    if not node.CreateClosedSurfaceRepresentation():
        raise SystemExit("slicer-core made no closed surfaces")
    seconds = time.perf_counter() - start
    segments, found = node.GetSegmentation(), {}
    for number in range(segments.GetNumberOfSegments()):
        name = segments.GetNthSegmentID(number)
        mesh = vtk.vtkPolyData()
        node.GetClosedSurfaceRepresentation(name, mesh)
        found[int(segments.GetSegment(name).GetLabelValue())] = mesh
    return found, seconds


def vtk_surfaces(labels: np.ndarray) -> tuple[dict[int, vtk.vtkPolyData], float]:
    """The same with VTK alone, cropped to each structure as MRML's converter does."""
    image, found = image_of(np.pad(labels, 1), np.uint8), {}
    start = time.perf_counter()
    for label in [int(v) for v in np.unique(labels) if v]:
        where = np.nonzero(labels == label)
        extent = [int(x) for axis in reversed(where) for x in (axis.min(), axis.max() + 2)]
        crop = vtk.vtkExtractVOI()
        crop.SetInputData(image)
        crop.SetVOI(extent)
        edges = vtk.vtkDiscreteFlyingEdges3D()
        edges.SetInputConnection(crop.GetOutputPort())
        edges.ComputeGradientsOff()
        edges.ComputeNormalsOff()
        edges.SetValue(0, label)
        sinc = vtk.vtkWindowedSincPolyDataFilter()
        sinc.SetInputConnection(edges.GetOutputPort())
        sinc.SetNumberOfIterations(40)
        sinc.BoundarySmoothingOff()
        sinc.FeatureEdgeSmoothingOff()
        sinc.SetPassBand(0.01)
        sinc.NonManifoldSmoothingOn()
        sinc.NormalizeCoordinatesOn()
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputConnection(sinc.GetOutputPort())
        normals.SplittingOff()
        normals.ConsistencyOn()
        normals.Update()
        found[label] = normals.GetOutput()
    return found, time.perf_counter() - start


def decimated(mesh: vtk.vtkPolyData, count: int) -> vtk.vtkPolyData:
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(mesh)
    triangles.Update()
    quadric = vtk.vtkQuadricDecimation()
    quadric.SetInputConnection(triangles.GetOutputPort())
    quadric.SetTargetReduction(max(0.0, 1.0 - count / max(triangles.GetOutput().GetNumberOfCells(), 1)))
    quadric.Update()
    return quadric.GetOutput()


def export(meshes: dict[int, vtk.vtkPolyData], path: str) -> None:
    renderer, window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.AddRenderer(renderer)
    for mesh in meshes.values():
        mapper, actor = vtk.vtkPolyDataMapper(), vtk.vtkActor()
        mapper.SetInputData(mesh)
        mapper.ScalarVisibilityOff()
        actor.SetMapper(mapper)
        renderer.AddActor(actor)
    exporter = vtk.vtkGLTFExporter()
    exporter.SetFileName(path)
    exporter.InlineDataOn()
    exporter.SaveNormalOn()
    exporter.SetRenderWindow(window)
    exporter.Write()


def main() -> None:
    labels = np.load(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        counts = {int(label): count for label, count in json.load(file).items()}
    meshes, closed = (mrml_surfaces if slicer else vtk_surfaces)(labels)
    before = sum(mesh.GetNumberOfPolys() for mesh in meshes.values())
    start = time.perf_counter()
    small = {label: decimated(mesh, counts.get(label, 4)) for label, mesh in meshes.items()}
    decimation = time.perf_counter() - start
    start = time.perf_counter()
    export(small, sys.argv[3])
    figures = {
        "with": "slicer-core (MRML)" if slicer else "VTK alone",
        "vtk": vtk.vtkVersion.GetVTKVersion(),
        "closed_s": closed,
        "decimation_s": decimation,
        "export_s": time.perf_counter() - start,
        "triangles_before": before,
        "triangles": sum(mesh.GetNumberOfPolys() for mesh in small.values()),
    }
    figures["total_s"] = figures["closed_s"] + figures["decimation_s"] + figures["export_s"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
