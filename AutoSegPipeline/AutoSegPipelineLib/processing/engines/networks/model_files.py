"""The files of a trained model as people hand it over: in a folder, or in a zip."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, Protocol

from ....core.errors import PipelineError
from ....core.files import disk_error, free_bytes, fsync_file, is_link

_CHUNK = 1 << 20
_MOST_FILES = 200_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class ModelFiles(Protocol):
    """Files by their paths below the source, with ``/``; ``title`` names the source in messages.

    Every method raises ``model.invalid`` for what cannot be read.
    """

    title: str
    names: tuple[str, ...]

    def size(self, name: str) -> int:
        """Bytes of the file."""

    def read(self, name: str, most: int) -> bytes:
        """Its content; a file of more than ``most`` bytes is refused."""

    def copy(self, name: str, target: Path) -> str:
        """Write it to ``target``, durably; the SHA-256 of what was written."""


def open_files(source: Path) -> ModelFiles:
    """The files of ``source``; raises ``input.missing`` or ``model.invalid``."""
    if is_link(source):
        raise PipelineError("model.invalid", f"{source} is a link; give the folder or zip itself")
    if source.is_dir():
        return FolderFiles(source)
    if not source.exists():
        raise PipelineError("input.missing", f"{source} does not exist")
    if not source.is_file() or not zipfile.is_zipfile(source):
        raise PipelineError("model.invalid", f"{source} is neither a folder nor a complete zip")
    return ZipFiles(source)


class FolderFiles:
    """A folder on the disk; links in it are refused."""

    def __init__(self, folder: Path) -> None:
        self.title = str(folder)
        self._folder = folder
        names = []
        try:
            for base, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    path = Path(base, name)
                    if is_link(path):
                        raise PipelineError("model.invalid", f"{path} is a link; copy the file itself")
                names += [Path(base, name).relative_to(folder).as_posix() for name in files]
                if len(names) > _MOST_FILES:
                    raise PipelineError("model.invalid", f"{folder} holds more than {_MOST_FILES} files")
        except OSError as error:
            raise self._unreadable(folder.name, error) from error
        self.names = tuple(sorted(names))

    def size(self, name: str) -> int:
        try:
            state = self._path(name).stat()
        except OSError as error:
            raise self._unreadable(name, error) from error
        if not stat.S_ISREG(state.st_mode):  # opening a pipe waits for ever
            raise PipelineError("model.invalid", f"{self._path(name)} is no file")
        return state.st_size

    def read(self, name: str, most: int) -> bytes:
        if self.size(name) > most:
            raise PipelineError("model.invalid", f"{self._path(name)} is larger than {most} bytes")
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise self._unreadable(name, error) from error

    def copy(self, name: str, target: Path) -> str:
        self.size(name)
        try:
            source = open(self._path(name), "rb")  # noqa: SIM115 - closed by _write
        except OSError as error:
            raise self._unreadable(name, error) from error
        return _write(source, target)

    def _path(self, name: str) -> Path:
        return self._folder.joinpath(*name.split("/"))

    def _unreadable(self, name: str, error: OSError) -> PipelineError:
        return PipelineError("model.invalid", f"{self.title}: {name} cannot be read: {error.strerror}")


class ZipFiles:
    """A zip; members that lead elsewhere, links and passwords are refused."""

    def __init__(self, path: Path) -> None:
        self.title = str(path)
        self._path = path
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise self._unreadable(error) from error
        if len(members) > _MOST_FILES:
            raise PipelineError("model.invalid", f"{path} holds more than {_MOST_FILES} files")
        for info in members:
            if not info.is_dir():
                self._members[safe_name(info, str(path))] = info
        self.names = tuple(sorted(self._members))

    def size(self, name: str) -> int:
        return self._members[name].file_size

    def read(self, name: str, most: int) -> bytes:
        if self.size(name) > most:
            raise PipelineError("model.invalid", f"{self.title}: {name} is larger than {most} bytes")
        try:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(self._members[name])
        except (*_DAMAGED, OSError) as error:
            raise self._unreadable(error) from error

    def copy(self, name: str, target: Path) -> str:
        try:
            # Reading checks the member's CRC and never gives more than the declared bytes.
            with zipfile.ZipFile(self._path) as archive:
                return _write(archive.open(self._members[name]), target)
        except _DAMAGED as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> PipelineError:
        return PipelineError("model.invalid", f"{self.title} cannot be read: {error}")


def safe_name(info: zipfile.ZipInfo, archive: str, code: str = "model.invalid", below: str = "") -> str:
    """The member's path after ``below``, with ``/``.

    Raises ``code`` for one that could lead elsewhere, and for a password.
    """
    parts = info.filename[len(below) :].rstrip("/").split("/")
    # A backslash or colon is a part of Windows' paths; `..`, an empty part and `.` lead elsewhere.
    bad = any(part in ("", ".", "..") or "\\" in part or ":" in part or "\0" in part for part in parts)
    if bad or stat.S_ISLNK(info.external_attr >> 16):
        raise PipelineError(code, f"{archive}: the member {info.filename!r} is not safe")
    if info.flag_bits & 0x1:
        raise PipelineError(code, f"{archive} has a password")
    return "/".join(parts)


def check_room(size: int, place: Path) -> None:
    """Raise ``environment.disk_full`` where ``size`` bytes do not fit on the disk of ``place``."""
    free = free_bytes(place)
    if size > free:
        text = f"the weights take {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free at {place}"
        raise PipelineError("environment.disk_full", text)


def _write(source: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with source:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as stream:
                for chunk in iter(lambda: source.read(_CHUNK), b""):
                    digest.update(chunk)
                    stream.write(chunk)
            fsync_file(target)
        except OSError as error:
            raise disk_error(error, str(target)) from error
    return digest.hexdigest()
