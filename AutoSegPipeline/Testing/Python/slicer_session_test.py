"""In a real Slicer: the panel's widgets, a reload, a second program; started by ``slicer.testing``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable
from xml.etree import ElementTree

import slicer

UI, BOX = "Resources/UI/AutoSegPipeline.ui", "ctkCollapsibleButton"


class SessionTest(unittest.TestCase):
    """Each test has a home of its own."""

    def setUp(self) -> None:
        from AutoSegPipelineLib.slicer_app import shared_session

        self.folder = Path(tempfile.mkdtemp(prefix="autoseg-test-", dir=slicer.app.temporaryPath))
        shared_session.stop()
        shared_session.use_home(self.folder / "home")
        if hasattr(slicer.modules, "AutoSegPipelineWidget"):
            slicer.modules.AutoSegPipelineWidget.onReload()
        self.logic = slicer.util.getModuleLogic("AutoSegPipeline")

    def tearDown(self) -> None:
        from AutoSegPipelineLib.core.files import remove_tree
        from AutoSegPipelineLib.slicer_app import shared_session

        shared_session.stop()
        shared_session.use_home(None)
        remove_tree(self.folder)

    @property
    def panel(self) -> Any:
        return slicer.modules.AutoSegPipelineWidget.panel

    def until(self, done: Callable[[], object], seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end)
            slicer.app.processEvents()
            time.sleep(0.01)

    def drop(self, name: str, size: float) -> None:
        from AutoSegPipelineLib.processing.phantom import torso, write_nifti

        shape = (int(366 / size), int(300 / size), int(240 / size))
        write_nifti(torso(shape=shape, spacing=(size,) * 3).volume, self.folder / name)
        os.rename(self.folder / name, self.folder / "home" / "inbox" / name)

    def state(self, name: str) -> str:
        return next((job.state for job in self.logic.jobs() if job.label == name), "")

    def test_every_control_is_there_and_has_a_tooltip(self) -> None:
        tree = ElementTree.parse(Path(slicer.util.modulePath("AutoSegPipeline")).parent / UI)
        named = [one.get("name") for one in tree.iter("widget") if one.get("class") not in ("QWidget", BOX)]
        self.assertGreater(len(named), 60)
        self.assertEqual([name for name in named if not getattr(self.panel.ui, name).toolTip], [])

    def test_controls_write_the_settings(self) -> None:
        ui = self.panel.ui
        ui.detailSpin.setValue(30.0)
        ui.stlCheck.click()
        ui.smoothingCheck.click()
        settings = self.logic.session.settings()
        self.assertEqual(settings["detail"], 0.3)
        self.assertIn("stl", settings["formats"])
        self.assertFalse(settings["smoothing"])
        self.assertEqual(ui.noticeLabel.text, "")

    def test_a_reload_keeps_watching_and_the_case_at_work_goes_on(self) -> None:
        self.logic.startWatching(settle_seconds=0.3, formats="seg")
        self.until(lambda: self.logic.session.state == "running")
        self.logic.startServer(port=0)
        self.drop("large.nii.gz", 3.0)
        self.until(lambda: self.state("large.nii.gz") == "segmenting")
        before = sys.modules["AutoSegPipelineLib.slicer_app.session"]
        slicer.modules.AutoSegPipelineWidget.onReload()
        self.assertIsNot(sys.modules["AutoSegPipelineLib.slicer_app.session"], before)
        self.logic = slicer.util.getModuleLogic("AutoSegPipeline")
        session = self.logic.session
        self.assertTrue(session.watching)
        self.assertEqual(session.settings()["settle_seconds"], 0.3)
        self.assertEqual(session.server_kind, "embedded")
        slicer.mrmlScene.Clear()
        self.until(lambda: self.state("large.nii.gz") == "done")
        self.until(lambda: "Done: large.nii.gz" in self.panel.ui.statusLabel.text)
        self.assertEqual(self.panel.ui.jobsTable.item(0, 1).text(), "Done")

    def test_a_result_comes_into_the_scene_by_the_panels_button(self) -> None:
        self.logic.startWatching(settle_seconds=0.3, formats="seg")
        self.until(lambda: self.logic.session.state == "running")
        self.drop("small.nii.gz", 6.0)
        self.until(lambda: self.panel.feed.jobs.counts["done"] == 1)
        self.panel.jobs.table.select([self.panel.feed.jobs.at(0).id])
        self.panel.ui.loadButton.click()
        self.assertEqual(self.panel.ui.noticeLabel.text, "")
        node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        segmentation = node.GetSegmentation()
        names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
        self.assertIn("Left lung", names)
        slicer.mrmlScene.Clear()

    def test_a_home_that_another_program_has_is_only_looked_at(self) -> None:
        from AutoSegPipelineLib.core.home import Home
        from AutoSegPipelineLib.core.lock import HomeLock

        home = Home.at(self.folder / "home")
        home.create()
        lock = HomeLock(home.lock)
        lock.acquire("another Slicer")
        try:
            self.until(lambda: "in use by another Slicer" in self.panel.ui.noticeLabel.text, 60)
            self.assertFalse(self.panel.ui.watchButton.enabled)
        finally:
            lock.release()
        self.until(lambda: self.panel.ui.watchButton.enabled, 60)

    def test_the_volume_that_is_shown_is_sent_from_the_toolbar(self) -> None:
        (sample,) = slicer.modules.sampleDataSources["AutoSeg Pipeline"]
        (node,) = sample.customDownloader(sample)
        slicer.util.setSliceViewerLayers(background=node)
        bar = slicer.util.mainWindow().findChild("QToolBar", "AutoSegPipelineToolBar")
        self.logic.startWatching(formats="seg", quality="fastest")
        bar.actions()[0].trigger()
        self.until(lambda: self.panel.feed.jobs.counts["done"] == 1)
        self.assertEqual(self.logic.jobs()[0].label, "Torso phantom.nrrd")
        loaded = self.logic.load(self.logic.jobs()[0])
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        places = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(one)) for one in (node, loaded)}
        self.assertEqual(len(places), 1)
        slicer.mrmlScene.Clear()

    def test_what_is_dropped_on_the_table_becomes_a_job(self) -> None:
        import qt

        table = self.panel.ui.jobsTable
        self.logic.startWatching(formats="seg", quality="fastest")
        scan = self.logic.makeSample(str(self.folder))
        files = qt.QMimeData()
        files.setUrls([qt.QUrl.fromLocalFile(str(scan))])
        node = slicer.util.loadVolume(str(scan), {"name": "Dragged"})
        volume = self.dragged(node)
        for data in (files, volume):
            for kind, point in ((qt.QDragEnterEvent, qt.QPoint(5, 5)), (qt.QDropEvent, qt.QPointF(5, 5))):
                event = kind(point, qt.Qt.CopyAction, data, qt.Qt.LeftButton, qt.Qt.NoModifier)
                qt.QApplication.sendEvent(table.viewport(), event)
                self.assertTrue(event.isAccepted(), kind)
        self.until(lambda: self.panel.feed.jobs.counts["done"] == 2)
        labels = {Path(job.label).name for job in self.logic.jobs()}
        self.assertEqual(labels, {"torso.nii.gz", "Dragged.nrrd"})
        slicer.mrmlScene.Clear()

    @staticmethod
    def dragged(node: Any) -> Any:
        """The mime data with which Slicer's own tree drags ``node``."""
        tree = slicer.qMRMLSubjectHierarchyTreeView()
        tree.setMRMLScene(slicer.mrmlScene)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        shown = tree.sortFilterProxyModel()
        return shown.mimeData([shown.indexFromSubjectHierarchyItem(hierarchy.GetItemByDataNode(node))])
