"""The files of a case and the hidden nodes that hold them while an extension works."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk

from ..core.errors import EngineFailed
from ..core.messages.worker_messages import CaseOrder
from .scene_guard import SceneGuard


def read_scan(guard: SceneGuard, case: CaseOrder) -> object:
    """The case's scan as a hidden node, where the case says that it lies (its affine is LPS)."""
    node = guard.add("vtkMRMLScalarVolumeNode", "AutoSeg Pipeline scan")
    storage = slicer.mrmlScene.CreateNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.UnRegister(None)
    storage.SetFileName(case.path)
    storage.SetSingleFile(1)
    if not storage.ReadData(node) or node.GetImageData() is None:
        raise EngineFailed("engine.failed", f"Slicer could not read {case.label}")
    if case.affine:
        matrix = vtk.vtkMatrix4x4()
        for row in range(4):
            for column in range(4):
                value = float(case.affine[row][column])
                matrix.SetElement(row, column, -value if row < 2 else value)  # LPS to Slicer's RAS
        node.SetIJKToRASMatrix(matrix)
    return node


def write_segmentation(node: slicer.vtkMRMLSegmentationNode, path: Path) -> None:
    """Save what the extension found. Raises ``export.empty``, ``engine.failed``."""
    storage = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.UnRegister(None)
    storage.SetFileName(str(path))
    if node.GetSegmentation().GetNumberOfSegments() == 0:
        raise EngineFailed("export.empty", "the extension found no structure")
    if not storage.WriteData(node):
        raise EngineFailed("engine.failed", "Slicer could not write the segmentation")


def read_segmentation(node: object, path: Path) -> None:
    """Fill a node with a ``.seg.nrrd``. Raises ``engine.failed``."""
    storage = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.UnRegister(None)
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise EngineFailed("engine.failed", f"Slicer could not read {path.name}")


def name_apart(node: slicer.vtkMRMLSegmentationNode) -> int:
    """How many segments there are; OpenAnatomy takes two of one name for the same model."""
    segmentation = node.GetSegmentation()
    taken: set[str] = set()
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        name, count = segment.GetName(), 1
        while segment.GetName() in taken:
            count += 1
            segment.SetName(f"{name} ({count})")
        taken.add(segment.GetName())
    return len(taken)
