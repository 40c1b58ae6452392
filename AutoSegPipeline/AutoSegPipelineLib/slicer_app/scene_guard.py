"""Leaves the user's scene as it was while an extension works in it.

What appears in the scene while the extension's own code runs is the extension's and
goes again; what appears while it waits is the user's and stays.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, TypedDict

import slicer
import vtk

from .temporary_files import TemporaryFiles

if TYPE_CHECKING:
    import qt

log = logging.getLogger(__name__)
_ROLES = ("ActiveVolumeID", "SecondaryVolumeID", "ActiveLabelVolumeID", "ActiveTableID")
_SLICES = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID", "ForegroundOpacity", "LabelOpacity")
# Slicer's own ways to close the scene; what scripts do cannot be refused, only seen.
_CLOSING = ("FileCloseSceneAction", "FileLoadSceneAction")


class _Look(TypedDict, total=False):
    """What the user looks at: the selected volumes, the slices by their node's ID, the layout, the items."""

    selection: dict[str, str | None]
    slices: dict[str, dict[str, str | float | None]]
    layout: int | None
    items: set[int]


class SceneGuard:
    """``with SceneGuard(...) as guard:``; ``with guard.away():`` around every nested event loop.

    ``folder`` takes the temporary files of what works in the scene; the caller removes it.
    """

    def __init__(self, on_close: Callable[[], None], why: str, folder: Path) -> None:
        self._files = TemporaryFiles(folder)
        self._on_close = on_close
        self._why = why
        self._scene = slicer.mrmlScene
        self._ours: list[object] = []
        self._items: set[int] = set()
        self._tags: list[int] = []
        self._disabled: list[tuple[qt.QAction, str]] = []
        self._watching = False
        self._before = _Look()
        self._undo = 0

    def __enter__(self) -> SceneGuard:
        scene = self._scene
        self._tags.append(scene.AddObserver(scene.NodeAddedEvent, self._node_added))
        self._tags.append(scene.AddObserver(scene.StartCloseEvent, self._closing))
        self._forbid_closing()
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._watching:
            self._begin()
        try:
            self._remove_ours()
        finally:
            self._end()
            for tag in self._tags:
                self._scene.RemoveObserver(tag)
            for action, tip in self._disabled:
                action.setEnabled(True)
                action.setToolTip(tip)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The user has the scene: an event loop runs."""
        self._end()
        try:
            yield
        finally:
            self._begin()

    def add(self, class_name: str, name: str) -> slicer.vtkMRMLNode:
        """A node that no list shows and no saved scene holds."""
        node = self._scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(1)
        node.SetSaveWithScene(0)
        node.SetUndoEnabled(False)
        return self._scene.AddNode(node)

    def item_of(self, node: object) -> int:
        """A place in the subject hierarchy for a hidden node, not shown in its tree."""
        hierarchy = _hierarchy()
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
        constants = slicer.vtkMRMLSubjectHierarchyConstants
        hidden = constants.GetSubjectHierarchyExcludeFromTreeAttributeName()
        hierarchy.SetItemAttribute(item, hidden, "1")
        return int(item)

    # --- what changes --------------------------------------------------------------------------

    def _begin(self) -> None:
        self._before = _look()
        self._undo = self._scene.GetUndoFlag()
        self._scene.SetUndoOff()
        self._files.begin()
        self._watching = True

    def _end(self) -> None:
        self._watching = False
        self._files.end()
        self._items |= _items(_hierarchy()) - self._before["items"]
        if self._undo:
            self._scene.SetUndoOn()
        _look_again(self._before)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, _scene: object, _event: str, node: slicer.vtkMRMLNode | None) -> None:
        if not self._watching or node is None:
            return
        self._ours.append(node)
        node.SetSaveWithScene(0)
        if node.IsA("vtkMRMLDisplayNode"):
            node.SetVisibility(0)

    def _closing(self, *_: object) -> None:
        log.error("the scene was closed while %s", self._why)
        self._ours.clear()  # the scene removes them itself
        self._on_close()

    def _remove_ours(self) -> None:
        items = self._items | (_items(_hierarchy()) - self._before["items"])
        for node in reversed(self._ours):
            if self._scene.IsNodePresent(node):
                self._scene.RemoveNode(node)
        # Folders have no node of their own; an item with a node that is still there is not ours.
        hierarchy = _hierarchy()
        for item in sorted(items & _items(hierarchy), reverse=True):
            if hierarchy.GetItemDataNode(item) is None:
                hierarchy.RemoveItem(item)
        self._ours.clear()
        self._items.clear()
        self._before["items"] = _items(hierarchy)

    def _forbid_closing(self) -> None:
        window = slicer.util.mainWindow()
        if window is None:
            return
        for name in _CLOSING:
            action = slicer.util.findChild(window, name)
            if action is not None and action.enabled:
                self._disabled.append((action, action.toolTip))
                action.setEnabled(False)
                action.setToolTip(f"Not now: {self._why}.")


def _items(hierarchy: slicer.vtkMRMLSubjectHierarchyNode) -> set[int]:
    found = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), found, True)
    return {found.GetId(number) for number in range(found.GetNumberOfIds())}


def _hierarchy() -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _look() -> _Look:
    """What the user looks at: selected volumes, slices, layout."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode() if logic is not None else None
    manager = slicer.app.layoutManager()
    return {
        "selection": {}
        if selection is None
        else {role: getattr(selection, f"Get{role}")() for role in _ROLES},
        "slices": {
            node.GetID(): {what: getattr(node, f"Get{what}")() for what in _SLICES}
            for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        },
        "layout": None if manager is None else manager.layout,
        "items": _items(_hierarchy()),
    }


def _look_again(before: _Look) -> None:
    """Bring back what differs from ``before``."""
    now = _look()
    if now["layout"] != before["layout"]:
        slicer.app.layoutManager().setLayout(before["layout"])
    selection = slicer.app.applicationLogic().GetSelectionNode() if before["selection"] else None
    for role, value in before["selection"].items():
        if now["selection"].get(role) != value:
            getattr(selection, f"Set{role}")(value)
    for identity, values in before["slices"].items():
        node = slicer.mrmlScene.GetNodeByID(identity)
        for what, setting in values.items():
            if node is not None and now["slices"].get(identity, {}).get(what) != setting:
                getattr(node, f"Set{what}")(setting)
