"""The module as Slicer sees it: registration only. What it does lives in AutoSegPipelineLib."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class AutoSegPipeline(ScriptedLoadableModule):
    """Title, category and help of the module."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("AutoSeg Pipeline")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The AutoSegPipeline contributors"]
        self.parent.helpText = _(
            "Turns CT and MR scans into named, coloured 3D anatomy: glTF, segmentation, label map, "
            "statistics and a report. For research, not a medical device."
        )
        self.parent.acknowledgementText = _("It stands on 3D Slicer, VTK, SimpleITK, pydicom and dcm2niix.")
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """A button in the toolbar, sample data; begin to watch where the user has asked for it.

        Of the library nothing is imported before that.
        """
        self.addToolBar()
        self.registerSampleData()
        if slicer.app.userSettings().value("AutoSegPipeline/start_with_slicer") == "yes":
            from AutoSegPipelineLib.slicer_app import start

            start.with_slicer()

    def addToolBar(self) -> None:
        """The button that queues the volume that is shown."""
        window = slicer.util.mainWindow()
        if window is None:
            return
        import qt

        bar = qt.QToolBar(self.parent.title)
        bar.objectName = "AutoSegPipelineToolBar"
        action = bar.addAction(self.parent.icon, _("Segment the volume that is shown"))
        action.toolTip = _("AutoSeg Pipeline: queue the volume that the slice views show.")
        action.connect("triggered()", self.onSendCurrentVolume)
        window.addToolBar(bar)
        self.toolBar = bar

    @staticmethod
    def onSendCurrentVolume() -> None:
        """Queue the volume that is shown; the module's panel shows what becomes of it."""
        from AutoSegPipelineLib.slicer_app import shared_session

        with slicer.util.tryWithErrorDisplay(_("The volume was not queued."), waitCursor=True):
            job = shared_session.chosen().send_current_volume()
            text = _("{name} is queued in the module AutoSeg Pipeline.").format(name=job.label)
            slicer.util.showStatusMessage(text, 5000)

    def registerSampleData(self) -> None:
        """The phantom of the tutorial in Slicer's module Sample Data; it is made, not downloaded."""
        try:
            import SampleData
        except ImportError:
            return

        def torso(source=None):
            from AutoSegPipelineLib.slicer_app import start

            return [slicer.util.loadVolume(str(start.make_sample()), {"name": "Torso phantom"})]

        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=self.parent.title,
            sampleName="Torso phantom (CT)",
            uris=[],  # Slicer counts these two even where nothing is downloaded
            fileNames=[],
            thumbnailFileName=slicer.util.modulePath("AutoSegPipeline").replace(
                "AutoSegPipeline.py", "Resources/Icons/AutoSegPipeline.png"
            ),
            customDownloader=torso,
        )


