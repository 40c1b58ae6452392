"""Findings about the cluster: its settings, its share, its scheduler, and what the running pipeline says."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Iterator

from ..core.cluster_settings import DASK, NONE, SLURM, job_size, share_folder
from ..core.errors import PipelineError
from ..core.files import free_bytes
from ..core.settings import Settings
from ..runtime.processes.child_kinds import CLUSTER
from .findings import FAIL, OK, WARN, Finding
from .session import Session

_INSTALL = "python3 autoseg.py install cluster"
_PACKAGES = {SLURM: ("submitit",), DASK: ("distributed", "cryptography")}
_PROGRAMS = ("sbatch", "squeue", "scancel")


def cluster(session: Session, settings: Settings) -> Iterator[Finding]:
    """Nothing where there is no cluster."""
    kind = settings["cluster"]
    if kind == NONE:
        return
    lacking = [name for name in _PACKAGES[kind] if importlib.util.find_spec(name) is None]
    if lacking:
        yield Finding("cluster", FAIL, f"{', '.join(lacking)}: not installed", _INSTALL)
    yield _share(settings)
    try:
        size = job_size(settings.values, {"engine": settings["engine"], "task": settings["task"]})
    except PipelineError as error:
        yield Finding("cluster", FAIL, error.message, error.hint)
    else:
        asked = [
            f"{size.minutes} min" if size.minutes else "",
            f"{size.memory_gb:g} GB" if size.memory_gb else "",
            f"{size.gpus} GPUs" if size.gpus else "",
            f"partition {size.partition}" if size.partition else "",
        ]
        yield Finding("cluster", OK, f"{kind}: {', '.join(filter(None, asked)) or 'its defaults'} for a job")
    if kind == SLURM:
        yield from _slurm()
    yield from _running(session)


def _share(settings: Settings) -> Finding:
    fix = "Set cluster_share to a folder that every machine sees under the same path."
    try:
        folder = share_folder(settings.values)
    except PipelineError as error:
        return Finding("cluster", FAIL, error.message, fix)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("cluster", FAIL, f"{folder} cannot be reached or written", fix)
    return Finding("cluster", OK, f"share {folder}, {free_bytes(folder) >> 30} GB free")


def _slurm() -> Iterator[Finding]:
    from ..cluster.slurm import partitions

    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        text = f"{', '.join(missing)}: not on the PATH"
        yield Finding("cluster", FAIL, text, "Run the pipeline on a machine that submits to Slurm.")
        return
    try:
        yield Finding("cluster", OK, f"Slurm answers; partitions: {', '.join(partitions())}")
    except PipelineError as error:
        yield Finding("cluster", FAIL, error.message, error.hint)


def _running(session: Session) -> Iterator[Finding]:
    note = session.child_note(CLUSTER.name) or {}
    error = note.get("error")
    if error:
        yield Finding("cluster", WARN, f"{error['message']} ({error['code']})", str(error.get("hint") or ""))
    if note.get("command"):
        text = f"{note.get('workers', 0)} workers are there; on each further machine: {note['command']}"
        yield Finding("cluster", OK if note.get("workers") else WARN, text)
