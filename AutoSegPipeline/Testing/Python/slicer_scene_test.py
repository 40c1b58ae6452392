"""In a real Slicer: a result comes into the scene where it belongs, with names, colours and codes.

Started by ``slicer.testing``; see docs/slicer-engines.md. ``AUTOSEG_SCREENSHOT`` names a
picture of Slicer's window to be made of a loaded result.
"""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any

import slicer
import vtk
from support.slicer_needs import needs


class SceneTest(unittest.TestCase):
    """``load_result`` of jobs that came in by each way."""

    def setUp(self) -> None:
        from AutoSegPipelineLib.processing.phantom import torso
        from AutoSegPipelineLib.slicer_app import shared_session

        slicer.mrmlScene.Clear(0)
        self.folder = Path(tempfile.mkdtemp(prefix="autoseg-scene-", dir=slicer.app.temporaryPath))
        shared_session.use_home(self.folder / "home")
        self.session = shared_session.shared()
        self.addCleanup(self._leave)
        self.phantom = torso(shape=(91, 75, 60), spacing=(4.0, 4.0, 4.0))

    def _leave(self) -> None:
        from AutoSegPipelineLib.core.files import remove_tree
        from AutoSegPipelineLib.slicer_app import shared_session

        shared_session.stop()
        shared_session.use_home(None)
        remove_tree(self.folder)
        slicer.mrmlScene.Clear(0)

    def done(self, source: Any, **options: Any) -> Any:
        job = self.session.submit(source, engine="tissue", formats="gltf,seg", **options)
        job = self.session.wait(job, timeout=240)
        self.assertEqual((job.state, job.error), ("done", None))
        return job

    def load(self, job: Any, with_scan: bool = False) -> Any:
        from AutoSegPipelineLib.slicer_app.scene import load_result

        return load_result(self.session, job.id, with_scan)

    def volume_node(self) -> Any:
        turned = vtk.vtkMatrix4x4()
        for row, values in enumerate(self.phantom.volume.grid.affine):
            for column, value in enumerate(values):
                turned.SetElement(row, column, -value if row < 2 else value)
        return slicer.util.addVolumeFromArray(self.phantom.volume.array, turned, "Torso")

    def lies_right(self, node: Any, lift: float = 0.0) -> None:
        """Both lungs are where the phantom's are, ``lift`` mm higher, in the world."""
        segmentation = node.GetSegmentation()
        moved = vtk.vtkMatrix4x4()
        if node.GetParentTransformNode() is not None:
            node.GetParentTransformNode().GetMatrixTransformToWorld(moved)
        for title, key in (("Left lung", "lung_left"), ("Right lung", "lung_right")):
            found = list(node.GetSegmentCenterRAS(segmentation.GetSegmentIdBySegmentName(title)))
            if node.GetParentTransformNode() is not None and not self._in_world(node):
                found = list(moved.MultiplyPoint([*found, 1.0])[:3])
            left, posterior, superior = self.phantom.centres_lps[key]
            for is_at, belongs in zip(found, (-left, -posterior, superior + lift)):
                self.assertAlmostEqual(is_at, belongs, delta=16.0)

    @staticmethod
    def _in_world(node: Any) -> bool:
        """Whether GetSegmentCenterRAS speaks of the world, as it does since Slicer 4.11."""
        return True

    def hierarchy(self) -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    def parent_of(self, node: Any) -> int:
        return self.hierarchy().GetItemParent(self.hierarchy().GetItemByDataNode(node))

    def test_a_volume_nodes_result_lies_beside_it_and_moves_with_it(self) -> None:
        volume = self.volume_node()
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(2, 3, 70.0)
        transform.SetMatrixTransformToParent(matrix)
        volume.SetAndObserveTransformNodeID(transform.GetID())
        hierarchy = self.hierarchy()
        place = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Mine")
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), place)
        node = self.load(self.done(volume))
        self.assertEqual(node.GetTransformNodeID(), transform.GetID())
        self.assertEqual(self.parent_of(node), place)
        self.lies_right(node, 70.0)
        matrix.SetElement(2, 3, 0.0)
        transform.SetMatrixTransformToParent(matrix)
        self.lies_right(node, 0.0)

    def test_a_files_result_lies_in_a_folder_with_its_scan_named_coloured_and_coded(self) -> None:
        from AutoSegPipelineLib.processing.phantom import write_nifti

        scan = self.folder / "Patient 7.nii.gz"
        write_nifti(self.phantom.volume, scan)
        job = self.done(scan)
        node = self.load(job, with_scan=True)
        hierarchy = self.hierarchy()
        self.assertEqual(hierarchy.GetItemName(self.parent_of(node)), job.name)
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.assertEqual(len(volumes), 1)
        self.assertEqual(self.parent_of(volumes[0]), self.parent_of(node))
        self.lies_right(node)
        segmentation = node.GetSegmentation()
        lung = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("Left lung"))
        tag = vtk.reference("")
        self.assertTrue(lung.GetTag(lung.GetTerminologyEntryTagName(), tag))
        self.assertIn("SCT^39607008^Lung", str(tag))
        titles = {s.name: s for s in self.phantom.truth.segments}
        self.assertIn("lung_left", titles)
        self.assertNotEqual(lung.GetColor(), (0.5, 0.5, 0.5))
        picture = os.environ.get("AUTOSEG_SCREENSHOT")
        if picture and slicer.util.mainWindow() is not None:
            slicer.util.mainWindow().resize(1500, 900)
            slicer.util.selectModule("Data")
            slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
            slicer.app.processEvents()
            view = slicer.app.layoutManager().threeDWidget(0).threeDView()
            view.cameraNode().GetCamera().Zoom(1.6)
            slicer.util.resetSliceViews()
            slicer.util.forceRenderAllViews()
            slicer.app.processEvents()
            slicer.util.mainWindow().grab().save(picture)

    @needs("DICOMLib")
    def test_a_dicom_result_lies_under_its_patient_and_study(self) -> None:
        from AutoSegPipelineLib.processing.phantom import write_dicom_series
        from DICOMLib import DICOMUtils

        series = self.folder / "series"
        write_dicom_series(self.phantom.volume, series, PatientName="Doe^Jane", PatientID="P7")
        job = self.done(series)
        with DICOMUtils.TemporaryDICOMDatabase(str(self.folder / "database")) as database:
            self.assertTrue(DICOMUtils.importDicom(str(series), database))
            node = self.load(job, with_scan=True)
            hierarchy = self.hierarchy()
            study = self.parent_of(node)
            patient = hierarchy.GetItemParent(study)
            self.assertEqual(hierarchy.GetItemUID(patient, "DICOM"), "P7")
            self.assertIn("Doe", hierarchy.GetItemName(patient))
            volume = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
            self.assertEqual(self.parent_of(volume), study)
            self.lies_right(node)

    def test_a_scan_that_is_gone_is_told_and_the_result_loads_alone(self) -> None:
        from AutoSegPipelineLib.core.errors import PipelineError
        from AutoSegPipelineLib.core.files import remove_tree
        from AutoSegPipelineLib.processing.phantom import write_nifti

        scan = self.folder / "gone.nii.gz"
        write_nifti(self.phantom.volume, scan)
        job = self.done(scan)
        scan.unlink()
        remove_tree(self.session.home.spent)
        with self.assertRaises(PipelineError) as told:
            self.load(job, with_scan=True)
        self.assertEqual(told.exception.code, "input.missing")
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])
        self.lies_right(self.load(job))

    def test_a_job_that_is_not_done_is_refused(self) -> None:
        from AutoSegPipelineLib.core.errors import PipelineError
        from AutoSegPipelineLib.processing.phantom import write_nifti

        scan = self.folder / "scan.nii.gz"
        write_nifti(self.phantom.volume, scan)
        job = self.session.submit(scan, engine="tissue")
        with self.assertRaises(PipelineError) as told:
            self.load(job)
        self.assertEqual(told.exception.code, "request.wrong_state")
