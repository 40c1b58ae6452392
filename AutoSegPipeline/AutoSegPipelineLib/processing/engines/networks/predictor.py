"""nnU-Net's predictor, made to be stopped, watched and used again."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Callable, Iterator

from ....core.errors import Cancelled
from . import window
from .back_ends import choice
from .batches import Batches
from .cells import Box
from .passes import Passes
from .progress import Course
from .quick import Head, enlarge_by_product, normalise_in_place, quick_head
from .quick_labels import use_quick_labels

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    FoldFinished = Callable[[int, Box, torch.Tensor], None]


def new_predictor(
    device: torch.device, load: Callable[[nnUNetPredictor], None], title: str = ""
) -> nnUNetPredictor:
    """A predictor on ``device`` with the networks that ``load`` gives to it; ``title`` is for people."""
    predictor = _predictor_class()(device=device)
    predictor.title = title
    load(predictor)
    if len(predictor.list_of_parameters) == 1:
        # nnU-Net loads them before each prediction; the network's own need no second copy in memory.
        predictor.list_of_parameters = [predictor.network.state_dict()]
    predictor.network.eval()
    use_quick_labels(predictor.label_manager)
    if predictor.device.type == "cpu":
        normalise_in_place(predictor.network)
        enlarge_by_product(predictor.network)
        predictor.head = quick_head(predictor.network)
    # Every layer asks whether the case was cancelled, and says how far the tile is.
    predictor.passes = Passes(predictor.network, predictor.within_tile)
    return predictor


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
        passes: Passes | None = None
        chosen: choice.Choice | None = None
        title = ""
        network: torch.nn.Module

        def __init__(self, device: object) -> None:
            where = _on_device_argument()
            super().__init__(use_mirroring=False, device=device, allow_tqdm=True, **{where: True})

        def within_tile(self, fraction: float) -> None:
            """The tile at hand is at ``fraction``; raises ``Cancelled``."""
            if self.course is not None:
                self.course.within_tile(fraction)

        @property
        def in_pieces(self) -> bool:
            """Whether :meth:`each_fold` gives what nnU-Net gives; not for slices and compiled networks."""
            deep = len(self.configuration_manager.patch_size) == 3
            plain = type(self.network).__name__ != "OptimizedModule"
            return own_window and deep and plain and self.device.type in ("cpu", "cuda")

        def each_fold(
            self, data: torch.Tensor, finished: FoldFinished, batches: Batches | None = None
        ) -> None:
            """As :func:`.window.walk`, with the networks of all folds one after the other.

            ``data`` lies where sums are to be made; ``finished`` also gets the number of the fold.
            """
            import torch
            from nnunetv2.configuration import default_num_processes

            self.stopped = None
            threads = torch.get_num_threads()
            torch.set_num_threads(min(threads, default_num_processes))  # as nnU-Net does
            try:
                with self._back_end(data), torch.inference_mode(), _precision(self.device.type):
                    for number, parameters in enumerate(self.list_of_parameters):
                        self.network.load_state_dict(parameters)
                        self.network = self.network.to(self.device).eval()
                        window.walk(self, data, partial(finished, number), batches)
            finally:
                torch.set_num_threads(threads)

        def batch_scores(self, pieces: torch.Tensor) -> torch.Tensor:
            """Scores of the network for tiles (n, channels, ...), on the predictor's device."""
            import torch

            begin = time.perf_counter()
            found = self._internal_maybe_mirror_and_predict(pieces.to(self.device))
            if found.device.type == "cuda":
                torch.cuda.synchronize(found.device)
            self._goes_on()
            if self.course is not None:
                self.course.network_seconds += time.perf_counter() - begin
            return found

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
            self._goes_on()
            size = tuple(one.stop - one.start for one in part)
            wanted = (slice(None), slice(None), *part)
            return found if tuple(found.shape[2:]) == size else found[wanted]

        @contextmanager
        def _back_end(self, data: torch.Tensor) -> Iterator[None]:
            """What computes the network of a case; preprocessed ``data`` is there to choose by."""
            choice.use(self, data)
            try:
                yield
            finally:
                choice.rest(self)

        def _goes_on(self) -> None:
            if self.stopped is not None:
                raise self.stopped

        def _internal_maybe_mirror_and_predict(self, x: torch.Tensor) -> torch.Tensor:
            if self.stopped is None:
                axes = self.allowed_mirroring_axes if self.use_mirroring else None
                if self.passes is not None:
                    self.passes.tile_begins(2 ** len(axes or ()))
                try:
                    return super()._internal_maybe_mirror_and_predict(x)
                except Cancelled as cancelled:
                    self.stopped = cancelled
            heads = self.label_manager.num_segmentation_heads
            return x.new_zeros((x.shape[0], heads, *x.shape[2:]))

        def _internal_predict_sliding_window_return_logits(
            self, data: object, slicers: object, *more: object
        ) -> object:
            theirs = super()._internal_predict_sliding_window_return_logits
            begin = time.perf_counter()
            found = theirs(data, _Stoppable(slicers, self), *more)
            if self.course is not None:
                self.course.network_seconds += time.perf_counter() - begin
            return found

        def logits(self, data: torch.Tensor) -> torch.Tensor:
            """Scores for preprocessed ``data``; raises ``Cancelled`` with everything tidied up."""
            self.stopped = None
            with self._back_end(data):
                scores = self.predict_logits_from_preprocessed_data(data)
            self._goes_on()
            return scores

    return WarmPredictor


class _Stoppable(list):
    """Tiles that end early once the predictor was stopped."""

    def __init__(self, slicers: object, predictor: nnUNetPredictor) -> None:
        super().__init__(slicers)  # type: ignore[call-overload]
        self._predictor = predictor

    def __iter__(self) -> Iterator[object]:
        for slicer in super().__iter__():
            if self._predictor.stopped is not None:
                return
            yield slicer


def _precision(kind: str) -> AbstractContextManager[object]:
    """nnU-Net computes in half precision on CUDA's devices and in single precision elsewhere."""
    import torch

    return torch.autocast(kind, enabled=True) if kind == "cuda" else nullcontext()


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
