"""3D Slicer as the module's surroundings; imported only inside Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable

import qt
import slicer
import vtk

from ..core.errors import PipelineError
from ..runtime.processes.child_command import interpreter
from ..runtime.qt import enumerator
from . import extensions, slicer_pip
from .scene import Source

if TYPE_CHECKING:
    from ..runtime.processes.host_steps import HostSteps
    from .host import HostSession
    from .slicer_steps import SlicerSteps

_PREFIX = "AutoSegPipeline/"
_FILTER = "Scans (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.dicom *.ima *.zip);;All files (*)"


class SlicerHost:
    """The :class:`~.host.Host` of a running Slicer."""

    def __init__(self) -> None:
        self.what = f"Slicer {slicer.app.applicationVersion}"
        self.sources: dict[str, Source] = {}  # exported file -> the node it was made of
        self._steps: SlicerSteps | None = None

    @property
    def has_window(self) -> bool:
        return slicer.util.mainWindow() is not None

    def temporary_folder(self) -> Path:
        return Path(slicer.app.temporaryPath)

    def on_quit(self, action: Callable[[], None]) -> Callable[[], None]:
        slicer.app.aboutToQuit.connect(action)
        return lambda: slicer.app.aboutToQuit.disconnect(action)

    def recall(self, key: str, default: str = "") -> str:
        value = slicer.app.userSettings().value(_PREFIX + key)
        return default if value is None else str(value)

    def remember(self, key: str, value: str) -> None:
        slicer.app.userSettings().setValue(_PREFIX + key, value)

    def python(self) -> str:
        return interpreter()

    own_packages_needed = True

    def prepare(self) -> None:
        extensions.share_models()

    def inside(self, session: HostSession) -> HostSteps:
        if self._steps is None:
            from .slicer_steps import SlicerSteps

            self._steps = SlicerSteps()
        if self._steps.busy not in session.guards:
            session.guards.append(self._steps.busy)
        return self._steps

    # --- the scene ------------------------------------------------------------------------

    def is_volume(self, thing: object) -> bool:
        return bool(hasattr(thing, "IsA") and thing.IsA("vtkMRMLScalarVolumeNode"))

    def current_volume(self) -> object | None:
        manager = slicer.app.layoutManager()
        shown = [
            composite.GetBackgroundVolumeID()
            for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        ]
        if manager is None or not any(shown):
            shown = [slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID()]
        nodes = [slicer.mrmlScene.GetNodeByID(identity) for identity in shown if identity]
        return next((node for node in nodes if self.is_volume(node)), None)

    def dragged_volumes(self, data: object) -> list[object]:
        items = vtk.vtkIdList()
        slicer.qMRMLUtils().mimeDataToSubjectHierarchyItemIDs(data, items)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        nodes = [hierarchy.GetItemDataNode(items.GetId(number)) for number in range(items.GetNumberOfIds())]
        return [node for node in nodes if node is not None and self.is_volume(node)]

    def export_volume(self, node: slicer.vtkMRMLScalarVolumeNode, folder: Path) -> Path:
        label = "".join(c if c.isalnum() or c in " -_." else "_" for c in node.GetName()) or "Volume"
        path = folder / f"{label}.nrrd"
        # exportNode leaves the node's own storage as it is: the scene does not become "modified".
        # A node that was never saved, however, gets an empty one.
        had_storage = node.GetStorageNode() is not None
        saved = slicer.util.exportNode(node, str(path), {"useCompression": 0}, world=True)
        if not had_storage and node.GetStorageNode() is not None:
            slicer.mrmlScene.RemoveNode(node.GetStorageNode())
        if not saved or not path.exists():
            raise PipelineError("request.invalid", f"Slicer could not save the volume {node.GetName()}")
        self.sources[str(path)] = Source.of(node)
        return path

    def load_result(self, session: HostSession, job_id: str, with_scan: bool) -> object:
        from . import scene

        return scene.load_result(session, job_id, with_scan)

    # --- people ---------------------------------------------------------------------------

    def confirm(self, text: str) -> bool:
        return bool(slicer.util.confirmYesNoDisplay(text))

    def ask_text(self, title: str, text: str) -> str | None:
        dialog = qt.QInputDialog(slicer.util.mainWindow())
        dialog.setWindowTitle(title)
        dialog.setLabelText(title)
        dialog.setTextValue(text)
        return str(dialog.textValue()) if dialog.exec_() else None

    def show_error(self, text: str) -> None:
        slicer.util.errorDisplay(text)

    def choose_of(self, title: str, choices: list[str]) -> list[int]:
        dialog = qt.QDialog(slicer.util.mainWindow())
        dialog.setWindowTitle(title)
        layout = qt.QVBoxLayout(dialog)
        boxes = [qt.QCheckBox(text) for text in choices]
        buttons = qt.QDialogButtonBox()
        for name in ("Ok", "Cancel"):
            buttons.addButton(enumerator(qt.QDialogButtonBox, "StandardButton", name))
        buttons.connect("accepted()", dialog, "accept()")
        buttons.connect("rejected()", dialog, "reject()")
        for widget in (*boxes, buttons):
            layout.addWidget(widget)
        if not dialog.exec_():
            return []
        return [number for number, box in enumerate(boxes) if box.checked]

    def choose_folder(self, title: str, start: str) -> str:
        return str(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, start) or "")

    def choose_files(self, title: str, start: str) -> list[str]:
        answer = qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), title, start, _FILTER)
        return [str(path) for path in answer or ()]

    def open_path(self, path: Path) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    # --- other extensions -----------------------------------------------------------------

    def extension(self, module: str) -> bool:
        return hasattr(slicer.modules, module.lower())

    def set_up_extension(self, module: str) -> None:
        try:
            logic = slicer.util.getModuleLogic(module)
            if not hasattr(logic, "installTorch"):
                logic.setupPythonRequirements()
            elif not logic.torchInstalled() and logic.installTorch() is None:
                raise RuntimeError("nothing was installed")
        except Exception as error:  # they have errors of their own, a user's refusal among them
            raise PipelineError("install.failed", f"the module {module} of Slicer: {error}") from error

    def install(self, packages: list[str]) -> None:
        slicer_pip.install(packages)

    def uninstall(self, packages: list[str]) -> None:
        slicer_pip.uninstall(packages)
