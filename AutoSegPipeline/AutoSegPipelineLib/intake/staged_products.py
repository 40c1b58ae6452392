"""Products of the inspection: a folder of its own for each case, under short ASCII names of ours.

A data file beside its header gets a new header, so that a reader can
open nothing but what was checked here.
"""

from __future__ import annotations

import os

from ..core.progress import Check, no_check
from ..formats import nrrd
from ..formats.volume_file import VolumeFile
from .case_names import safe_stem
from .durable_copy import link_or_copy

ENDINGS = {"nrrd": ".nrrd", "metaimage": ".mha", "nifti": ".nii"}


class StagedProducts:
    """Hands out ``work/case-0001`` and so on; a folder of an earlier attempt is emptied."""

    def __init__(self, work: str) -> None:
        self.work = work
        self._next = 0

    def folder(self, what: str = "case") -> str:
        """A new empty folder."""
        self._next += 1
        folder = os.path.join(self.work, f"{what}-{self._next:04d}")
        if os.path.isdir(folder):
            import shutil

            shutil.rmtree(folder)
        os.makedirs(folder, mode=0o700)
        return folder

    def volume(self, volume: VolumeFile, check: Check = no_check) -> str:
        """A second name for the volume's files; the path of the header or single file."""
        folder, header = self.folder(), volume.header
        if header.data_file is None:
            ending = ENDINGS[header.format] + (".gz" if header.file_gzipped else "")
            if header.format == "nrrd" and header.label_marker:
                ending = ".seg.nrrd"
            path = os.path.join(folder, "scan" + ending)
            link_or_copy(volume.path, path, check, volume.name)
            return path
        if header.format == "nifti":
            return self._pair(volume, folder, check)
        data = "scan.raw.gz" if header.encoding == "gzip" else "scan.raw"
        link_or_copy(volume.data_path, os.path.join(folder, data), check, volume.data_name)
        path = os.path.join(folder, "scan" + (".nhdr" if header.format == "nrrd" else ".mhd"))
        with open(path, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(_header_text(volume, data))
        return path

    def _pair(self, volume: VolumeFile, folder: str, check: Check) -> str:
        """Both files of a NIfTI pair under one name of ours; it names no other file."""
        with open(volume.path, "rb") as stream:
            zipped = ".gz" if stream.read(2) == b"\x1f\x8b" else ""
        path = os.path.join(folder, "scan.hdr" + zipped)
        data = "scan.img.gz" if volume.header.encoding == "gzip" else "scan.img"
        link_or_copy(volume.path, path, check, volume.name)
        link_or_copy(volume.data_path, os.path.join(folder, data), check, volume.data_name)
        return path

    def table(self, volume: str, table: str, check: Check, name: str) -> str:
        """Bring a table of names beside the label map at ``volume``; its name there.

        It keeps its ``name`` where every system takes it, because messages say it.
        """
        staged = safe_stem(name)
        link_or_copy(table, os.path.join(os.path.dirname(volume), staged), check, name)
        return staged


def _header_text(volume: VolumeFile, data: str) -> str:
    """The header as it was checked, with the data file's name of ours."""
    header = volume.header
    if header.format == "metaimage":
        lines = [f"{key} = {value}" for key, value in header.values.items()]
        return "\n".join([*lines, f"ElementDataFile = {data}", ""])
    fields = {**header.fields, "data file": data}
    lines = [f"{key}: {value}" for key, value in fields.items()]
    lines += [f"{key}:={nrrd.escaped(value)}" for key, value in header.values.items()]
    return "\n".join(["NRRD0005", *lines, "", ""])
