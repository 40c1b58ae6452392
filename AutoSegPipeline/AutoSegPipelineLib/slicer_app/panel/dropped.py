"""What is dropped on the table of jobs: files and folders, and volumes of Slicer's own lists."""

from __future__ import annotations

from typing import Callable, cast

from ...runtime import qt

_DRAGS = ("DragEnter", "DragMove", "Drop")


def accept_drops(
    table: qt.QtObject,
    volumes: Callable[[qt.QtObject], list[qt.QtObject]],
    dropped: Callable[[list[qt.QtObject]], object],
) -> object:
    """Call ``dropped(paths and nodes)`` for each drop on ``table``; hold the answer.

    ``volumes(mime data)`` are the volume nodes that are dragged out of the host's own lists.
    """
    everything = qt.everything()
    drags = {qt.number(qt.enumerator(everything.QEvent, "Type", name)): name for name in _DRAGS}

    def things(data: qt.QtObject) -> list[object]:
        paths: list[object] = [str(url.toLocalFile()) for url in data.urls()] if data.hasUrls() else []
        return [path for path in paths if path] or volumes(data)

    def look(_filter: object, _watched: object, event: qt.QtObject) -> bool:
        kind = drags.get(qt.number(event.type()))
        found = things(event.mimeData()) if kind else []
        if not found:
            return False
        event.acceptProposedAction()
        if kind == "Drop":
            # Not inside the drop: the program that the files come from waits for its end.
            qt.single_shot(0, lambda: dropped(found))
        return True

    # The class is made here because its base is only known now.
    listener = type("Drops", (everything.QObject,), {"eventFilter": look})()
    table.setAcceptDrops(True)
    table.viewport().setAcceptDrops(True)
    table.viewport().installEventFilter(listener)
    return cast(object, listener)
