"""What kind of file system a folder lies on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_NETWORK = frozenset(
    (
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.davfs",
        "fuse.sshfs", "ncpfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "gpfs", "beegfs",
    )
)  # fmt: skip

# Their journal has one order for names and contents: a file's fsync also writes the renames before it.
# Of tmpfs nothing outlives the machine in any case.
_ORDERED = frozenset(("ext4", "xfs", "btrfs", "tmpfs"))


def syncs_names(folder: Path) -> bool:
    """Whether syncing a file makes its name durable too, so that its folder needs no sync of its own."""
    if sys.platform == "win32":
        return True  # NTFS journals names, and there is no call for more
    return sys.platform.startswith("linux") and _mount_type(_existing(folder)) in _ORDERED


def is_network(folder: Path) -> bool:
    """Whether ``folder`` (or its nearest parent that exists) lies on a network file system."""
    place = _existing(folder)
    if sys.platform == "win32":
        return _windows_remote(place)
    return _mount_type(place) in _NETWORK


def _existing(folder: Path) -> Path:
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.resolve()


def _windows_remote(place: Path) -> bool:
    import ctypes

    drive_remote = 4
    text = str(place)
    if text.startswith("\\\\"):
        return not text.startswith("\\\\?\\") or text.upper().startswith("\\\\?\\UNC\\")
    root = os.path.splitdrive(text)[0] + "\\"
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    return int(kernel.GetDriveTypeW(ctypes.c_wchar_p(root))) == drive_remote


def _mount_type(place: Path) -> str:
    best, kind = "", ""
    for point, name in _mounts():
        inside = place == Path(point) or str(place).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind


def _mounts() -> list[tuple[str, str]]:
    """(mount point, file system type) of every mount of this machine."""
    if sys.platform.startswith("linux"):
        try:
            text = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
        rows = [line.split(" ") for line in text.splitlines()]
        return [(_unescape(row[1]), row[2]) for row in rows if len(row) > 2]
    try:
        done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [_mac_mount(line) for line in done.stdout.splitlines() if " on " in line and "(" in line]


def _mac_mount(line: str) -> tuple[str, str]:
    # //user@host/share on /Volumes/share (smbfs, nodev, nosuid)
    point, _, rest = line.split(" on ", 1)[1].rpartition(" (")
    return (point, rest.split(",")[0].rstrip(")"))


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
