"""Opening what came from outside: regular files only, never through a link, never waiting.

On Windows the examination opens exclusively: that fails while a copy is still
under way, which is the only sure sign of one there.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import BinaryIO

from .errors import Refused

FILE_ATTRIBUTE_REPARSE_POINT = 0x400
# Symbolic links and junctions; the tags of cloud placeholders (OneDrive) are none.
LINK_TAGS = (0xA000000C, 0xA0000003)
SHARING_VIOLATIONS = (32, 33)
RESERVED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]+')  # in a file's name, on some system


class Locked(Refused):
    """Another process holds the file open (Windows) or its permissions are still closed."""

    def __init__(self, message: str) -> None:
        super().__init__("input.unreadable", message)


def is_link_stat(info: os.stat_result) -> bool:
    """Whether an ``lstat`` result is a symbolic link or a Windows junction."""
    if stat.S_ISLNK(info.st_mode):
        return True
    attributes = getattr(info, "st_file_attributes", 0)
    return bool(attributes & FILE_ATTRIBUTE_REPARSE_POINT) and getattr(info, "st_reparse_tag", 0) in LINK_TAGS


def bare_name(name: str) -> bool:
    """Whether ``name`` can only mean a file in the same folder, on every system."""
    return bool(name) and name not in (".", "..") and not RESERVED.search(name) and name == name.strip()


def local_name(name: str) -> str:
    """``name`` without the ``./`` or ``.\\`` that some writers put before a file of the same folder."""
    while name.startswith(("./", ".\\")):
        name = name[2:].lstrip("/\\")
    return name


def check_regular(path: str, name: str = "") -> os.stat_result:
    """``lstat`` of a regular file; raises :class:`Refused` for links and devices, OSError when gone.

    ``name`` is what messages call it.
    """
    info = os.lstat(path)
    name = name or os.path.basename(path)
    if is_link_stat(info):
        raise Refused("input.link", f"{name} is a link.")
    if not stat.S_ISREG(info.st_mode):
        raise Refused("input.unknown_format", f"{name} is not a regular file.")
    return info


def open_input(path: str, exclusive: bool = False, name: str = "") -> BinaryIO:
    """``path`` for reading, links and pipes excluded; ``name`` is what messages call it.

    Raises :class:`Refused` (``input.link``, ``input.unknown_format``,
    ``input.unreadable``), :class:`Locked`, or FileNotFoundError.
    """
    name = name or os.path.basename(path)
    check_regular(path, name)
    try:
        if sys.platform == "win32":
            return _open_windows(path, exclusive, name)
        # O_NONBLOCK: should a pipe take the name between lstat and open, open would wait for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags), "rb")
    except PermissionError as error:
        if exclusive:
            raise Locked(f"{name} cannot be opened yet: {error.strerror}.") from error
        raise Refused("input.unreadable", f"{name} cannot be opened: {error.strerror or error}.") from error


def _open_windows(path: str, exclusive: bool, name: str) -> BinaryIO:
    """CreateFileW with no sharing at all (``exclusive``) or with readers only."""
    if sys.platform != "win32":
        raise OSError("CreateFileW is of Windows")
    import ctypes
    import msvcrt
    from ctypes import wintypes

    create = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    create.argtypes = [
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID,
        wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE,
    ]  # fmt: skip
    create.restype = wintypes.HANDLE
    generic_read, share_read, open_existing, no_link = 0x80000000, 0x1, 3, 0x00200000
    share = 0 if exclusive else share_read
    handle = create(_long_path(path), generic_read, share, None, open_existing, no_link | 0x80, None)
    if handle == wintypes.HANDLE(-1).value:
        code = ctypes.get_last_error()
        if code in SHARING_VIOLATIONS:
            raise Locked(f"{name} is open in another program.")
        raise ctypes.WinError(code)
    descriptor = msvcrt.open_osfhandle(int(handle), os.O_RDONLY | os.O_BINARY)
    return os.fdopen(descriptor, "rb")


def _long_path(path: str) -> str:
    """Windows only: the form of an absolute path that may be longer than 260 characters."""
    absolute = os.path.abspath(path)
    if len(absolute) < 240 or absolute.startswith("\\\\?\\"):
        return absolute
    return "\\\\?\\UNC" + absolute[1:] if absolute.startswith("\\\\") else "\\\\?\\" + absolute
