"""A first look at many files: what each is and whether it is all there.

Heads and tails only, and one bad file never spoils the others.
"""

from __future__ import annotations

import os
import re
import zipfile
from typing import Sequence

from ..core.errors import PipelineError, Refused
from ..core.input_names import is_document_name, is_index
from ..core.messages.examined_files import COMPLETE, GONE, INCOMPLETE, LOCKED, Examined, ExaminedFile
from ..core.progress import Check, no_check
from ..core.safe_open import Locked, check_regular, open_input
from ..formats import nrrd
from ..formats.compressed import GZIP
from ..formats.volume_file import completeness, read_volume_file
from . import sniff
from .case_names import is_junk_name, is_options_name
from .foreign_files import unknown_format
from .passed_by import index_alone

OPTIONS, DATA = "options", "data"
DATA_ENDINGS = (".raw", ".zraw", ".img", ".img.gz", ".raw.gz", ".bin", ".dat")
# Errors that time may heal; every other one is final.
MAY_HEAL = ("input.truncated", "input.missing_data_file", "input.empty")


def examine(paths: Sequence[str], check: Check = no_check) -> Examined:
    """The ``examine`` task."""
    rows = []
    for path in paths:
        check()
        rows.append(examine_one(path))
    _mark_data(rows)
    return Examined(rows)


def examine_one(path: str) -> ExaminedFile:
    """What is at ``path``."""
    row = ExaminedFile(path)
    try:
        info = os.lstat(path)
        row.size, row.mtime_ns = info.st_size, info.st_mtime_ns
        check_regular(path)
        _look(path, info.st_size, row)
    except Refused as error:
        row.error = error.to_dict()
        if isinstance(error, Locked):
            row.state = LOCKED
        elif error.code in MAY_HEAL:
            row.state = INCOMPLETE
    except (FileNotFoundError, NotADirectoryError):
        row.state = GONE
        row.error = Refused("input.missing", f"{os.path.basename(path)} is not there.").to_dict()
    except OSError as error:
        row.state = LOCKED
        row.error = Refused(
            "input.unreadable", f"{os.path.basename(path)} cannot be read: {error.strerror or error}."
        ).to_dict()
    return row


def _look(path: str, size: int, row: ExaminedFile) -> None:
    name = os.path.basename(path)
    if is_options_name(name):
        row.format = OPTIONS
        _examine_options(path, name)
        return
    if size == 0 and not is_junk_name(name):
        raise Refused("input.empty", f"{name} is empty.")
    with open_input(path, exclusive=True) as stream:
        head = stream.read(sniff.HEAD)
    fmt = sniff.sniff(head)
    row.format = fmt
    if fmt == sniff.ZIP and is_document_name(name):
        raise Refused("input.unknown_format", f"{name} is a document or a program, no scan.")
    if fmt == sniff.ZIP:
        _examine_zip(path, name)
    elif fmt == sniff.DICOM and is_index(name):
        raise index_alone()
    elif fmt == sniff.DICOM:
        # pydicom takes a quarter of a second to import; most files need none.
        from .dicom.read import examine_dicom

        row.dicom = examine_dicom(path)
    elif fmt == sniff.UNKNOWN:
        # A write that began a moment ago may not have reached the magic word yet.
        if size < sniff.HEAD and _may_become_something(head) and not is_junk_name(name):
            raise Refused("input.truncated", f"{name} ends within its header.")
        raise unknown_format(head, name)
    else:
        _examine_volume(path, fmt, row)


def _may_become_something(head: bytes) -> bool:
    """Whether more bytes could make a known format of the little that is there."""
    # A DICOM preamble may hold anything.
    if len(head) < 132 or head.startswith((b"NRRD000", GZIP)):
        return True
    nifti_sizes = (b"\x5c\1\0\0", b"\0\0\1\x5c", b"\x1c\2\0\0", b"\0\0\2\x1c")
    return len(head) < 540 and head.startswith(nifti_sizes)


def _header_ends(path: str, fmt: str) -> bool:
    """Whether a text header's end is there; without it every error may only mean that more comes."""
    with open_input(path) as stream:
        head = stream.read(nrrd.HEAD_BYTES)
    if fmt == sniff.NRRD:
        return b"\n\n" in head or b"\r\n\r\n" in head or len(head) == nrrd.HEAD_BYTES
    return re.search(rb"(?m)^[ \t]*ElementDataFile[^\n]*\n", head) is not None


def _examine_volume(path: str, fmt: str, row: ExaminedFile) -> None:
    try:
        volume = read_volume_file(path, fmt, exclusive=True)
    except Refused as error:
        if error.code == "input.corrupt" and fmt != sniff.NIFTI and not _header_ends(path, fmt):
            raise Refused("input.truncated", f"{os.path.basename(path)} ends within its header.") from error
        raise
    if volume.header.data_file is not None:
        if volume.data_size < 0:
            row.missing = [volume.header.data_file]
        else:
            row.companions = [os.path.abspath(volume.data_path)]
    problem = completeness(volume)
    if problem is not None:
        raise problem


def _examine_zip(path: str, name: str) -> None:
    """Complete when the directory at its end is there."""
    try:
        with open_input(path) as stream, zipfile.ZipFile(stream) as archive:
            archive.infolist()
    # NotImplementedError: zipfile does not know the version that the archive states.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError) as error:
        raise Refused("input.truncated", f"{name} has no archive directory: {error}.") from None


def _examine_options(path: str, name: str) -> None:
    from .options_files import read_options

    try:
        read_options(path)
    except Refused:
        raise
    except PipelineError as error:
        # What the file says wrongly; whether it is for a scan that waits is not known here.
        raise Refused(error.code, error.message, error.hint) from error


def _mark_data(rows: list[ExaminedFile]) -> None:
    """What a header beside it names, or what only a header can explain, is data and waits for it."""
    named = {companion for row in rows for companion in row.companions}
    for row in rows:
        if row.format != sniff.UNKNOWN or row.state in (GONE, LOCKED):
            continue
        if os.path.abspath(row.path) in named:
            row.format, row.error, row.state = DATA, None, COMPLETE
        elif row.path.lower().endswith(DATA_ENDINGS) and row.error and row.size:
            name = os.path.basename(row.path)
            error = Refused(
                "input.unknown_format", f"{name} is raw data without its header.", "Give its header, too."
            )
            row.format, row.error, row.state = DATA, error.to_dict(), COMPLETE