class AutoSegPipelineWidget(ScriptedLoadableModuleWidget):
    """The panel, a view of the one pipeline of this Slicer."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic = None
        self.panel = None

    def setup(self) -> None:
        """Called when the user opens the module for the first time."""
        from AutoSegPipelineLib.slicer_app import start

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = AutoSegPipelineLogic()
        self.panel = start.panel(self.onSwitch)
        self.layout.addWidget(self.panel.widget)
        self.layout.addStretch(1)

    def onSwitch(self, name) -> None:
        """Another pipeline was chosen: that of a server, or with no name this Slicer's own."""
        from AutoSegPipelineLib.slicer_app import shared_session, start

        shared_session.choose(name)
        old, self.panel = self.panel, start.panel(self.onSwitch)
        self.layout.replaceWidget(old.widget, self.panel.widget)
        old.close()
        old.widget.deleteLater()

    def cleanup(self) -> None:
        """The widget goes; the pipeline ends with Slicer, not with its view."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def onReload(self) -> None:
        """Stop the pipeline, load every file of the library again, and go on as before."""
        from AutoSegPipelineLib.slicer_app import start

        with slicer.util.tryWithErrorDisplay(_("The module cannot be reloaded now."), waitCursor=True):
            resume = start.unload()
            ScriptedLoadableModuleWidget.onReload(self)
            resume()


class AutoSegPipelineLogic(ScriptedLoadableModuleLogic):
    """The pipeline for Slicer's Python console and for other modules.

    Every instance is a view of the one pipeline of this Slicer. The library is
    imported inside the methods, so that Slicer starts without it.
    """

    @staticmethod
    def version() -> str:
        """The version of the pipeline, for example ``0.1.0``."""
        import AutoSegPipelineLib

        return AutoSegPipelineLib.__version__

    @property
    def session(self):
        """The session of this Slicer, see AutoSegPipelineLib/slicer_app/session.py."""
        from AutoSegPipelineLib.slicer_app import shared_session

        return shared_session.shared()

    def startWatching(self, inbox=None, results=None, home=None, **settings) -> None:
        """Take every scan that is dropped into ``inbox``; ``settings`` and options hold until it stops."""
        self.session.start_watching(inbox, results, home, **settings)

    def stopWatching(self) -> None:
        """Take no new scans; what is queued goes on."""
        self.session.stop_watching()

    def submit(self, pathOrVolumeNode, **options):
        """Queue a scan (path of a file, DICOM folder or archive, or a volume node); the job."""
        return self.session.submit(pathOrVolumeNode, **options)

    def export(self, path, **options):
        """Queue a segmentation of your own for every result format; ``labels`` is a table of names."""
        return self.session.autoseg.export(path, **options)

    def wait(self, job, timeout=None, progress=None):
        """Serve Slicer's events until the job has ended; the job. ``progress(job)`` hears each change."""
        return self.session.wait(job, timeout, progress)

    def results(self, job):
        """Path of each result file by its ending: ``gltf``, ``seg.nrrd``, ``statistics.csv`` ..."""
        return self.session.autoseg.results(job)

    def load(self, job, scan=False):
        """Show the segmentation of an ended job in the scene, the scan too if wished; its node."""
        job = self.session.autoseg.job(job)
        return self.session.host.load_result(self.session, job.id, scan)

    def job(self, job):
        """What the store says of a job now; an id may be cut to a unique beginning."""
        return self.session.autoseg.job(job)

    def jobs(self):
        """Every job, the oldest first."""
        return self.session.autoseg.jobs()

    def family(self, job):
        """The job and those that came out of the same archive or folder."""
        return self.session.autoseg.family(job)

    def cancel(self, job):
        """Stop a job that has not ended."""
        return self.session.autoseg.cancel(job)

    def retry(self, job):
        """Run an ended job again; the job."""
        return self.session.autoseg.retry(job)

    def purge(self, job) -> None:
        """Remove every trace of one ended case, its results too."""
        self.session.autoseg.purge(job)

    def startServer(self, kind="embedded", port=None, **settings) -> str:
        """Start a web server, ``embedded`` or ``full``; its address."""
        return self.session.start_server(kind, port, **settings)

    def stopServer(self) -> None:
        """Close the port of the web server."""
        self.session.stop_server()

    def registerRequestHandler(self) -> str:
        """Put our handler under ``/autoseg/`` of Slicer's own Web Server module; its prefix."""
        return self.session.servers.register_with_stock()

    def unregisterRequestHandler(self) -> None:
        """Take it out again."""
        self.session.servers.unregister_from_stock()

    def makeSample(self, folder=None):
        """Write a made CT of a torso for trying things out; its path."""
        from AutoSegPipelineLib.slicer_app import start

        return start.make_sample(folder)

    @staticmethod
    def stop() -> None:
        """End the pipeline of this Slicer; running cases go back to its queue."""
        from AutoSegPipelineLib.slicer_app import shared_session

        shared_session.stop()


