"""A result in the scene: the segmentation, and the scan if wished, where both belong.

Loading holds Slicer's event loop, as every loading in Slicer does; the panel says so.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

import slicer
import vtk

from ..core import states
from ..core.errors import PipelineError
from ..core.job import Job

if TYPE_CHECKING:
    from ..runtime.api import AutoSeg
    from .host import HostSession

_DICOM = "DICOM"
_BESIDE = (".json", ".csv")  # options and tables, which lie with a scan


@dataclass(frozen=True)
class Source:
    """The volume node that a job was made of, and the transform that lay on it then (None: not linear)."""

    node: str
    to_world: tuple[float, ...] | None

    @classmethod
    def of(cls, node: slicer.vtkMRMLTransformableNode) -> Source:
        """What is to be known of ``node`` when its result comes back."""
        transform = node.GetParentTransformNode()
        if transform is None:
            return cls(node.GetID(), _numbers(vtk.vtkMatrix4x4()))
        if not transform.IsTransformToWorldLinear():
            return cls(node.GetID(), None)
        matrix = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(matrix)
        return cls(node.GetID(), _numbers(matrix))


def load_result(session: HostSession, job_id: str, with_scan: bool = False) -> object:
    """The segmentation node of a job that is done, shown in slices and in 3D.

    It lies beside the volume node that it was made of, or under the patient and
    study of its DICOM series, or in a folder of the job's name. Raises
    ``request.wrong_state`` for a job that is not done, ``input.missing`` for a file
    that is gone (the scan's, when ``with_scan``).
    """
    autoseg = session.autoseg
    job = autoseg.job(job_id)
    if job.state != states.DONE:
        raise PipelineError("request.wrong_state", f"{job.name or job.label} is {job.state}, not done")
    path = autoseg.results(job).get("seg.nrrd")
    if path is None:
        raise PipelineError(
            "request.invalid", f"{job.name} has no .seg.nrrd", "Choose seg among the formats and try again."
        )
    if not path.exists():
        raise PipelineError("input.missing", f"{path} is gone")
    series = _Series.of(autoseg, job)
    scan = None if with_scan is False else _find_scan(session, job, series)
    with _announcing(f"Loading {job.name} into the scene"):
        node = _load_segmentation(path, job.name)
        _colour_3d(node)
        source = _source_of(session, job)
        volume = source[0] if source is not None else series.volume()
        if scan is not None and volume is None:
            volume = scan()
        if source is not None:
            _beside(node, source[0], source[1])
        _put_in_hierarchy(node, volume, job, series, scan is not None and source is None)
        if volume is not None:
            node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        _show(node, volume, scan is not None)
    return node


def _load_segmentation(path: Path, name: str) -> slicer.vtkMRMLSegmentationNode:
    try:
        node = slicer.util.loadSegmentation(str(path), {"name": name})
    except RuntimeError as error:
        raise PipelineError("input.unreadable", f"Slicer could not load {path.name}: {error}") from error
    node.SetName(name)
    return node


def _colour_3d(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Surfaces for the 3D view; opacity as the file says it for structures around others."""
    node.CreateClosedSurfaceRepresentation()
    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        identity = segmentation.GetNthSegmentID(number)
        opacity_text = vtk.reference("")
        if segmentation.GetSegment(identity).GetTag("AutoSegPipeline.Opacity", opacity_text):
            opacity = float(str(opacity_text) or 1.0)
            display.SetSegmentOpacity3D(identity, opacity)
            if opacity < 1.0:
                display.SetSegmentOpacity2DFill(identity, 0.2)


# --- where it belongs ----------------------------------------------------------------------


class _Series:
    """The DICOM series of a job in Slicer: known by the keyed hash of its UID, which alone is stored."""

    def __init__(self, uid: str = "", item: int = 0) -> None:
        self.uid = uid
        self.item = item

    @classmethod
    def of(cls, autoseg: AutoSeg, job: Job) -> _Series:
        if not job.series_key:
            return cls()
        key = autoseg.pipeline.flow.series_keys.of
        hierarchy = _hierarchy()
        for item in _items(hierarchy):
            uid = hierarchy.GetItemUID(item, _DICOM)
            if uid and key(uid) == job.series_key:
                return cls(uid, item)
        for uid in _database_series():
            if key(uid) == job.series_key:
                return cls(uid)
        return cls()

    def volume(self) -> object:
        """The series' volume node, when it is in the scene."""
        node = _hierarchy().GetItemDataNode(self.item) if self.item else None
        return node if node is not None and node.IsA("vtkMRMLScalarVolumeNode") else None

    def load(self) -> object:
        """The series from Slicer's DICOM database, by its own reader or else by SimpleITK."""
        from DICOMLib import DICOMUtils

        for identity in DICOMUtils.loadSeriesByUID([self.uid]) or ():
            node = slicer.mrmlScene.GetNodeByID(identity)
            if node is not None and node.IsA("vtkMRMLScalarVolumeNode"):
                return node
        files = [Path(str(path)) for path in slicer.dicomDatabase.filesForSeries(self.uid)]
        return read_slices([path for path in files if path.is_file()], self.uid)

    def study(self) -> int:
        """The study's place in the subject hierarchy, made from Slicer's database where it is not there."""
        hierarchy = _hierarchy()
        if self.item:
            return int(hierarchy.GetItemParent(self.item))
        files = list(slicer.dicomDatabase.filesForSeries(self.uid, 1)) if self.uid else []
        if not files:
            return 0

        def tag(number: str) -> str:
            return str(slicer.dicomDatabase.fileValue(files[0], number) or "")

        scene = hierarchy.GetSceneItemID()
        patient, study = tag("0010,0020"), tag("0020,000d")
        subject = hierarchy.GetItemByUID(_DICOM, patient) if patient else 0
        if not subject:
            subject = hierarchy.CreateSubjectItem(scene, tag("0010,0010") or patient or "No name")
            hierarchy.SetItemUID(subject, _DICOM, patient)
        found = hierarchy.GetItemByUID(_DICOM, study) if study else 0
        if not found:
            found = hierarchy.CreateStudyItem(subject, tag("0008,1030") or "No study description")
            hierarchy.SetItemUID(found, _DICOM, study)
        return int(found)


def _database_series() -> Iterator[str]:
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            yield from (str(uid) for uid in database.seriesForStudy(study))


def _source_of(session: HostSession, job: Job) -> tuple[object, Source] | None:
    """The volume node that the job was made of, while it is in the scene."""
    source: Source | None = getattr(session.host, "sources", {}).get(job.input)
    if source is None:
        return None
    node = slicer.mrmlScene.GetNodeByID(source.node)
    return None if node is None else (node, source)


def _beside(
    node: slicer.vtkMRMLTransformableNode, volume: slicer.vtkMRMLTransformableNode, source: Source
) -> None:
    """Under the volume's transform, so that both move together; it was segmented in the world."""
    transform = volume.GetParentTransformNode()
    if transform is None or source.to_world is None:
        return
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(source.to_world)
    matrix.Invert()
    back = vtk.vtkTransform()
    back.SetMatrix(matrix)
    node.ApplyTransform(back)
    node.SetAndObserveTransformNodeID(transform.GetID())


def _put_in_hierarchy(node: object, volume: object, job: Job, series: _Series, loaded: bool) -> None:
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(node)
    of_volume = hierarchy.GetItemByDataNode(volume) if volume is not None else 0
    place = series.study()
    if not place and of_volume and not loaded:
        place = hierarchy.GetItemParent(of_volume)
    if not place:
        place = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), job.name)
        if of_volume:
            hierarchy.SetItemParent(of_volume, place)
    elif of_volume and loaded:
        hierarchy.SetItemParent(of_volume, place)
    hierarchy.SetItemParent(item, place)


