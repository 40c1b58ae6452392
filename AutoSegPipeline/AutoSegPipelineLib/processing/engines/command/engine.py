"""A declared program as an engine of its own name."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Callable, Iterable, cast

import numpy as np

from ....core.errors import EngineFailed, PipelineError
from ....core.files import remove_tree, sha256
from ....core.progress import Report
from ....core.segmentation import Segmentation
from ....core.specs import QUALITIES, did_you_mean
from ....core.structure_names import machine_name
from ...anatomy import readable_title
from ...phantom.write_files import write_metaimage, write_nifti, write_nrrd
from ...volume import Volume
from ..base import Check, Task
from . import devices
from .declaration import Declaration
from .declared_file import declared_file, read_declared
from .output import classes_of, only_wanted, place_of, read_output
from .placeholders import fill
from .program import find_program, new_run, version_of
from .run import Order, run_program

_WRITERS: dict[str, Callable[[Volume, Path], object]] = {
    ".nrrd": write_nrrd, ".mha": write_metaimage, ".nii": write_nifti, ".gz": write_nifti,
}  # fmt: skip
_KINDS = ("u1", "i2", "i4", "u2", "f4")  # what every writer and reader knows


def declared_engines() -> list[CommandEngine]:
    """The programs of the administrator's file; one with a mistake is an engine that does not work."""
    found = read_declared(declared_file())
    broken = [
        CommandEngine(Declaration(name, (), Path(), title=name), error)
        for name, error in found.errors.items()
        if name
    ]
    return [*map(CommandEngine, found.engines), *broken]


