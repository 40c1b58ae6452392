"""The module as Slicer sees it: registration only. What it does lives in AutoSegPipelineLib."""

from __future__ import annotations

import qt
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


class AutoSegPipelineWidget(ScriptedLoadableModuleWidget):
    """Says where the pipeline is used from; it has no controls of its own yet."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic = None

    def setup(self) -> None:
        """Called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = AutoSegPipelineLogic()
        self.notice = qt.QLabel(
            _(
                "AutoSeg Pipeline {version}\n\n"
                "This version has no panel. It runs from the Python console "
                '(logic = slicer.util.getModuleLogic("AutoSegPipeline"); '
                "logic.submit(path or volume node)) and from the command line (python3 autoseg.py serve).\n\n"
                "For research, not a medical device."
            ).format(version=self.logic.version())
        )
        self.notice.setWordWrap(True)
        self.layout.addWidget(self.notice)
        self.layout.addStretch(1)


class AutoSegPipelineLogic(ScriptedLoadableModuleLogic):
    """The pipeline for Slicer's Python console and for other modules.

    The library is imported inside the methods, so that Slicer starts without it.
    """

    @staticmethod
    def version() -> str:
        """The version of the pipeline, for example ``0.1.0``."""
        import AutoSegPipelineLib

        return AutoSegPipelineLib.__version__

    @staticmethod
    def _session():
        from AutoSegPipelineLib.slicer_app import session

        return session.shared()

    def submit(self, pathOrVolumeNode, **options):
        """Queue a scan (path of a file, DICOM folder or archive, or a volume node); the job."""
        return self._session().submit(pathOrVolumeNode, **options)

    def wait(self, job, timeout=None, progress=None):
        """Serve Slicer's events until the job has ended; the job. ``progress(job)`` hears each change."""
        return self._session().wait(job, timeout, progress)

    def results(self, job):
        """Path of each result file by its ending: ``gltf``, ``seg.nrrd``, ``statistics.csv`` ..."""
        return self._session().autoseg.results(job)

    def jobs(self):
        """Every job, the oldest first."""
        return self._session().autoseg.jobs()

    def cancel(self, job):
        """Stop a job that has not ended."""
        return self._session().autoseg.cancel(job)

    def retry(self, job):
        """Run an ended job again."""
        return self._session().autoseg.retry(job)

    @staticmethod
    def stop():
        """End the pipeline of this Slicer; running cases go back to its queue."""
        from AutoSegPipelineLib.slicer_app import session

        session.stop()


class AutoSegPipelineTest(ScriptedLoadableModuleTest):
    """What only Slicer can show: the module loads with nothing but Slicer's own packages."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_the_logic_knows_its_version()
        self.setUp()
        self.test_every_part_that_slicer_uses_imports()

    def test_the_logic_knows_its_version(self) -> None:
        """The logic finds the library beside the module."""
        import AutoSegPipelineLib

        self.assertEqual(AutoSegPipelineLogic.version(), AutoSegPipelineLib.__version__)

    def test_every_part_that_slicer_uses_imports(self) -> None:
        """Every room but the command line's imports with what Slicer bundles."""
        import importlib
        import pkgutil

        import AutoSegPipelineLib

        for module in pkgutil.walk_packages(AutoSegPipelineLib.__path__, "AutoSegPipelineLib."):
            if ".headless" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
