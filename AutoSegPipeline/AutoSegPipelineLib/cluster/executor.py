"""What a scheduler must do for us, and the command of a bundle's worker."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Protocol, Sequence

from ..core import specs
from ..core.cluster_settings import JobSize
from ..core.engines import BACK_END, DECLARED, MODELS_DIR, models_folder
from ..core.home import Home, default_root
from ..core.settings import Settings

WAITING, RUNNING, ENDED = "waiting", "running", "ended"
# The library of the machine's own Python comes first; ours serves where that has none.
_START = (
    "import sys,runpy;sys.path.append(sys.argv.pop(1));"
    "runpy.run_module('AutoSegPipelineLib.headless',run_name='__main__',alter_sys=True)"
)


@dataclass(frozen=True)
class JobState:
    """Where a job of the scheduler is. ``reason``: why it ended, in words for people.

    ``counted``: what it was at may be to blame. ``memory``: it used more than it had.
    """

    state: str
    reason: str = ""
    machine: str = ""
    counted: bool = True
    memory: bool = False


class Executor(Protocol):
    """A scheduler. Each method may raise :class:`~..core.errors.PipelineError` ``environment.*``."""

    name: str

    @property
    def workers(self) -> int:
        """How many workers wait for or do work; 0 where the scheduler starts them for each job."""
        ...

    @property
    def command(self) -> str:
        """What an administrator runs on a machine to add a worker; empty where nobody has to."""
        ...

    def submit(self, bundles: Sequence[Path], size: JobSize, token: str) -> list[str]:
        """Have each bundle worked on by one job of ``size``; the ids of the jobs, in the same order.

        The jobs carry ``token``, by which :meth:`find` knows them. Raises ``cluster.rejected`` where
        the scheduler does not take such a job.
        """
        ...

    def find(self, token: str, count: int) -> list[str]:
        """The ids of the ``count`` jobs that were submitted with ``token``; empty where it has none."""
        ...

    def states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        """Of each job; one that the scheduler no longer knows has ended."""
        ...

    def cancel(self, ids: Sequence[str]) -> None:
        """End these jobs, as far as they have not ended."""
        ...

    def log(self, job_id: str) -> str:
        """The last lines that the job wrote to its standard error; empty where there are none."""
        ...

    def forget(self, job_id: str) -> None:
        """Remove what was kept of an ended job."""
        ...

    def stop(self) -> None:
        """The child ends; jobs go on."""
        ...


def worker_command(settings: Settings, bundle: Path) -> list[str]:
    """What works on ``bundle`` on another machine."""
    library = str(Path(__file__).resolve().parents[2])
    python = settings["cluster_python"] or sys.executable
    return [python, "-c", _START, library, "worker", *_flags(settings), str(bundle)]


def _flags(settings: Settings) -> list[str]:
    """The settings that hold there as here; what nobody set is for that machine to say."""
    hung, models, declared = settings["hung_minutes"], settings[MODELS_DIR.name], settings[DECLARED.name]
    flags = []
    if hung != specs.BY_NAME["hung_minutes"].default:
        flags += ["--hung-minutes", str(hung)]
    if models:
        flags += [MODELS_DIR.flag, str(models_folder(models).absolute())]
    if settings[BACK_END.name] != BACK_END.default:
        flags += [BACK_END.flag, settings[BACK_END.name]]
    # The usual home of that machine may have a file of its own.
    if os.path.isfile(declared) and Path(declared) != Home.at(default_root()).engines_file:
        flags += [DECLARED.flag, os.path.abspath(declared)]
    return flags


# They hold on this machine and for this process only.
OWN_VARIABLES = ("TMPDIR", "TMP", "TEMP", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE")


def clean_environment() -> dict[str, str]:
    """The environment of this process as a person's shell has it."""
    return {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
