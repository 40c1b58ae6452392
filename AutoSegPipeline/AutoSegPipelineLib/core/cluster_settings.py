"""Settings of work on other machines: where bundles go and how large a job each engine and task gets. Pure.

A list setting holds values for all cases and values for some, most particular first to be taken:
``VALUE``, ``VALUE for ENGINE``, ``VALUE for ENGINE:TASK``.
"""

from __future__ import annotations

# ruff: noqa: E501 - a table is read by its columns
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Sequence, cast

from .engine_list import wanted_engines
from .errors import PipelineError
from .spec import Spec

NONE, SLURM, DASK = "none", "slurm", "dask"
KINDS = (NONE, SLURM, DASK)
CLEAN_SECONDS = 70.0  # what the cluster child gets to end and remove what is out when it is switched off
_FOR = re.compile(r"(?P<value>.*\S)\s+for\s+(?P<whom>\S+)", re.IGNORECASE)
_PER = "; VALUE for ENGINE and VALUE for ENGINE:TASK differ from it"

SETTINGS: tuple[Spec, ...] = (
    Spec("cluster", "choice", NONE, "Where cases are computed besides this machine.", KINDS),
    Spec("cluster_share", "text", "", "Folder that this machine and those of the cluster see under the same path."),
    Spec("cluster_python", "text", "", "Python of the cluster's machines that has this program's packages; empty takes this one."),
    Spec("cluster_setup", "text", "", "Shell line that a job of Slurm runs first, such as module load autoseg."),
    Spec("cluster_partition", "list", (), f"Slurm's partition{_PER}."),
    Spec("cluster_account", "list", (), f"Account that Slurm charges{_PER}."),
    Spec("cluster_gpus", "list", ("0",), f"GPUs of a job; of a worker where Dask runs it{_PER}."),
    Spec("cluster_memory_gb", "list", ("16", "32", "64"), f"Memory of a job of Slurm, and each next size for a case that it did not suffice for{_PER}.", unit="GB"),
    Spec("cluster_minutes", "list", ("120",), f"Wall time of a job; with Dask the length of a bundle{_PER}.", unit="min"),
    Spec("cluster_sbatch", "list", (), f"Further arguments of sbatch, such as qos=low{_PER}."),
    Spec("cluster_host", "text", "", "Address that Dask's scheduler listens on; empty is every one of this machine."),
    Spec("cluster_port", "int", 8786, "Port of Dask's scheduler; 0 takes any that is free.", minimum=0, maximum=65535),
    Spec("cluster_bundles", "int", 4, "Most bundles that are out at the same time.", minimum=1, maximum=1000),
    Spec("cluster_bundle_cases", "int", 50, "Most cases in one bundle.", minimum=1, maximum=1000),
    Spec("cluster_look_seconds", "float", 10.0, "How often the scheduler and the share are looked at.", minimum=0.1, maximum=600, unit="s"),
)  # fmt: skip


@dataclass(frozen=True)
class JobSize:
    """What one job of the scheduler asks for. 0 or empty leaves it to the scheduler."""

    partition: str = ""
    account: str = ""
    gpus: int = 0
    memory_gb: float = 0.0
    minutes: int = 0
    arguments: List[str] = field(default_factory=list)


def share_folder(settings: Mapping[str, object]) -> Path:
    """The folder on the share; raises ``cluster.configuration`` where none is named."""
    folder = str(settings["cluster_share"])
    if not Path(folder).is_absolute():
        raise PipelineError("cluster.configuration", f"cluster_share {folder!r} is no absolute path")
    return Path(folder)


def job_size(settings: Mapping[str, object], options: Mapping[str, object], memory_step: int = 0) -> JobSize:
    """The job for a case with ``options``; ``memory_step`` counts how often its memory did not suffice.

    Raises ``options.invalid`` for a number that is none.
    """

    def of(name: str) -> list[str]:
        return particular(cast(Sequence[str], settings[name]), options)

    def number(name: str, step: int = 0) -> float:
        found = of(name)
        text = found[min(step, len(found) - 1)] if found else "0"
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < 1e7:
            raise PipelineError("options.invalid", f"{name}: {text!r} is not a number of that kind")
        return value

    return JobSize(
        partition=",".join(of("cluster_partition")),
        account="".join(of("cluster_account")[:1]),
        gpus=int(number("cluster_gpus")),
        memory_gb=number("cluster_memory_gb", memory_step),
        minutes=int(number("cluster_minutes")),
        arguments=of("cluster_sbatch"),
    )


def memory_steps(settings: Mapping[str, object], options: Mapping[str, object]) -> int:
    """How many sizes of memory there are for a case with ``options``."""
    return len(particular(cast(Sequence[str], settings["cluster_memory_gb"]), options))


def particular(values: Sequence[str], options: Mapping[str, object]) -> list[str]:
    """Those of ``values`` for the engine and task of ``options``, else for the engine, else for all."""
    whom = [one.name for one in wanted_engines(options.get("engine"))]
    tasks = [one.options(options).get("task") for one in wanted_engines(options.get("engine"))]
    names = [f"{engine}:{task}".casefold() for engine, task in zip(whom, tasks) if task]
    for candidates in (names, [engine.casefold() for engine in whom], [""]):
        found = [value for value, name in map(_split, values) if name in candidates]
        if found:
            return found
    return []


def _split(text: str) -> tuple[str, str]:
    found = _FOR.fullmatch(text)
    return (found["value"], found["whom"].casefold()) if found else (text, "")
