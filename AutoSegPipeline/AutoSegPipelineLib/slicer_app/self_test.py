"""The module's self-test: what only Slicer can show, with nothing but Slicer's own packages."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import ModuleType

import slicer
import vtk

from ..core import process_tree
from ..core.files import remove_tree
from ..processing.phantom import Phantom, torso
from . import shared_session

_LIBRARY = __name__.split(".")[0]


def run() -> None:
    """Run every test; raises AssertionError where one fails or is skipped."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(ModuleTest)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if not result.wasSuccessful() or result.skipped:
        raise AssertionError("the self-test of AutoSegPipeline has not passed; see above")


def _library() -> ModuleType:
    return sys.modules[_LIBRARY]


def _logic() -> slicer.ScriptedLoadableModuleLogic:
    return slicer.util.getModuleLogic("AutoSegPipeline")


class ModuleTest(unittest.TestCase):
    """Each test has an empty scene and an empty home."""

    def setUp(self) -> None:
        """Start from an empty scene and an empty home."""
        slicer.mrmlScene.Clear()
        self.folder = Path(tempfile.mkdtemp(prefix="autoseg-test-", dir=slicer.app.temporaryPath))
        shared_session.use_home(self.folder / "home")

    def tearDown(self) -> None:
        """Leave nothing behind."""
        shared_session.stop()
        shared_session.use_home(None)
        remove_tree(self.folder)
        slicer.mrmlScene.Clear()

    def test_the_logic_knows_its_version(self) -> None:
        """The logic finds the library beside the module."""
        self.assertEqual(_logic().version(), _library().__version__)

    def test_every_part_that_slicer_uses_imports(self) -> None:
        """Every room imports with what Slicer bundles, but the command line's and the web child's."""
        others = (".headless", ".web.")
        for module in pkgutil.walk_packages(_library().__path__, f"{_LIBRARY}."):
            # Who may do what is asked in Slicer's own process, too.
            if ".web.accounts" not in module.name and any(other in module.name for other in others):
                continue
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    def test_a_volume_node_becomes_results_where_it_lies_in_the_scene(self) -> None:
        """From a moved node of the scene to glTF and a segmentation that lies where the anatomy is."""
        logic, before = _logic(), self._children()
        node, phantom = self._torso((61, 50, 40), 6.0)
        moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(2, 3, 70.0)
        moved.SetMatrixTransformToParent(matrix)
        node.SetAndObserveTransformNodeID(moved.GetID())
        scene = self._scene()
        job = logic.wait(logic.submit(node, formats="gltf,seg"), timeout=300)
        self.assertEqual((job.state, job.error), ("done", None))
        self.assertEqual(self._scene(), scene)
        self.assertEqual(node.GetTransformNodeID(), moved.GetID())
        results = logic.results(job)
        self.assertEqual(results["gltf"].name, "Small torso.gltf")
        logic.stop()
        self.assertEqual(self._children() - before, set())

        document = json.loads(results["gltf"].read_text(encoding="utf-8"))
        self.assertEqual(document["asset"]["version"], "2.0")
        loaded = slicer.util.loadSegmentation(str(results["seg.nrrd"]))
        segmentation = loaded.GetSegmentation()
        names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
        parts = [part.get("name") for part in document["nodes"]]
        for name, key in (("Body", "body"), ("Left lung", "lung_left"), ("Bones", "bones")):
            self.assertIn(name, names)
            self.assertIn(key, parts)
        for name, key in (("Left lung", "lung_left"), ("Right lung", "lung_right")):
            found = loaded.GetSegmentCenterRAS(segmentation.GetSegmentIdBySegmentName(name))
            left, posterior, superior = phantom.centres_lps[key]
            for is_at, belongs in zip(found, (-left, -posterior, superior + 70.0)):
                self.assertAlmostEqual(is_at, belongs, delta=20.0)

    def test_a_volume_that_came_from_a_file_keeps_it(self) -> None:
        """Submitting changes neither the node nor where and how it is saved."""
        node, _phantom = self._torso((61, 50, 40), 6.0)
        path = str(self.folder / "scan.nrrd")
        self.assertTrue(slicer.util.saveNode(node, path))
        slicer.mrmlScene.Clear()
        node = slicer.util.loadVolume(path)
        scene, changed = self._scene(), node.GetMTime()
        job = _logic().submit(node, formats="seg")
        self.assertEqual(self._scene(), scene)
        self.assertEqual(node.GetMTime(), changed)
        self.assertFalse(node.GetModifiedSinceRead())
        self.assertEqual(node.GetStorageNode().GetFileName(), path)
        self.assertEqual(_logic().wait(job, timeout=300).state, "done")
        self.assertEqual(node.GetMTime(), changed)

    def test_stopping_puts_a_running_job_back_and_leaves_no_process(self) -> None:
        """A job that is at work when Slicer ends is queued for the next start."""
        logic, before = _logic(), self._children()
        node, _phantom = self._torso((183, 150, 120), 2.0)
        logic.submit(node, formats="gltf,seg")
        until = time.monotonic() + 120
        while logic.jobs()[0].state not in ("segmenting", "exporting"):
            self.assertFalse(logic.jobs()[0].ended, logic.jobs()[0].error)
            self.assertLess(time.monotonic(), until)
            slicer.app.processEvents()
        self.assertNotEqual(self._children() - before, set())
        logic.stop()
        self.assertEqual(self._children() - before, set())
        with sqlite3.connect(str(self.folder / "home" / "state" / "store.sqlite")) as store:
            self.assertEqual([row[0] for row in store.execute("select state from jobs")], ["queued"])

    @staticmethod
    def _torso(shape: tuple[int, int, int], spacing: float) -> tuple[slicer.vtkMRMLScalarVolumeNode, Phantom]:
        """A phantom in the scene, without a storage node; the phantom with its truth."""
        phantom = torso(shape=shape, spacing=(spacing,) * 3)
        turned = vtk.vtkMatrix4x4()
        for row, values in enumerate(phantom.volume.grid.affine):
            for column, value in enumerate(values):
                turned.SetElement(row, column, -value if row < 2 else value)  # LPS to Slicer's RAS
        node = slicer.util.addVolumeFromArray(phantom.volume.array, turned, "Small torso")
        return node, phantom

    @staticmethod
    def _scene() -> set[str]:
        """The nodes that are in the scene, by their ids."""
        scene = slicer.mrmlScene
        return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}

    @staticmethod
    def _children() -> set[int]:
        """Pids of this Slicer's child processes and, but for Windows, of theirs."""
        if os.name != "nt":
            table = process_tree.process_table()
            found = process_tree.members(table, [os.getpid()], [])
            running = {pid for pid in found if not table[pid].zombie}
            # Once more, because the program that lists processes lists itself.
            return (running & set(process_tree.process_table())) - {os.getpid()}
        ask = "(Get-CimInstance Win32_Process -Filter "
        ask += f"\"ParentProcessId={os.getpid()} and Name like '%Python%'\").ProcessId"
        command = ["powershell", "-NoProfile", "-Command", ask]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {int(pid) for pid in done.stdout.split()}
