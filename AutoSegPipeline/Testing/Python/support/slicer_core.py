"""Real Slicer libraries (PyPI's slicer-core) in an environment of their own.

They pin their own VTK, so they cannot live beside ours. ``AUTOSEG_TEST_SLICER_CORE``
names the Python of an environment that has them; without it one is made once in
``Testing/.cache/slicer-core``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENT = "slicer-core==5.12.4.0"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "slicer-core"


def slicer_python() -> str:
    """The interpreter to run; skips where slicer-core has no wheel for this Python, or the disk no room."""
    given = os.environ.get("AUTOSEG_TEST_SLICER_CORE")
    if given:
        return given
    if given is not None:
        pytest.skip("the disk had no room for slicer-core when `python3 autoseg.py test` began")
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        pytest.skip(f"slicer-core has wheels for Python 3.10 to 3.13, not for {sys.version.split()[0]}")
    python = CACHE / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = CACHE / "complete"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
        done.write_text(REQUIREMENT, encoding="ascii")
    return str(python)


def run_slicer(script: str, *arguments: str) -> dict:
    """Run ``script`` there; its last line on standard output is JSON."""
    answer = subprocess.run(
        [slicer_python(), "-c", script, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout.strip().splitlines()[-1])


_OPEN = """
import json, sys, numpy, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy
scene = slicer.vtkMRMLScene()
logic = slicer.vtkSlicerSegmentationsModuleLogic()
logic.SetMRMLScene(scene)
node = slicer.vtkMRMLSegmentationNode()
scene.AddNode(node)
storage = slicer.vtkMRMLSegmentationStorageNode()
scene.AddNode(storage)
storage.SetFileName(sys.argv[1])
assert storage.ReadData(node), "Slicer cannot read " + sys.argv[1]
"""
_ROWS = """
segmentation = node.GetSegmentation()
rows = []
for number in range(segmentation.GetNumberOfSegments()):
    segment = segmentation.GetNthSegment(number)
    image = segment.GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = numpy.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
    extent = image.GetExtent()
    shape = [extent[5] - extent[4] + 1, extent[3] - extent[2] + 1, extent[1] - extent[0] + 1]
    mask = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape) == segment.GetLabelValue()
    k, j, i = numpy.nonzero(mask)
    index = numpy.array([i.mean() + extent[0], j.mean() + extent[2], k.mean() + extent[4], 1.0])
    entry = vtk.reference("")
    tagged = segment.GetTag("TerminologyEntry", entry)
    rows.append({
        "id": segmentation.GetNthSegmentID(number), "name": segment.GetName(),
        "color": list(segment.GetColor()),
        "layer": segmentation.GetLayerIndex(segmentation.GetNthSegmentID(number)),
        "ml": float(mask.sum() * abs(numpy.linalg.det(affine[:3, :3])) / 1000.0),
        "ras": (affine @ index)[:3].tolist(),
        "terminology": str(entry.get()) if tagged else "",
    })
print(json.dumps({"segments": rows, "layers": segmentation.GetNumberOfLayers()}))
"""

# A label map becomes a segmentation as Slicer's reader of DICOM segmentations does it with what dcmqi wrote.
_LABELS = """
import json, sys, numpy, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy
scene = slicer.vtkMRMLScene()
logic = slicer.vtkSlicerSegmentationsModuleLogic()
logic.SetMRMLScene(scene)
node = slicer.vtkMRMLSegmentationNode()
scene.AddNode(node)
labels = slicer.vtkMRMLLabelMapVolumeNode()
scene.AddNode(labels)
storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
scene.AddNode(storage)
storage.SetFileName(sys.argv[1])
assert storage.ReadData(labels), "Slicer cannot read " + sys.argv[1]
assert logic.ImportLabelmapToSegmentationNode(labels, node)
"""
READ, READ_LABELS = _OPEN + _ROWS, _LABELS + _ROWS

WRITE = """
import json, sys, numpy, slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy
scene = slicer.vtkMRMLScene()
logic = slicer.vtkSlicerSegmentationsModuleLogic()
logic.SetMRMLScene(scene)
node = slicer.vtkMRMLSegmentationNode()
scene.AddNode(node)
def image(start):
    made = slicer.vtkOrientedImageData()
    made.SetDimensions(10, 8, 6)
    made.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    voxels = vtk_to_numpy(made.GetPointData().GetScalars()).reshape(6, 8, 10)
    voxels[:] = 0
    voxels[1:3, 2:5, start:start + 3] = 1
    made.SetSpacing(2, 3, 4)
    made.SetOrigin(5, 6, 7)
    return made
for number, (name, start) in enumerate([("Left lung", 3), ("Schnitt; a:b|c", 5)]):
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(0.25 * number, 0.5, 0.75)
    segment.SetTag("TerminologyEntry", "Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~SCT^7771000^Left"
        "~Anatomic codes - DICOM master list~^^~^^")
    segment.AddRepresentation("Binary labelmap", image(start))
    node.GetSegmentation().AddSegment(segment, "Segment_%d" % (number + 1))
storage = slicer.vtkMRMLSegmentationStorageNode()
scene.AddNode(storage)
storage.SetFileName(sys.argv[1])
print(json.dumps({"written": bool(storage.WriteData(node))}))
"""
