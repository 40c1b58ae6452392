"""Unpacking a .zip that may have been made to do harm.

Every limit is checked against the directory first and again while the bytes
come, because a directory may lie. Folders get names of our own, and so do
members whose names some system does not take.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zipfile
import zlib

from ..core.errors import Refused
from ..core.files import disk_error
from ..core.messages.intake_messages import Limits
from ..core.progress import Check
from ..core.safe_open import open_input
from .case_names import name_state, safe_stem
from .durable_copy import PIECE

ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# Below this size any ratio is harmless (an empty background compresses a thousandfold).
RATIO_FROM = 64 << 20
_DRIVE = re.compile(r"^[A-Za-z]:")
_KEPT = (
    ".raw.gz",
    ".nii.gz",
    ".raw",
    ".zraw",
    ".img",
    ".nii",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".dcm",
    ".json",
)


def unpack_archive(path: str, place: str, label: str, limits: Limits, check: Check) -> dict[str, str]:
    """Unpack ``path`` into the empty folder ``place``; staged name -> the member's own name.

    Headers that name a data file keep their folder: such members are staged under
    their own names where these are plain. Raises the ``archive`` codes.
    """
    try:
        with open_input(path, name=label) as stream, zipfile.ZipFile(stream) as archive:
            members = _members(archive, label, limits)
            return _unpack(archive, members, place, label, limits, check)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError) as error:
        raise Refused("archive.corrupt", f"{label} cannot be unpacked: {error}.") from None
    except NotImplementedError as error:  # so zipfile says that it does not know the compression
        raise Refused(
            "archive.corrupt", f"{label} uses a compression that is not known here: {error}."
        ) from None


def _members(archive: zipfile.ZipFile, label: str, limits: Limits) -> list[zipfile.ZipInfo]:
    """The files to unpack; raises before a byte is written."""
    infos = archive.infolist()
    most = limits.archive_max_files
    if len(infos) > most:
        raise Refused("archive.too_many_files", f"{label} holds {len(infos)} files, the limit is {most}.")
    size_limit = _size_limit(limits)
    total, seen = 0, set()
    for info in infos:
        _check_name(info, label)
        if info.is_dir():
            continue
        if info.flag_bits & ENCRYPTED:
            raise Refused("archive.encrypted", f"{label} is encrypted.")
        if info.compress_type not in METHODS:
            raise Refused(
                "archive.corrupt", f"{label}: {_short(info)} uses a compression that is not known here."
            )
        key = unicodedata.normalize("NFC", info.filename).casefold()
        if key in seen:
            raise Refused("archive.unsafe_path", f"{label} holds {_short(info)} twice.")
        seen.add(key)
        total += info.file_size
        _check_ratio(info.file_size, info.compress_size, label, limits)
    if total > size_limit:
        raise Refused(
            "archive.too_large", f"{label} unpacks to {total >> 20} MB, the limit is {size_limit >> 20} MB."
        )
    return [info for info in infos if not info.is_dir() and name_state(info.filename) == "take"]


def _size_limit(limits: Limits) -> int:
    return limits.archive_max_mb << 20


def _short(info: zipfile.ZipInfo) -> str:
    return repr(info.filename[-60:])


def _check_name(info: zipfile.ZipInfo, label: str) -> None:
    """No way out: absolute, drive, UNC, ``..``, streams, links, devices."""
    # zipfile cuts a name at NUL and turns separators round; judge what the archive says itself.
    name = getattr(info, "orig_filename", info.filename).replace("\\", "/")
    parts = name.split("/")
    outside = name.startswith("/") or _DRIVE.match(name) or ".." in parts or "\0" in name
    if outside or any(":" in part for part in parts):
        raise Refused("archive.unsafe_path", f"{label} names {_short(info)}.")
    mode = info.external_attr >> 16
    # 3: made on Unix, where the upper half is a file mode.
    if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused("archive.unsafe_path", f"{label}: {_short(info)} is a link or a device.")


def _check_ratio(size: int, packed: int, label: str, limits: Limits) -> None:
    most = limits.archive_max_ratio
    if size > RATIO_FROM and size > most * max(packed, 1):
        raise Refused(
            "archive.suspicious_ratio",
            f"{label}: a file unpacks to {size / max(packed, 1):.0f} times its size.",
        )


def _unpack(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], place: str, label: str,
    limits: Limits, check: Check,
) -> dict[str, str]:  # fmt: skip
    names: dict[str, str] = {}
    folders: dict[str, str] = {}
    left = _size_limit(limits)
    for number, info in enumerate(members, 1):
        check()
        folder, _, name = info.filename.rpartition("/")
        # One of our folders for each of theirs, so that neighbours stay neighbours.
        ours = folders.setdefault(folder, f"d{len(folders) + 1:05d}")
        staged = f"{ours}/{_staged_name(name, number)}"
        os.makedirs(os.path.join(place, ours), mode=0o700, exist_ok=True)
        left -= _extract(archive, info, os.path.join(place, staged), left, label, check)
        names[staged] = info.filename
    return names


def _staged_name(name: str, number: int) -> str:
    """The member's own name where every system takes it (a header may name it), else one of ours."""
    if safe_stem(name) == name:
        return name
    ending = next((ending for ending in _KEPT if name.lower().endswith(ending)), "")
    return f"f{number:06d}{ending}"


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: str, left: int, label: str, check: Check
) -> int:
    """Bytes written; raises when there are more than ``left``."""
    written = 0
    with archive.open(info) as source:
        piece = source.read(PIECE)
        try:
            target_stream = open(target, "xb", buffering=0)  # noqa: SIM115 - only opening may fail so
        except OSError as error:
            raise disk_error(error, target) from error
        with target_stream as out:
            while piece:
                check()
                written += len(piece)
                if written > left or written > info.file_size:
                    raise Refused(
                        "archive.too_large", f"{label}: {_short(info)} is larger than the archive says."
                    )
                try:
                    view = memoryview(piece)
                    while view:
                        view = view[out.write(view) or 0 :]
                except OSError as error:
                    raise disk_error(error, target) from error
                piece = source.read(PIECE)
    if written != info.file_size:
        raise Refused("archive.corrupt", f"{label}: {_short(info)} is shorter than the archive says.")
    return written
