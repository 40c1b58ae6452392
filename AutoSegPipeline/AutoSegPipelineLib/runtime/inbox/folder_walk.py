"""Walking a folder in small steps, so that the Qt thread is never held by a large inbox."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Iterator

from ...core.safe_open import is_link_stat
from ...intake.case_names import name_state

_LONG = 240


@dataclass(frozen=True)
class WalkedFile:
    """One entry that is no folder: a file, a link (also to a folder), a device."""

    path: str
    relative: str
    size: int
    mtime_ns: int
    inode: int  # 0 where the system has none
    partial: bool  # its name says that it is still being downloaded


class Walk:
    """Iterates over what lies below ``root``; links are shown and never followed.

    Afterwards ``folders`` holds every folder that was listed, ``root`` first, and
    ``problems`` says per folder why it could not be; with a problem, what was
    not seen may still be there.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.folders: list[str] = []
        self.problems: dict[str, str] = {}

    def __iter__(self) -> Iterator[WalkedFile]:
        waiting = [(self._root, "")]
        while waiting:
            folder, relative = waiting.pop()
            try:
                with os.scandir(long_path(folder)) as entries:
                    self.folders.append(folder)
                    for entry in entries:
                        if not _is_text(entry.name):
                            self.problems[os.path.join(folder, entry.name)] = "its name is not valid Unicode"
                            continue
                        below = f"{relative}/{entry.name}" if relative else entry.name
                        state = name_state(below)
                        if state == "ignored":
                            continue
                        path = os.path.join(folder, entry.name)
                        found = self._look(entry, path, below, state == "partial")
                        if found is None:
                            waiting.append((path, below))
                        elif found.path:
                            yield found
            except FileNotFoundError as error:
                if folder == self._root:
                    self.problems[folder] = error.strerror or str(error)
            except OSError as error:
                self.problems[folder] = error.strerror or str(error)

    def _look(self, entry: os.DirEntry[str], path: str, relative: str, partial: bool) -> WalkedFile | None:
        """What ``entry`` is; None for a folder to walk into, an empty path for what is gone."""
        try:
            # Windows keeps sizes in the folder that lag behind while a file is being written.
            info = os.lstat(long_path(path)) if sys.platform == "win32" else entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return WalkedFile("", "", 0, 0, 0, False)
        except OSError as error:
            self.problems[path] = error.strerror or str(error)
            return WalkedFile("", "", 0, 0, 0, False)
        if not is_link_stat(info) and entry.is_dir(follow_symlinks=False):
            return None
        inode = 0 if sys.platform == "win32" else info.st_ino
        return WalkedFile(path, relative, info.st_size, info.st_mtime_ns, inode, partial)


def _is_text(name: str) -> bool:
    """Whether ``name`` can be stored and shown; on POSIX a name may be any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def long_path(path: str) -> str:
    """On Windows the form that may be longer than 260 characters; elsewhere ``path`` itself."""
    if sys.platform != "win32" or len(path) < _LONG or path.startswith("\\\\?\\"):
        return path
    absolute = os.path.abspath(path)
    return "\\\\?\\UNC" + absolute[1:] if absolute.startswith("\\\\") else "\\\\?\\" + absolute
