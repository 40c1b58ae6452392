"""In a real Slicer: the two extensions' own logic does its part of a case, and the scene stays as it was.

Started by ``slicer.testing``; see docs/slicer-engines.md. The extensions' modules must be on
Slicer's module path. Only what they start is a fake: a package ``torch``, a package
``totalsegmentator`` and the console program ``TotalSegmentator``, which writes what the real
one writes (a NIfTI label map), slowly, with its progress bars, and hangs when told to.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import tempfile
import textwrap
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import slicer
from support.fake_totalsegmentator import CLASSES, PROGRAM, TORCH
from support.slicer_needs import needs


class InsideSlicerTest(unittest.TestCase):
    """Engine ``slicer`` and exporter ``openanatomy``, from a queued file to published results."""

    def setUp(self) -> None:
        from AutoSegPipelineLib.processing.phantom import torso, write_nifti
        from AutoSegPipelineLib.runtime.api import AutoSeg
        from AutoSegPipelineLib.slicer_app.slicer_steps import SlicerSteps

        slicer.mrmlScene.Clear(0)
        self.folder = Path(tempfile.mkdtemp(prefix="autoseg-inside-", dir=slicer.app.temporaryPath))
        self.addCleanup(slicer.mrmlScene.Clear, 0)
        self.addCleanup(self._remove)
        self._fake_packages()
        self.phantom = torso(shape=(61, 50, 40), spacing=(6.0, 6.0, 6.0))
        self.scan = self.folder / "Small torso.nii.gz"
        write_nifti(self.phantom.volume, self.scan)
        self.inside = SlicerSteps()
        self.autoseg = AutoSeg(self.folder / "home", host_steps=self.inside, disk_reserve_mb=1)
        self.autoseg.start()
        self.addCleanup(self.autoseg.stop)

    def _remove(self) -> None:
        from AutoSegPipelineLib.core.files import remove_tree

        remove_tree(self.folder)

    def _fake_packages(self) -> None:
        packages, scripts = self.folder / "packages", self.folder / "scripts"
        for path, text in (
            (packages / "torch" / "__init__.py", TORCH),
            (packages / "totalsegmentator" / "__init__.py", ""),
            (packages / "totalsegmentator" / "map_to_binary.py", CLASSES),
            (scripts / ("TotalSegmentator" + (".exe" if os.name == "nt" else "")), textwrap.dedent(PROGRAM)),
            (scripts / "do", ""),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.do = scripts / "do"
        real = sysconfig.get_path

        def get_path(name: str, *more: Any, **how: Any) -> str:
            return str(scripts) if name == "scripts" else real(name, *more, **how)

        for patch in (
            mock.patch.object(sys, "path", [str(packages), *sys.path]),
            mock.patch.object(sysconfig, "get_path", get_path),
            mock.patch.dict(sys.modules),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def user_scene(self) -> Any:
        """What a user may have open: a volume shown in the slices, a model, a layout; saved."""
        import numpy

        volume = slicer.util.addVolumeFromArray(numpy.zeros((10, 11, 12), "int16"), name="Mine")
        slicer.util.setSliceViewerLayers(background=volume)
        manager = slicer.app.layoutManager()
        if manager is not None:
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        slicer.util.saveNode(volume, str(self.folder / "mine.nrrd"))
        slicer.app.processEvents()
        return volume

    def looks(self) -> dict[str, Any]:
        from AutoSegPipelineLib.slicer_app.scene_guard import _look

        scene = slicer.mrmlScene
        nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
        return {
            **_look(),
            "nodes": {node.GetID() for node in nodes},
            "storable": scene.GetStorableNodesModifiedSinceRead(),
            "undo": (scene.GetUndoFlag(), scene.GetNumberOfUndoLevels()),
            "actions": [
                slicer.util.findChild(slicer.util.mainWindow(), name).enabled
                for name in ("FileCloseSceneAction", "FileLoadSceneAction")
                if slicer.util.mainWindow() is not None
            ],
            "temporary": self.temporary(),
        }

    def temporary(self) -> set[str]:
        """What lies in Slicer's own temporary folder, but for its logs and this test's folder."""
        place = Path(slicer.app.temporaryPath)
        return {p.name for p in place.iterdir() if p.suffix != ".log" and p != self.folder}

    def meanwhile(self, action: Any, when: Any = lambda: True) -> Any:
        from AutoSegPipelineLib.runtime import qt

        done: list[bool] = []

        def look() -> None:
            if self.inside.running and not done and when():
                done.append(True)
                action()

        return qt.make_timer(30, look)

    def hanging(self) -> bool:
        """Whether the fake program has said that it hangs now."""
        return self.inside._reader is not None and "hanging" in self.inside._reader.tail

    def program(self) -> list[int]:
        """Pids of the extension's console program: the launcher and what it started."""
        from AutoSegPipelineLib.core.process_table import members, process_table

        return sorted(members(process_table(), [self.inside._reader._process.pid], []))

    @needs("TotalSegmentator")
    def test_the_extension_segments_while_slicer_lives_and_the_scene_stays(self) -> None:
        volume = self.user_scene()
        changed, before = volume.GetMTime(), self.looks()
        turns: list[float] = []
        timer = self.meanwhile(lambda: None)
        from AutoSegPipelineLib.runtime import qt

        clock = qt.make_timer(20, lambda: turns.append(time.monotonic()) if self.inside.running else None)
        job = self.autoseg.submit(
            self.scan, engine="slicer", quality="fast", formats="gltf,seg,labels,statistics"
        )
        job = self.autoseg.wait(job, timeout=120)
        timer.stop(), clock.stop()
        self.assertEqual((job.state, job.error, job.engine), ("done", None, "slicer"))
        self.assertEqual(self.looks(), before)
        self.assertEqual(volume.GetMTime(), changed)
        gaps = sorted(later - one for one, later in zip(turns, turns[1:]))
        print(
            f"{len(turns)} turns of the loop, median gap {gaps[len(gaps) // 2]:.3f}, longest {gaps[-1]:.3f} s"
        )
        self.assertGreater(len(turns), 20)
        manifest = json.loads(self.autoseg.results(job)["manifest.json"].read_text(encoding="utf-8"))
        names = {segment["name"]: segment for segment in manifest["segments"]}
        self.assertEqual(set(names), {"lung_upper_lobe_left", "sacrum"})
        self.assertEqual(names["sacrum"]["code"]["value"], "54735007")
        self.assertEqual(manifest["grid"]["shape_ijk"], [61, 50, 40])
        self.assertIn(
            "slicer", [e["name"] for e in self.autoseg.pipeline.store.meta.get("describe")["engines"]]
        )
        self._lies_right(self.autoseg.results(job)["labels.nii.gz"])

    def _lies_right(self, labels: Path) -> None:
        """Air and bone of the label map are those of the scan: nothing was turned on the way."""
        import SimpleITK

        scan = SimpleITK.ReadImage(str(self.scan))
        found = SimpleITK.Resample(
            SimpleITK.ReadImage(str(labels)), scan, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor
        )
        voxels, values = SimpleITK.GetArrayFromImage(scan), SimpleITK.GetArrayFromImage(found)
        wanted = ((voxels > -2000) & (voxels < -600)) | ((voxels > 200) & (voxels < 4000))
        wanted[:2] = False
        self.assertGreater(int(wanted.sum()), 1000)
        self.assertEqual(int((wanted != (values > 0)).sum()), 0)

    @needs("TotalSegmentator")
    def test_a_hanging_extension_is_cancelled_with_its_whole_tree(self) -> None:
        self.do.write_text("hang", encoding="utf-8")
        self.user_scene()
        before = self.looks()
        job = self.autoseg.submit(self.scan, engine="slicer", quality="fast")
        began: list[float] = []
        refused: list[str] = []
        closing: list[bool] = []
        faults: list[BaseException] = []
        pids: list[int] = []
        inputs: list[Path] = []

        def act() -> None:
            from AutoSegPipelineLib.core.errors import PipelineError

            if slicer.util.mainWindow() is not None:
                closing.append(
                    slicer.util.findChild(slicer.util.mainWindow(), "FileCloseSceneAction").enabled
                )
            self.assertIn("segments Small torso", self.inside.busy())
            pids.extend(self.program())
            self.assertGreaterEqual(len(pids), 2)  # a launcher and the real one behind it
            # Were Slicer killed now, the next start would remove the copy of the scan.
            self.assertEqual(self.temporary(), before["temporary"])
            inputs.extend((self.folder / "home" / "state" / "work").rglob("total-segmentator-input.nii"))
            mine = Path(slicer.util.tempDirectory())  # the user's other modules get theirs as ever
            self.assertEqual(mine.parent, Path(slicer.app.temporaryPath))
            mine.rmdir()
            try:
                self.autoseg.wait(job)
            except PipelineError as error:
                refused.append(error.code)
            began.append(time.monotonic())
            self.autoseg.cancel(job)

        def act_and_end() -> None:
            try:
                act()
            except BaseException as error:  # told by the test, which else would wait for ever
                faults.append(error)
                self.inside.stop()

        timer = self.meanwhile(act_and_end, self.hanging)
        ended = self.autoseg.wait(job, timeout=60)
        self.assertEqual(faults, [])
        took = time.monotonic() - began[0]
        timer.stop()
        print(f"cancelled after {took:.2f} s")
        self.assertEqual(ended.state, "cancelled")
        self.assertEqual([path.exists() for path in inputs], [False])
        self.assertLess(took, 3.0)
        self.assertEqual(refused, ["request.wrong_state"])
        self.assertNotIn(True, closing)
        self.assertEqual(self.looks(), before)
        from AutoSegPipelineLib.core.process_table import process_table

        table = process_table()
        self.assertEqual([pid for pid in pids if pid in table and not table[pid].zombie], [])

    @needs("TotalSegmentator")
    def test_a_dying_extension_fails_the_case_in_its_own_words(self) -> None:
        self.do.write_text("die", encoding="utf-8")
        before = self.looks()
        job = self.autoseg.submit(self.scan, engine="slicer", quality="fast", device="cpu")
        ended = self.autoseg.wait(job, timeout=60)
        self.assertEqual((ended.state, ended.error["code"]), ("failed", "engine.no_memory"))
        self.assertIn("CUDA out of memory", ended.error["message"])
        self.assertEqual(self.looks(), before)

    @needs("TotalSegmentator")
    def test_closing_the_scene_by_script_ends_the_case_and_nothing_of_it_stays(self) -> None:
        self.do.write_text("hang", encoding="utf-8")
        job = self.autoseg.submit(self.scan, engine="slicer", quality="fast")
        timer = self.meanwhile(lambda: slicer.mrmlScene.Clear(0), self.hanging)
        ended = self.autoseg.wait(job, timeout=60)
        timer.stop()
        self.assertEqual((ended.state, ended.error["code"]), ("failed", "engine.failed"))
        self.assertIn("scene was closed", ended.error["message"])
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])

    @needs("TotalSegmentator")
    def test_what_the_user_loads_meanwhile_stays(self) -> None:
        import numpy

        timer = self.meanwhile(
            lambda: slicer.util.addVolumeFromArray(numpy.ones((4, 5, 6), "int16"), name="Loaded meanwhile"),
            lambda: self.inside._reader is not None,
        )
        job = self.autoseg.submit(self.scan, engine="slicer", quality="fast", formats="gltf")
        self.assertEqual(self.autoseg.wait(job, timeout=60).state, "done")
        timer.stop()
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.assertEqual([node.GetName() for node in volumes], ["Loaded meanwhile"])

    @needs("OpenAnatomyExport", "Decimation")
    def test_openanatomy_writes_the_gltf_and_the_scene_stays(self) -> None:
        volume = self.user_scene()
        changed, before = volume.GetMTime(), self.looks()
        options = {"engine": "tissue", "exporter": "openanatomy", "formats": "gltf,glb", "detail": 0.2}
        job = self.autoseg.wait(self.autoseg.submit(self.scan, **options), timeout=180)
        self.assertEqual((job.state, job.error), ("done", None))
        self.assertEqual(self.looks(), before)
        self.assertEqual(volume.GetMTime(), changed)
        document = json.loads(self.autoseg.results(job)["gltf"].read_text(encoding="utf-8"))
        self.assertIn("Slicer", document["asset"]["generator"])
        self.assertIn("Left lung", [node.get("name") for node in document["nodes"]])
        hints = [warning["message"] for warning in job.warnings if warning["code"] == "export.hint"]
        print("hints of OpenAnatomy's file:", hints)

    @needs("OpenAnatomyExport", "Decimation")
    def test_openanatomy_is_cancelled_between_two_structures_and_nothing_of_it_stays(self) -> None:
        before = self.looks()
        job = self.autoseg.submit(self.scan, engine="tissue", exporter="openanatomy", formats="gltf")
        timer = self.meanwhile(lambda: self.autoseg.cancel(job))
        self.assertEqual(self.autoseg.wait(job, timeout=120).state, "cancelled")
        timer.stop()
        self.assertEqual(self.looks(), before)

    @needs("OpenAnatomyExport", "Decimation")
    def test_a_window_that_is_closed_while_openanatomy_works_quits_slicer(self) -> None:
        window = slicer.util.mainWindow()
        quits: list[bool] = []

        def stay() -> None:
            quits.append(True)
            window.show()

        with mock.patch.object(slicer.util, "quit", stay):
            job = self.autoseg.submit(self.scan, engine="tissue", exporter="openanatomy", formats="gltf")
            timer = self.meanwhile(window.hide)
            ended = self.autoseg.wait(job, timeout=180)
            timer.stop()
        # This Slicer did not quit after all, so the case was tried again.
        self.assertEqual((quits, ended.state, ended.vanished), ([True], "done", 1))

    @needs("TotalSegmentator", "OpenAnatomyExport", "Decimation")
    def test_a_missing_extension_is_named_with_the_way_to_get_it(self) -> None:
        from AutoSegPipelineLib.core.errors import PipelineError
        from AutoSegPipelineLib.slicer_app import extensions

        for module, extension, options in (
            ("TotalSegmentator", "TotalSegmentator", {"engine": "slicer"}),
            ("OpenAnatomyExport", "SlicerOpenAnatomy", {"exporter": "openanatomy"}),
            ("Decimation", "SurfaceToolbox", {"exporter": "openanatomy"}),
        ):
            real = extensions.has_module
            gone = mock.patch.object(
                extensions, "has_module", lambda name, gone=module, real=real: name != gone and real(name)
            )
            with gone, self.assertRaises(PipelineError) as told:
                self.autoseg.submit(self.scan, **options)
            self.assertEqual(told.exception.code, "engine.extension_missing")
            self.assertIn(extension, told.exception.message)
            self.assertIn(f"install {extension}", told.exception.hint)
