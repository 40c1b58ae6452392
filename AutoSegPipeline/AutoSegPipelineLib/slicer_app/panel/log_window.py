"""The log of one job in a window of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...runtime import qt
from .texts import _

_MOST_BYTES = 256 << 10


def read_log(path: Path) -> str:
    """The end of a job's log as lines ``time level text``."""
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _MOST_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return _("This job has no log yet.")
    except OSError as error:
        return f"{path}: {error.strerror}"
    return "\n".join(_shown(line) for line in lines[1 if size > _MOST_BYTES else 0 :])


def _shown(line: str) -> str:
    try:
        found = json.loads(line)
        return f"{found['at'][11:19]} {found['level']:7} {found['text']}"
    except (ValueError, KeyError, TypeError):
        return line


class LogWindow:
    """One window, used again for each log."""

    def __init__(self, parent: object) -> None:
        self._parent = parent
        self._dialog: Any = None
        self.text: Any = None

    def show(self, title: str, path: Path) -> None:
        """Open the log of ``title``; the panel stays usable."""
        if self._dialog is None:
            everything = qt.everything()
            self._dialog = everything.QDialog(self._parent)
            layout = everything.QVBoxLayout(self._dialog)
            self.text = everything.QPlainTextEdit()
            self.text.setReadOnly(True)
            self.text.setToolTip(_("What happened to this job, the latest at the end."))
            layout.addWidget(self.text)
            self._dialog.resize(720, 420)
        self._dialog.setWindowTitle(_("Log of {name}").format(name=title))
        self.text.setPlainText(read_log(path))
        self._dialog.show()
        self._dialog.raise_()