def _hierarchy() -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _items(hierarchy: slicer.vtkMRMLSubjectHierarchyNode) -> list[int]:
    found = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), found, True)
    return [found.GetId(number) for number in range(found.GetNumberOfIds())]


# --- the scan ------------------------------------------------------------------------------


def _find_scan(session: HostSession, job: Job, series: _Series) -> Callable[[], object]:
    """What loads the scan when called; raises ``input.missing`` when no copy of it is left."""
    if _source_of(session, job) is not None:
        return lambda: None  # it is in the scene already
    if series.uid:
        return series.load
    for path in _copies(session, job):
        if path.is_file():
            return lambda: _load_volume(path, job)
    hint = "Load the result alone, or the scan by hand."
    raise PipelineError("input.missing", f"the scan of {job.name} is kept no longer", hint)


def _copies(session: HostSession, job: Job) -> Iterator[Path]:
    """Where the scan may still lie: the caller's file, the grace, the archive."""
    yield Path(job.input)
    home = session.autoseg.home
    staged = str(job.staged.get("path", ""))
    yield home.spent / job.id / staged
    for folder in (home.spent / job.id / "input", Path(str(job.staged.get("kept_at") or os.devnull))):
        if folder.is_dir():
            yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() not in _BESIDE)


def _load_volume(path: Path, job: Job) -> object:
    if job.series_key:
        node = read_slices(sorted(other for other in path.parent.iterdir() if other.suffix not in _BESIDE))
        node.SetName(f"{job.name} scan")
        return node
    try:
        node = slicer.util.loadVolume(str(path), {"name": f"{job.name} scan"})
    except RuntimeError as error:
        raise PipelineError("input.unreadable", f"Slicer could not load {path.name}: {error}") from error
    affine = job.staged.get("affine")
    dimensions = list(node.GetImageData().GetDimensions())
    if affine and dimensions == list(job.shape or []):
        matrix = vtk.vtkMatrix4x4()
        for row in range(4):
            for column in range(4):
                value = float(affine[row][column])
                matrix.SetElement(row, column, -value if row < 2 else value)  # LPS to Slicer's RAS
        node.SetIJKToRASMatrix(matrix)
    return node


