"""Slurm, through submitit: bundles of one size go out as a job array, ``squeue`` says where each job is.

``sacct`` is not asked: it needs an accounting database, which many small clusters lack. Slurm itself
remembers an ended job for minutes; one that it no longer knows has ended.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Mapping, Sequence

from ..core.cluster_settings import SLURM, JobSize
from ..core.errors import PipelineError
from ..core.settings import Settings
from .executor import ENDED, OWN_VARIABLES, RUNNING, WAITING, JobState, clean_environment, worker_command

FOLDER = "slurm"  # on the share: scripts and logs of jobs
_ASK_SECONDS = 60.0
_LOG_BYTES = 2000
_WAITS = (
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "SPECIAL_EXIT",
    "RESV_DEL_HOLD",
)
_SUSPENDED = ("SUSPENDED", "STOPPED")  # its worker stands still and is not to blame
_RUNS = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING")
# state -> what to say, whether the case at hand may be to blame, whether memory was it
_ENDS = {
    "COMPLETED": ("the job ended", True, False),
    "CANCELLED": ("the job was cancelled in Slurm", False, False),
    "PREEMPTED": ("the job was preempted", False, False),
    "TIMEOUT": ("the job reached its wall time", True, False),
    "DEADLINE": ("the job reached its deadline", True, False),
    "NODE_FAIL": ("the node failed", True, False),
    "BOOT_FAIL": ("the node did not start", False, False),
    "OUT_OF_MEMORY": ("the job used more memory than it had", True, True),
    "FAILED": ("the job failed", True, False),
}
_GONE = JobState(ENDED, "Slurm no longer knows the job", counted=True)


class Slurm:
    """Slurm's programs on this machine."""

    name = SLURM
    workers = 0
    command = ""

    def __init__(self, share: Path, settings: Settings) -> None:
        """Raises ``cluster.packages_missing``, ``cluster.configuration``."""
        try:
            import submitit  # noqa: F401 - whether it is there
        except ImportError as error:
            raise PipelineError("cluster.packages_missing", f"Slurm needs submitit: {error}") from error
        self._settings = settings
        self._folder = share / FOLDER

    def submit(self, bundles: Sequence[Path], size: JobSize, token: str) -> list[str]:
        """See :class:`.executor.Executor`."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        self._folder.mkdir(mode=0o700, exist_ok=True)
        python = shlex.quote(self._settings["cluster_python"] or sys.executable)
        executor = SlurmExecutor(self._folder, python=python)
        executor.update_parameters(job_name=_name(token), **self._parameters(size))
        commands = [worker_command(self._settings, bundle) for bundle in bundles]
        try:
            with executor.batch():
                jobs = [executor.submit(subprocess.call, command) for command in commands]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            raise _submission_error(str(error)) from error
        finally:
            self._remove_links()
        return [str(job.job_id) for job in jobs]

    def find(self, token: str, count: int) -> list[str]:
        """See :class:`.executor.Executor`; raises ``environment.scheduler_unreachable``."""
        listed = _run([*_squeue(), f"--name={_name(token)}", "--format=%F"]).split()
        if not listed:
            return []
        return [f"{listed[0]}_{number}" for number in range(count)] if count > 1 else listed[:1]

    def _parameters(self, size: JobSize) -> dict[str, object]:
        more: dict[str, object] = {"no-requeue": True}
        if size.memory_gb:
            more["mem"] = f"{round(size.memory_gb * 1024)}M"
        for argument in size.arguments:
            name, equal, value = argument.lstrip("-").partition("=")
            more[name] = value if equal else True
        setup = [f"unset {' '.join(OWN_VARIABLES)}"]
        if self._settings["cluster_setup"]:
            setup.append(self._settings["cluster_setup"])
        asked: dict[str, object] = {
            "partition": size.partition or None,
            "account": size.account or None,
            "time": size.minutes or None,
            "gpus_per_node": size.gpus or None,
            "array_parallelism": 1000,
            "setup": setup,
            "use_srun": False,  # one process needs no step of its own
            "additional_parameters": more,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        """See :class:`.executor.Executor`; raises ``environment.scheduler_unreachable``."""
        listed = _run([*_squeue(), "--format=%i|%T|%N|%r"])
        known = dict.fromkeys(ids, _GONE)
        for line in listed.splitlines():
            job, state, node, why = (*line.strip().split("|", 3), "", "", "")[:4]
            if job in known:
                known[job] = _state(state, node, why)
        return known

    def cancel(self, ids: Sequence[str]) -> None:
        """See :class:`.executor.Executor`."""
        if ids:
            _run(["scancel", "--quiet", *ids], fails=False)

    def log(self, job_id: str) -> str:
        """See :class:`.executor.Executor`."""
        try:
            with open(self._folder / f"{job_id}_0_log.err", "rb") as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_BYTES))
                text = stream.read(_LOG_BYTES)
        except OSError:
            return ""
        return text.decode("utf-8", "replace").strip()

    def forget(self, job_id: str) -> None:
        """See :class:`.executor.Executor`."""
        array, _, number = job_id.partition("_")
        for path in self._folder.glob(f"{job_id}_*"):
            with contextlib.suppress(OSError):
                path.unlink()
        if number and not any(self._folder.glob(f"{array}_*_*")):  # an array has one script
            with contextlib.suppress(OSError):
                (self._folder / f"{array}_submission.sh").unlink()

    def _remove_links(self) -> None:
        """submitit leaves a link to each script under the name of before the job had an id."""
        for path in self._folder.glob(".submission_file_*.sh"):
            with contextlib.suppress(OSError):
                if path.is_symlink():
                    path.unlink()

    def stop(self) -> None:
        """Jobs go on."""


def _name(token: str) -> str:
    return f"autoseg-{token}"


def _squeue() -> list[str]:
    return ["squeue", "--noheader", "--array", "--states=all", f"--user={os.geteuid()}"]


def partitions() -> list[str]:
    """Names of Slurm's partitions; raises ``environment.scheduler_unreachable``."""
    return _run(["sinfo", "--noheader", "--format=%R"]).split()


def _state(state: str, node: str, why: str) -> JobState:
    if state in _WAITS:
        return JobState(WAITING, why)
    if state in _SUSPENDED:
        return JobState(WAITING, "suspended", machine=node)
    if state in _RUNS:
        return JobState(RUNNING, machine=node)
    reason, counted, memory = _ENDS.get(state, (f"the job ended as {state}", True, False))
    return JobState(ENDED, f"{reason} ({node})" if node else reason, node, counted, memory)


def _run(command: list[str], fails: bool = True) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_ASK_SECONDS,
            stdin=subprocess.DEVNULL, env=clean_environment(), check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PipelineError("environment.scheduler_unreachable", f"{command[0]}: {error}") from error
    if done.returncode and fails:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise PipelineError("environment.scheduler_unreachable", f"{command[0]}: {said[:300]}")
    return done.stdout


def _submission_error(text: str) -> PipelineError:
    """``sbatch`` says in words only whether the job or the controller is the trouble."""
    said = " ".join(text.split())[-400:]
    away = ("Unable to contact", "Connection", "Socket timed out", "No such file or directory")
    code = "environment.scheduler_unreachable" if any(word in said for word in away) else "cluster.rejected"
    return PipelineError(code, f"sbatch: {said}")
