"""nnU-Net's predictors, kept loaded from case to case as long as memory allows."""

from __future__ import annotations

import gc
import os
import time
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

from ....core.errors import Cancelled
from ... import heap
from ...memory import note_model
from . import window
from .labels import use_quick_labels
from .progress import Course
from .quick import Head, enlarge_by_product, normalise_in_place, quick_head

if TYPE_CHECKING:
    import torch

CHECKPOINT = "checkpoint_final.pth"
_KEEP_FREE = 0.25  # of the RAM: below this the models that rested longest are given up
_KEEP_FREE_GPU = 0.4
_MOST_MODELS = 32

Key = tuple  # (model folder, folds, device, when and how large the checkpoints are)


class Models:
    """Predictors by model folder, folds and device; the one used last is given up last."""

    def __init__(self, free_part: Callable[[], float] | None = None) -> None:
        self._kept: OrderedDict[Key, Any] = OrderedDict()
        self._free_part = free_part or free_memory_part
        self.loads = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, folder: str, folds: object, device: object, step_size: float, mirror: bool) -> Any:
        """The predictor for these weights, loaded when it is not there or its files have changed."""
        key = _key(folder, folds, device)
        predictor = self._kept.pop(key, None)
        if predictor is None:
            self._make_room()
            predictor = _load(folder, folds, device)
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

    def _make_room_on_gpu(self, wanted: Any) -> None:
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


def _key(folder: str, folds: object, device: object) -> Key:
    chosen = tuple(folds) if isinstance(folds, (list, tuple)) else folds
    files = sorted(Path(folder).glob("fold_*/" + CHECKPOINT))
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return (folder, chosen, str(device), stamps)


def _load(folder: str, folds: object, device: object) -> object:
    predictor = _predictor_class()(device=device)
    chosen = tuple(folds) if isinstance(folds, (list, tuple)) else folds
    predictor.initialize_from_trained_model_folder(folder, use_folds=chosen, checkpoint_name=CHECKPOINT)
    if len(predictor.list_of_parameters) == 1:
        # nnU-Net loads them before each prediction; the network's own need no second copy in memory.
        predictor.list_of_parameters = [predictor.network.state_dict()]
    predictor.network.eval()
    use_quick_labels(predictor.label_manager)
    if predictor.device.type == "cpu":
        normalise_in_place(predictor.network)
        enlarge_by_product(predictor.network)
        predictor.head = quick_head(predictor.network)
    _watch_layers(predictor)
    return predictor


def _watch_layers(predictor: Any) -> None:
    """Every layer asks whether the case was cancelled, and says how far the tile is."""
    layers = [module for module in predictor.network.modules() if not list(module.children())]

    def entered(number: int) -> Callable[[object, object], None]:
        def hook(_module: object, _inputs: object) -> None:
            if predictor.course is not None:
                predictor.course.within_tile(number / len(layers))

        return hook

    for number, layer in enumerate(layers):
        layer.register_forward_pre_hook(entered(number))


@lru_cache(maxsize=1)
def _predictor_class() -> type:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    own_window = window.is_equal(nnUNetPredictor)

    class WarmPredictor(nnUNetPredictor):
        """nnU-Net's predictor that can be stopped in a tile and used again.

        Its sliding window has a thread that feeds tiles through a queue. An error in
        the middle would leave that thread waiting for ever, with the scan in its hands;
        so after a cancel the window runs empty, without the network, and then ends.
        """

        course: Course | None = None
        stopped: Cancelled | None = None
        head: Head | None = None
        _scan: object = None

        def __init__(self, device: object) -> None:
            where = _on_device_argument()
            super().__init__(use_mirroring=False, device=device, allow_tqdm=True, **{where: True})

        def predict_sliding_window_return_logits(self, input_image: object) -> object:
            self._scan = input_image
            try:
                return super().predict_sliding_window_return_logits(input_image)
            finally:
                self._scan = None

        def scores_of(self, piece: object, part: tuple[slice, ...]) -> object:
            """Scores of the network for ``part`` of a tile (1, channels, ...), on the CPU."""
            begin = time.perf_counter()
            mirrored = self.use_mirroring and self.allowed_mirroring_axes is not None
            if self.head is not None and not mirrored:
                self.head.part = part
            try:
                found = self._internal_maybe_mirror_and_predict(piece)
            finally:
                if self.head is not None:
                    self.head.part = None
            if self.course is not None:
                self.course.network_seconds += time.perf_counter() - begin
            size = tuple(one.stop - one.start for one in part)
            wanted = (slice(None), slice(None), *part)
            return found if tuple(found.shape[2:]) == size else found[wanted]

        def _internal_maybe_mirror_and_predict(self, x: torch.Tensor) -> torch.Tensor:
            if self.stopped is None:
                try:
                    return super()._internal_maybe_mirror_and_predict(x)
                except Cancelled as cancelled:
                    self.stopped = cancelled
            heads = self.label_manager.num_segmentation_heads
            return x.new_zeros((x.shape[0], heads, *x.shape[2:]))

        def _internal_predict_sliding_window_return_logits(
            self, data: object, slicers: object, *more: object
        ) -> object:
            if self.device.type == "cpu" and own_window:
                return window.scores(self, data, _Stoppable(slicers, self), self._scan)
            theirs = super()._internal_predict_sliding_window_return_logits
            begin = time.perf_counter()
            found = theirs(data, _Stoppable(slicers, self), *more)
            if self.course is not None:
                self.course.network_seconds += time.perf_counter() - begin
            return found

        def logits(self, data: object) -> object:
            """Scores for preprocessed ``data``; raises ``Cancelled`` with everything tidied up."""
            self.stopped = None
            scores = self.predict_logits_from_preprocessed_data(data)
            if self.stopped is not None:
                raise self.stopped
            return scores

    return WarmPredictor


class _Stoppable(list):
    """Tiles that end early once the predictor was stopped."""

    def __init__(self, slicers: Any, predictor: Any) -> None:
        super().__init__(slicers)
        self._predictor = predictor

    def __iter__(self) -> Iterator[object]:
        for slicer in super().__iter__():
            if self._predictor.stopped is not None:
                return
            yield slicer


def _on_device_argument() -> str:
    """nnU-Net renamed it after 2.2.1."""
    import inspect

    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    names = inspect.signature(nnUNetPredictor.__init__).parameters
    return (
        "perform_everything_on_gpu"
        if "perform_everything_on_gpu" in names
        else "perform_everything_on_device"
    )


def cpu_threads() -> int:
    """How many threads torch may use: the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