class CommandEngine:
    """See :class:`~..base.Engine`; ``broken`` is what is wrong with the declaration."""

    def __init__(self, declared: Declaration, broken: PipelineError | None = None) -> None:
        self.declared = declared
        self.name = declared.name
        self.title = declared.title or declared.name
        self._broken = broken

    @property
    def rank(self) -> int:
        """The declared one; by default `auto` takes a program only where nothing else takes the scan."""
        return self.declared.rank

    @property
    def version(self) -> str:
        """What the program says, and the first digits of the declaration's hash."""
        try:
            said = version_of(self.declared)
        except EngineFailed:
            said = ""
        return f"{said or 'unknown'}+{self.declared.fingerprint[:8]}"

    def tasks(self) -> list[Task]:
        """The one thing that it does, called as itself."""
        if self._broken is not None:
            return []
        try:
            entries = classes_of(self.declared)
        except PipelineError:
            entries = []  # check() says what is wrong with the table
        names = tuple(machine_name(entry.name) for entry in entries)
        titles = tuple(readable_title(entry.name) for entry in entries)
        return [
            Task(
                self.name, self.title, self.declared.modality, names, self._qualities, default=True,
                titles=titles,
            )
        ]  # fmt: skip

    @property
    def _qualities(self) -> tuple[str, ...]:
        if self.declared.quality:
            return tuple(one for one in QUALITIES if one in self.declared.quality)
        return QUALITIES if "{quality}" in self.declared.uses else QUALITIES[:1]

    def facts(self) -> dict[str, object]:
        """What ``auto`` takes, and the licence for people to read."""
        return {"device": {"auto": devices.resolve(self.declared, "auto")}, "terms": self.declared.licence}

    def check(self) -> Check:
        """Whether the program is there, can be asked for its version, and its table can be read."""
        if self._broken is not None:
            return Check(False, (), self._broken.message)
        try:
            find_program(self.declared.command[0])
            if self.declared.stop:
                find_program(self.declared.stop[0])
            version_of(self.declared)
            classes_of(self.declared)
        except PipelineError as error:
            return Check(False, (), error.message)
        missing = [str(path) for path in self.declared.weights if not path.exists()]
        if missing:
            return Check(False, tuple(missing), "its weights are not there")
        return Check(True)

    def weights_hash(self, task: str = "") -> str:
        """Changes with the declaration, its table of names, the program's file and its weights.

        Of the weights names, sizes and times of change are looked at: their bytes may be gigabytes.
        """
        digest = hashlib.sha256(self.declared.fingerprint.encode())
        if isinstance(self.declared.names, Path) and self.declared.names.is_file():
            digest.update(sha256(self.declared.names).encode())
        try:
            program = [Path(find_program(self.declared.command[0]))]
        except EngineFailed:
            program = []
        for path in (*program, *self.declared.weights):
            for line in _states(path):
                digest.update(line.encode("utf-8", "replace"))
        return digest.hexdigest()

    def segment(self, volume: Volume, options: dict[str, object], report: Report) -> Segmentation:
        """See :class:`~..base.Engine`; raises also what the run and the reading of its result do."""
        if self._broken is not None:
            raise EngineFailed(self._broken.code, self._broken.message)
        declared = self.declared
        if declared.modality and volume.modality and volume.modality != declared.modality:
            text = f"{self.name} takes {declared.modality}, and {volume.name} is {volume.modality}"
            raise EngineFailed("engine.wrong_modality", text)
        quality = self._quality(options)
        device = devices.resolve(declared, str(options.get("device") or "auto"))
        used = {"engine": self.name, "task": f"{self.name}:{quality}", "device": device}
        folder = Path(tempfile.mkdtemp(prefix="engine-"))
        try:
            order = self._order(folder, volume, quality, device)
            report.log(f"{self.name} runs: {' '.join(order.command)}")
            run_program(order, report)
            report.progress(1.0, f"reading what {self.name} wrote")
            found = read_output(declared, folder, volume.grid)
        except PipelineError as error:
            error.data.setdefault("used", used)
            raise
        finally:
            remove_tree(folder)
        found = only_wanted(declared, found, list(cast("Iterable[str]", options.get("structures") or ())))
        facts: dict[str, object] = {
            "used": {**used, "licence": declared.licence} if declared.licence else used
        }
        if volume.modality or declared.modality:
            facts["modality"] = volume.modality or declared.modality
        return Segmentation(found.grid, found.layers, found.segments, found.warnings, facts)

    def _quality(self, options: dict[str, object]) -> str:
        """The quality that task or option name; raises ``engine.task_unknown``, ``.quality_unknown``."""
        task, _, own = str(options.get("task") or "").strip().partition(":")
        if task and task.casefold() != self.name:
            near = did_you_mean(task.casefold(), [self.name])
            raise EngineFailed("engine.task_unknown", f"the engine {self.name} has no task {task!r}{near}")
        quality = (own.strip() or str(options.get("quality") or "normal")).casefold()
        if quality not in self._qualities:
            text = f"{self.name} has no quality {quality!r} (it has: {', '.join(self._qualities)})"
            raise EngineFailed("engine.quality_unknown", text)
        return quality

    def _order(self, folder: Path, volume: Volume, quality: str, device: str) -> Order:
        """The scan written where the program expects it, and the complete command."""
        declared = self.declared
        scan = folder / declared.input
        scan.parent.mkdir(parents=True, exist_ok=True)
        _write(volume, scan)
        place = place_of(declared)
        output = folder / _fixed(place)
        (output.parent if _fixed(place) == place else output).mkdir(parents=True, exist_ok=True)
        run = new_run()
        values: dict[str, tuple[str, ...]] = {
            "input": (str(scan),), "input_folder": (str(scan.parent),), "output": (str(output),),
            "output_folder": (str(output if output.is_dir() else output.parent),), "folder": (str(folder),),
            "modality": (volume.modality or declared.modality,), "run": (run,),
            "device": devices.words(declared, device),
            "quality": declared.quality.get(quality, (quality,)),
        }  # fmt: skip
        command = [find_program(declared.command[0]), *fill(declared.command[1:], values)]
        stop = fill(declared.stop, values)
        if stop:
            stop[0] = find_program(stop[0])
        return Order(declared, command, folder, run, devices.variables(device), stop)


def _fixed(pattern: str) -> str:
    """The part of a pattern before its first ``*`` or ``?``: ``out`` of ``out/*.nii.gz``."""
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        if "*" in part or "?" in part:
            return "/".join(parts[:number])
    return pattern


def _write(volume: Volume, path: Path) -> None:
    array = volume.array
    if f"{array.dtype.kind}{array.dtype.itemsize}" not in _KINDS:
        array = array.astype(
            np.int16 if array.dtype.kind in "bi" and array.dtype.itemsize == 1 else np.float32
        )
        volume = Volume(array, volume.grid, volume.modality, volume.path, volume.name)
    _WRITERS[path.suffix](volume, path)


def _states(path: Path) -> list[str]:
    """A line for each file below ``path``: place, bytes, time of change."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    lines = []
    for one in files:
        try:
            state = os.stat(one)
        except OSError:
            continue
        place = one.relative_to(path).as_posix() if one != path else one.name
        lines.append(f"{place} {state.st_size} {state.st_mtime_ns}\n")
    return lines
