"""The one table of segmentation engines: a row and a package of ``processing/engines/`` are an engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .home import default_root
from .spec import Spec


@dataclass(frozen=True)
class EngineRow:
    """One engine, by the word of the option ``engine``.

    ``engine`` is its class in ``processing/engines/``; empty: a host does its work, not a worker.
    ``title`` is what people call it, where that is not its name;
    ``takes`` are the modalities of its scans. ``package`` is the module that the
    workers' Python must have for it, ``pip`` what brings that module, ``install`` the word after
    ``python3 autoseg.py install`` where the launcher does, and ``extension`` the extension of 3D Slicer
    that brings it, with ``brings`` besides; ``slicer_module`` is that extension's module where it has
    another name, and ``slicer_pip`` what pip adds to Slicer's Python after the extension's own part.
    ``weights`` is a module of ``processing/engines/`` that prints
    which trained models are there; :func:`..headless.extras.read_weights` runs it. ``weights_folder`` is a
    function there that says where downloaded ones lie. ``settings`` belong to
    this engine alone; each worker finds them in its environment under their own names. ``cites`` are keys
    of :mod:`.cohort.citations` for a paper, ``cites_mr`` those for tasks on MR besides.
    """

    name: str
    engine: str = ""
    title: str = ""
    takes: tuple[str, ...] = ()
    package: str = ""
    pip: tuple[str, ...] = ()
    install: str = ""
    extension: str = ""
    slicer_module: str = ""
    slicer_pip: tuple[str, ...] = ()
    brings: str = ""
    weights: str = ""
    weights_folder: str = ""
    settings: tuple[Spec, ...] = ()
    cites: tuple[str, ...] = ()
    cites_mr: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What people call it."""
        return self.title or self.name

    @property
    def module(self) -> str:
        """The module by which Slicer shows that the extension is there; empty where none is needed."""
        return self.slicer_module or self.extension

    @property
    def added(self) -> tuple[str, ...]:
        """What pip adds to Slicer's Python; nothing where the extension installs everything."""
        return self.slicer_pip or (() if self.extension else self.pip or (self.package,))

    @property
    def trained(self) -> bool:
        """Whether networks do its work: one that a worker runs without any package computes by rules."""
        return bool(self.package or self.weights or not self.engine)


OWN_MODELS = "nnunet"  # the engine whose tasks are the models that people add
MODELS_DIR = Spec(
    "models_dir",
    "text",
    "",
    "Folder of your own trained models; empty: `AutoSegPipeline/models` in the user's data folder.",
)

_NETWORKS = ("wasserthal2023totalsegmentator", "isensee2021nnunet")
_MR = ("dantonoli2025totalsegmentatormri",)
ENGINES: tuple[EngineRow, ...] = (
    EngineRow(
        "totalsegmentator",
        "totalsegmentator.TotalSegmentatorEngine",
        title="TotalSegmentator",
        takes=("CT", "MR"),
        package="totalsegmentator",
        pip=("TotalSegmentator", "torch", "torchvision"),
        install="totalsegmentator",
        extension="TotalSegmentator",
        brings="PyTorch and nnU-Net",
        weights="totalsegmentator.weights_list",
        weights_folder="totalsegmentator.weights.folder",
        cites=_NETWORKS,
        cites_mr=_MR,
        settings=(
            Spec(
                "totalsegmentator_statistics",
                "bool",
                False,
                "Let TotalSegmentator send its usage statistics to its makers.",
            ),
        ),
    ),
    EngineRow(
        OWN_MODELS,
        "nnunet.NnUnetEngine",
        title="nnU-Net (own models)",
        takes=("CT", "MR"),
        package="nnunetv2",
        pip=("nnunetv2", "torch", "torchvision"),
        install="nnunet",
        extension="PyTorch",
        slicer_module="PyTorchUtils",
        slicer_pip=("nnunetv2>=2.3.1",),
        settings=(MODELS_DIR,),
        cites=_NETWORKS[1:],
    ),
    EngineRow("tissue", "tissue.TissueEngine", takes=("CT",)),
    EngineRow(
        "slicer",
        takes=("CT", "MR"),
        extension="TotalSegmentator",
        cites=(*_NETWORKS, "fedorov2012slicer"),
        cites_mr=_MR,
    ),
)

WORKS_EVERYWHERE = next(row.name for row in ENGINES if not row.trained)  # with a CT

# Programs that the administrator declared are engines besides: processing/engines/command/ reads the file.
DECLARED = Spec(
    "engines_file",
    "text",
    "",
    "File that declares programs as engines; empty takes engines.json in the home.",
)
# What engines of networks share.
BACK_END = Spec(
    "back_end",
    "choice",
    "auto",
    "What computes networks on the CPU; auto takes OpenVINO where it is installed and decides as torch does.",
    ("auto", "torch", "openvino", "openvino-f32", "openvino-bf16"),
)
BACK_END_PACKAGE = "openvino"  # what pip adds for it
BY_NAME: dict[str, EngineRow] = {row.name: row for row in ENGINES}
SETTINGS: tuple[Spec, ...] = (*(spec for row in ENGINES for spec in row.settings), BACK_END, DECLARED)
# Engines that do not run in a worker, so no worker describes them.
ELSEWHERE: tuple[str, ...] = tuple(row.name for row in ENGINES if not row.engine)


def models_folder(setting: str) -> Path:
    """Where your own models lie: the setting ``models_dir``, or the usual place."""
    return Path(setting).expanduser() if setting else default_root() / "models"


def watched(settings: Mapping[str, Any]) -> list[Path]:
    """What decides which engines and tasks there are and may change while the pipeline runs."""
    declared = [Path(str(settings[DECLARED.name]))] if settings[DECLARED.name] else []
    return [models_folder(str(settings[MODELS_DIR.name])), *declared]


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """The variables that carry the engines' ``settings`` to a worker."""
    return {spec.environment: spec.text(settings[spec.name]) for spec in SETTINGS}