class AutoSegPipelineTest(ScriptedLoadableModuleTest):
    """What only Slicer can show: the module works with nothing but Slicer's own packages."""

    def setUp(self) -> None:
        """Start from an empty scene and an empty home."""
        import tempfile
        from pathlib import Path

        from AutoSegPipelineLib.slicer_app import shared_session

        slicer.mrmlScene.Clear()
        self.folder = Path(tempfile.mkdtemp(prefix="autoseg-test-", dir=slicer.app.temporaryPath))
        shared_session.use_home(self.folder / "home")

    def tearDown(self) -> None:
        """Leave nothing behind."""
        from AutoSegPipelineLib.core.files import remove_tree
        from AutoSegPipelineLib.slicer_app import shared_session

        shared_session.stop()
        shared_session.use_home(None)
        remove_tree(self.folder)
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        for test in (
            self.test_the_logic_knows_its_version,
            self.test_every_part_that_slicer_uses_imports,
            self.test_a_volume_node_becomes_results_where_it_lies_in_the_scene,
            self.test_a_volume_that_came_from_a_file_keeps_it,
            self.test_stopping_puts_a_running_job_back_and_leaves_no_process,
        ):
            self.setUp()
            try:
                test()
            finally:
                self.tearDown()

    def test_the_logic_knows_its_version(self) -> None:
        """The logic finds the library beside the module."""
        import AutoSegPipelineLib

        self.assertEqual(AutoSegPipelineLogic.version(), AutoSegPipelineLib.__version__)

    def test_every_part_that_slicer_uses_imports(self) -> None:
        """Every room imports with what Slicer bundles, but the command line's and the web child's."""
        import importlib
        import pkgutil

        import AutoSegPipelineLib

        others = (".headless", ".web.")
        for module in pkgutil.walk_packages(AutoSegPipelineLib.__path__, "AutoSegPipelineLib."):
            # Who may do what is asked in Slicer's own process, too.
            if ".web.accounts" not in module.name and any(other in module.name for other in others):
                continue
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    def test_a_volume_node_becomes_results_where_it_lies_in_the_scene(self) -> None:
        """From a moved node of the scene to glTF and a segmentation that lies where the anatomy is."""
        import json

        import vtk

        logic, before = AutoSegPipelineLogic(), self._children()
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
        job = AutoSegPipelineLogic().submit(node, formats="seg")
        self.assertEqual(self._scene(), scene)
        self.assertEqual(node.GetMTime(), changed)
        self.assertFalse(node.GetModifiedSinceRead())
        self.assertEqual(node.GetStorageNode().GetFileName(), path)
        self.assertEqual(AutoSegPipelineLogic().wait(job, timeout=300).state, "done")
        self.assertEqual(node.GetMTime(), changed)

    def test_stopping_puts_a_running_job_back_and_leaves_no_process(self) -> None:
        """A job that is at work when Slicer ends is queued for the next start."""
        import sqlite3
        import time

        logic, before = AutoSegPipelineLogic(), self._children()
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
    def _torso(shape, spacing):
        """A phantom in the scene, without a storage node; the phantom with its truth."""
        import vtk
        from AutoSegPipelineLib.processing.phantom import torso

        phantom = torso(shape=shape, spacing=(spacing,) * 3)
        turned = vtk.vtkMatrix4x4()
        for row, values in enumerate(phantom.volume.grid.affine):
            for column, value in enumerate(values):
                turned.SetElement(row, column, -value if row < 2 else value)  # LPS to Slicer's RAS
        node = slicer.util.addVolumeFromArray(phantom.volume.array, turned, "Small torso")
        return node, phantom

    @staticmethod
    def _scene():
        """The nodes that are in the scene, by their ids."""
        scene = slicer.mrmlScene
        return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}

    @staticmethod
    def _children():
        """Pids of this Slicer's child processes and, but for Windows, of theirs."""
        import os
        import subprocess

        from AutoSegPipelineLib.core import process_tree

        if os.name != "nt":
            table = process_tree.process_table()
            found = process_tree.members(table, [os.getpid()], [])
            running = {pid for pid in found if not table[pid].zombie}
            # Once more, because the program that lists processes lists itself.
            return (running & set(process_tree.process_table())) - {os.getpid()}
        ask = "(Get-CimInstance Win32_Process -Filter "
        ask += f"\"ParentProcessId={os.getpid()} and Name like '%Python%'\").ProcessId"
        command = ["powershell", "-NoProfile", "-Command", ask]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        return {int(pid) for pid in told.stdout.split()}
