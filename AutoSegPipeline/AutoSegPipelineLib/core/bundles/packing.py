"""Making a bundle, and bringing results out of it: every byte is hashed on its way."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Iterator

from ..errors import PipelineError
from ..files import fsync_folder, is_link, sha256, sync_paths, write_json
from ..incoming import data_files
from ..messages.reader import plain
from ..messages.worker_messages import CaseOrder
from .layout import (
    CASE,
    CASES,
    INPUT,
    LIST,
    VERSION,
    Bundle,
    BundledCase,
    BundleEntry,
    BundleList,
    CaseFolder,
    FileFacts,
    Outcome,
    bare_name,
    inner_path,
    with_paths,
)

PREFIX = "bundle-"  # of the folder of each bundle that a pipeline makes
_BLOCK = 1 << 20


def new_name() -> str:
    """A name that no other bundle has."""
    return f"{PREFIX}{uuid.uuid4().hex[:8]}"


class Packing:
    """A bundle while it is made; :meth:`publish` completes it."""

    def __init__(self, path: Path, pipeline: str = "", ladder: bool = False) -> None:
        """Make the folder ``path``, whose parent exists; raises OSError. See :class:`BundleList`."""
        path.mkdir(mode=0o700)
        (path / CASES).mkdir()
        self.bundle = Bundle(path)
        self._about = BundleList(VERSION, path.name, pipeline, ladder)
        self._entries: list[BundleEntry] = []
        self._written: list[str] = []
        self._engines: set[str] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, job: str, attempt: int, order: CaseOrder) -> BundleEntry:
        """Copy a case with all files that ``order`` (with absolute paths) names; raises OSError.

        With ``order.keep`` the worker adds the label map for the result cache under the name ``KEPT``.
        """
        entry = BundleEntry(job, attempt, bare_name(f"{job}-{attempt}"))
        folder = self.bundle.folder(entry).path
        folder.mkdir()
        files = _Inputs(folder)
        inner = with_paths(order, files.take)
        inner = replace(inner, out="", work="", keep="yes" if order.keep else None)
        write_json(
            folder / CASE, plain(BundledCase(VERSION, job, attempt, inner, files.facts)), durable=False
        )
        self._entries.append(entry)
        if order.kind == "scan":
            self._engines.add(str(order.options.get("engine") or ""))
        self._written += [str(folder / name) for name in (*files.facts, CASE)]
        self._written += [*map(str, files.folders), str(folder)]
        return entry

    def publish(self) -> Bundle:
        """Make all of it durable, then write the list; raises OSError or ``environment.*``."""
        sync_paths([*self._written, str(self.bundle.path / CASES)])
        write_json(
            self.bundle.path / LIST,
            plain(replace(self._about, cases=self._entries, engines=sorted(self._engines))),
        )
        fsync_folder(self.bundle.path.parent)
        return self.bundle


class _Inputs:
    """Copies the files of one order below ``input/``; each keeps its name, which headers may mention."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base: Path | None = None
        self._taken: dict[str, str] = {}
        self.facts: dict[str, FileFacts] = {}
        self.folders: set[Path] = set()

    def take(self, path: str) -> str:
        """Copy a file, or a folder of files; its path below the case's folder.

        The first is the scan. What lies beside or below it stays there, the rest gets folders of its own.
        """
        if path in self._taken:
            return self._taken[path]
        source = Path(path)
        if self._base is None:
            self._base = source.parent
        if self._base in source.parents:
            name = f"{INPUT}/{source.relative_to(self._base).as_posix()}"
        else:
            name = f"{INPUT}/also-{len(self._taken)}/{source.name}"
        self._taken[path] = name
        if source.is_dir():
            self._make(self._folder / name)
            for below in sorted(source.rglob("*")):
                if below.is_file() and not is_link(below):
                    self._copy(below, f"{name}/{below.relative_to(source).as_posix()}")
        else:
            self._copy(source, name)
            for beside in data_files(source):
                self._copy(beside, f"{name.rpartition('/')[0]}/{beside.name}")
        return name

    def _copy(self, source: Path, name: str) -> None:
        if name in self.facts:
            return
        target = self._folder / name
        self._make(target.parent)
        self.facts[name] = copy_hashed(source, target)

    def _make(self, folder: Path) -> None:
        """``folder``, and with it each one up to the case's, which publishing makes durable."""
        folder.mkdir(parents=True, exist_ok=True)
        while folder != self._folder:
            self.folders.add(folder)
            folder = folder.parent


def copy_hashed(source: Path, target: Path) -> FileFacts:
    """Copy the bytes of ``source``; what was copied. The caller makes it durable. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while True:
            block = reader.read(_BLOCK)
            if not block:
                return FileFacts(size, digest.hexdigest())
            digest.update(block)
            size += len(block)
            writer.write(block)


def facts_of(path: Path) -> FileFacts:
    """Size and hash of a file; raises OSError."""
    return FileFacts(path.stat().st_size, sha256(path))


def checked_inputs(folder: CaseFolder, case: BundledCase) -> Iterator[None]:
    """Read every input, a block with each step, so that the caller may do other things between them.

    Raises ``environment.bundle_damaged`` where one is not what was packed, OSError where the share fails.
    """
    for name, wanted in case.inputs.items():
        digest, size = hashlib.sha256(), 0
        try:
            with open(folder.path / inner_path(name), "rb") as reader:
                for block in iter(lambda: reader.read(_BLOCK), b""):
                    digest.update(block)
                    size += len(block)
                    yield
        except FileNotFoundError:
            raise PipelineError("environment.bundle_damaged", f"{name} in {folder.path} is missing") from None
        found = FileFacts(size, digest.hexdigest())
        if found != wanted:
            raise _other_bytes(folder.path, name, found, wanted)


def _other_bytes(folder: Path, name: str, found: FileFacts, wanted: FileFacts) -> PipelineError:
    what = f"has {found.size} bytes, not {wanted.size}" if found.size != wanted.size else "has other bytes"
    return PipelineError("environment.bundle_damaged", f"{name} in {folder} {what} than were written")


def fetch_result(folder: CaseFolder, outcome: Outcome, target: Path) -> None:
    """Copy the files of a good outcome into the folder ``target``, durably, each checked by its hash.

    Raises ``environment.bundle_damaged`` for one that is missing, a link, or other bytes than the worker
    wrote; OSError where the share or the disk fails. What was copied until then stays.
    """
    paths = []
    for name, wanted in outcome.files.items():
        source = folder.result / bare_name(name)
        if not source.is_file() or is_link(source):
            raise PipelineError("environment.bundle_damaged", f"{name} in {folder.result} is missing")
        found = copy_hashed(source, target / name)
        if found != wanted:
            os.unlink(target / name)
            raise _other_bytes(folder.result, name, found, wanted)
        paths.append(str(target / name))
    sync_paths([*paths, str(target)])