def read_slices(files: list[Path], uid: str = "") -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node of the slices of one DICOM series. Raises ``input.missing``, ``input.unreadable``."""
    import SimpleITK
    import sitkUtils

    if not files:
        raise PipelineError("input.missing", "the files of the DICOM series are gone")
    reader = SimpleITK.ImageSeriesReader()
    found = set(files)
    for series in [uid] if uid else reader.GetGDCMSeriesIDs(str(files[0].parent)):
        names = [
            name
            for folder in sorted({str(path.parent) for path in files})
            for name in reader.GetGDCMSeriesFileNames(folder, series)
            if Path(name) in found
        ]
        if len(names) > 1:
            break
    else:
        raise PipelineError("input.unreadable", f"{files[0].parent} holds no DICOM series of several slices")
    reader.SetFileNames(names)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise PipelineError("input.unreadable", f"the DICOM series cannot be read: {error}") from error
    return sitkUtils.PushVolumeToSlicer(image, name="Scan", className="vtkMRMLScalarVolumeNode")


# --- what the user sees ----------------------------------------------------------------------


def _show(node: slicer.vtkMRMLSegmentationNode, volume: object, with_scan: bool) -> None:
    """The anatomy in the middle of the views, unless the user looks at something else."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    shown = {
        composite.GetBackgroundVolumeID()
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    } - {None}
    if volume is not None and (with_scan or not shown):
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
    elif not shown:
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        for slice_node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            slice_node.JumpSliceByCentering(*(sum(bounds[2 * axis : 2 * axis + 2]) / 2 for axis in range(3)))
        slicer.util.resetSliceViews()
    for number in range(manager.threeDViewCount):
        manager.threeDWidget(number).threeDView().resetFocalPoint()
        manager.threeDWidget(number).threeDView().resetCamera()


def _numbers(matrix: vtk.vtkMatrix4x4) -> tuple[float, ...]:
    return tuple(matrix.GetElement(row, column) for row in range(4) for column in range(4))


@contextmanager
def _announcing(text: str) -> Iterator[None]:
    """Slicer's wait cursor and a line in its status bar, because the loop is held."""
    slicer.util.showStatusMessage(text)
    try:
        with slicer.util.WaitCursor():
            yield
    finally:
        slicer.util.showStatusMessage("", 1)
