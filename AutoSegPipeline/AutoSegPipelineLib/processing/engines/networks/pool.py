"""nnU-Net's predictors, kept loaded from case to case as long as memory allows."""

from __future__ import annotations

import gc
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from ... import heap
from ...memory import note_model
from .predictor import new_predictor

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

CHECKPOINT = "checkpoint_final.pth"
_KEEP_FREE = 0.25  # of the RAM: below this the models that rested longest are given up
_KEEP_FREE_GPU = 0.4
_MOST_MODELS = 32

Key = tuple  # (model folder, folds, device, checkpoint, when and how large the checkpoints are)


@dataclass(frozen=True)
class Weights:
    """A trained network's ``folder`` and which of its files count.

    ``folds`` is one, several or None for all that are there. ``load`` gives them to a new predictor;
    nnU-Net's own way, which trusts the files, where there is none. ``name`` is for people; empty takes the
    folders'.
    """

    folder: str
    folds: object = None
    checkpoint: str = CHECKPOINT
    load: Optional[Callable[[nnUNetPredictor], None]] = None
    name: str = ""

    @property
    def title(self) -> str:
        """What people call the network: its model and its configuration."""
        place = Path(self.folder)
        return self.name or f"{place.parent.name} {place.name.rpartition('__')[2]}"

    def key(self, device: object) -> Key:
        """What tells loaded predictors apart."""
        files = sorted(Path(self.folder).glob("fold_*/" + self.checkpoint))
        stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        return (self.folder, self._chosen(), str(device), self.checkpoint, stamps)

    def give_to(self, predictor: nnUNetPredictor) -> None:
        """Load the networks into a predictor."""
        if self.load is not None:
            self.load(predictor)
            return
        predictor.initialize_from_trained_model_folder(
            self.folder, use_folds=self._chosen(), checkpoint_name=self.checkpoint
        )

    def _chosen(self) -> object:
        return tuple(self.folds) if isinstance(self.folds, (list, tuple)) else self.folds


class Models:
    """Predictors by model folder, folds and device; the one used last is given up last."""

    def __init__(self, free_part: Callable[[], float] | None = None) -> None:
        self._kept: OrderedDict[Key, nnUNetPredictor] = OrderedDict()
        self._free_part = free_part or free_memory_part
        self.loads = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, weights: Weights, device: torch.device, step_size: float, mirror: bool) -> nnUNetPredictor:
        """The predictor for these weights, loaded when it is not there or its files have changed."""
        key = weights.key(device)
        predictor = self._kept.pop(key, None)
        if predictor is None:
            self._make_room()
            predictor = new_predictor(device, weights.give_to, weights.title)
            self.loads += 1
            note_model(key)
        self._kept[key] = predictor
        predictor.tile_step_size = step_size
        predictor.use_mirroring = mirror
        self._make_room_on_gpu(predictor)
        return predictor

    def drop_others(self, keep: object = None) -> int:
        """Give up every model but ``keep``; says how many. For when memory did not suffice."""
        others = [key for key, predictor in self._kept.items() if predictor is not keep]
        for key in others:
            del self._kept[key]
        free_caches()
        return len(others)

    def _make_room(self) -> None:
        while self._kept and (len(self._kept) >= _MOST_MODELS or self._free_part() < _KEEP_FREE):
            self._kept.popitem(last=False)
            gc.collect()
            heap.give_back()

    def _make_room_on_gpu(self, wanted: nnUNetPredictor) -> None:
        """nnU-Net moves a network to its device when it predicts; others wait in RAM where it is tight."""
        if wanted.device.type != "cuda":
            return
        import torch

        for predictor in self._kept.values():
            free, total = torch.cuda.mem_get_info(wanted.device)
            if free > _KEEP_FREE_GPU * total:
                return
            if predictor is not wanted and predictor.device == wanted.device:
                predictor.network = predictor.network.to("cpu")
                torch.cuda.empty_cache()


def free_memory_part() -> float:
    """Which part of the RAM is free, 0..1; 1 where nobody can say."""
    try:
        import psutil
    except ImportError:
        return 1.0
    memory = psutil.virtual_memory()
    return float(memory.available) / float(memory.total)


def give_back_where_tight() -> None:
    """What a case freed is kept for the next one only while there is memory enough for others."""
    if free_memory_part() < _KEEP_FREE:
        heap.give_back()


def free_caches() -> None:
    """Give back what Python and torch hold for nobody."""
    import torch

    gc.collect()
    heap.give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# The one pool of this process, for every engine.
POOL = Models()
