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
    """What only Slicer can show; see AutoSegPipelineLib/slicer_app/self_test.py."""

    def runTest(self) -> None:
        """Run every test; raises where one fails or is skipped."""
        from AutoSegPipelineLib.slicer_app import self_test

        self_test.run()
